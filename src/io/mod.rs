//! Bytes and files on their way to the kernel.
//!
//! `progress.rs` owns the one rule that everything here must keep, "sent once"; `region.rs` is a
//! range of a file; `queue/` keeps buffers and regions in order and sends them.

mod progress;
mod queue;
mod region;

pub use queue::{Flush, Outgoing, QueueStats, WriteQueue};
pub use region::{FileRegion, FileShrank};
