//! Bytes and files on their way to the kernel.
//!
//! `progress.rs` owns the one rule that everything here must keep, "sent once". `region.rs` is a
//! range of a file, `transfer.rs` how it gets to a descriptor. `queue/` keeps buffers and regions
//! in order and sends them. `splice.rs` moves bytes between two descriptors, through the pipes of
//! `pipes.rs`. `segment/` is a log file that survives crashes, `mapped.rs` a
//! file in memory, `mapped_mut.rs` one that is written there. `recv.rs` sizes what is received, and
//! `window.rs` is the memory for what has to be read.

#[cfg(all(test, unix))]
mod faults;
#[cfg(unix)]
mod mapped;
#[cfg(unix)]
mod mapped_mut;
#[cfg(unix)]
mod pipes;
mod progress;
mod queue;
mod recv;
mod region;
mod segment;
#[cfg(unix)]
mod splice;
#[cfg(unix)]
mod transfer;
mod window;

#[cfg(unix)]
pub use mapped::{Access, MappedFile};
#[cfg(unix)]
pub use mapped_mut::MappedFileMut;
#[cfg(all(unix, feature = "testing"))]
pub(crate) use queue::open_leases;
pub use queue::{Flush, Outgoing, QueueStats, WriteQueue};
pub use recv::RecvSizer;
pub use region::{FileRegion, FileShrank};
pub use segment::{CorruptRecord, Record, Records, Segment, SegmentFull, SegmentReader};
#[cfg(unix)]
pub use splice::{Splice, Spliced};
