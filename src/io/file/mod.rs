//! Files: ranges to send, and files in memory.
//!
//! `region.rs` is a range of a file, `transfer.rs` how it gets to a descriptor. `mapped.rs` is a file in
//! memory, `mapped_mut.rs` one that is written there.

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
