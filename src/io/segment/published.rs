//! The published end of a segment.

use crate::sync::{AtomicU64, Ordering};

/// The end up to which readers may read. All writes before an end is published, to the file and to memory, happen
/// before the operations of a thread that has loaded this end.
#[derive(Debug)]
pub(super) struct Published(AtomicU64);

impl Published {
    pub(super) fn new(end: u64) -> Self {
        Self(AtomicU64::new(end))
    }

    /// Publishes an end. Only the writer may call this.
    pub(super) fn set(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
