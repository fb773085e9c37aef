//! Sends bytes and files to the kernel, and receives them.
//!
//! `progress.rs` states the rule that every sender here keeps: bytes are sent once. `file/` has ranges of files
//! and mapped files. `queue/` keeps buffers and file regions in order and sends them. `relay/` moves bytes
//! between two descriptors. `uring/` receives through a completion ring. `segment/` is a log file that survives
//! crashes. `recv.rs` chooses the size of each receive. `scratch.rs` allocates the memory for reads.

#[cfg(all(test, unix))]
mod faults;
mod file;
mod progress;
mod queue;
mod recv;
#[cfg(unix)]
mod relay;
mod scratch;
mod segment;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
mod uring;

#[cfg(unix)]
pub use crate::sys::Advice;
pub use crate::sys::NotRegularFile;
pub use file::{FileRegion, FileTruncated};
#[cfg(unix)]
pub use file::{MappedFile, MappedFileMut};
#[cfg(all(unix, feature = "testing"))]
pub(crate) use queue::sends_in_flight;
pub use queue::{Flush, Payload, QueueStats, WriteQueue};
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use queue::{InFlightSend, SendMethod, SendOperation, Settled};
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) use queue::{MAX_WRITER_CALL, PollWriter};
pub use recv::RecvSizer;
#[cfg(unix)]
pub use relay::{Splice, Spliced, shutdown_write};
pub use segment::{
    Checksummed, CorruptRecord, Framing, Parsed, Place, Record, Records, Recovered, Repair,
    Segment, SegmentDamaged, SegmentFileLost, SegmentFormatError, SegmentFull, SegmentReader,
    SegmentSyncer,
};
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use uring::{BufferRing, BufferRingStats, Consume, Received, Registration, Taken};
