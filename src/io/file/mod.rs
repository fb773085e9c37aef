//! Files: ranges to send, and mapped files.
//!
//! `region.rs` has ranges of files, `read.rs` reads them into memory, and `transfer.rs` sends them to a descriptor.
//! `mapped.rs` has read-only mapped files, and `mapped_mut.rs` has writable ones. `truncated.rs` has the error of files
//! that end too early.

// This module comes first, so that the page of the type begins with its constructors.
pub(super) mod region;

#[cfg(unix)]
pub(super) mod mapped;
#[cfg(unix)]
mod mapped_mut;
mod read;
#[cfg(unix)]
mod transfer;
mod truncated;

#[cfg(unix)]
pub use mapped::MappedFile;
#[cfg(unix)]
pub use mapped_mut::MappedFileMut;
pub use region::FileRegion;
pub use truncated::FileTruncated;
