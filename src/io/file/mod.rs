//! Files: ranges to send, and mapped files.
//!
//! `region.rs` has ranges of files, and `transfer.rs` sends them to a descriptor. `mapped.rs` has
//! read-only mapped files, and `mapped_mut.rs` has writable ones.

#[cfg(unix)]
pub(super) mod mapped;
#[cfg(unix)]
mod mapped_mut;
pub(super) mod region;
#[cfg(unix)]
mod transfer;

#[cfg(unix)]
pub use mapped::MappedFile;
#[cfg(unix)]
pub use mapped_mut::MappedFileMut;
pub use region::{FileRegion, FileTruncated};
