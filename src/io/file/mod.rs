//! Files: ranges to send, and files in memory.
//!
//! `region.rs` has ranges of files, `transfer.rs` sends them to a descriptor. `mapped.rs` has files in
//! memory, `mapped_mut.rs` files that are written there.

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
