//! How far a segment is published.

use crate::sync::{AtomicU64, Ordering};

/// The end of what readers may read. Everything that the writer does before it publishes an end, in the file and in
/// memory, happens before what a thread does that has read this end.
#[derive(Debug)]
pub(super) struct Published(AtomicU64);

impl Published {
    pub(super) fn new(end: u64) -> Self {
        Self(AtomicU64::new(end))
    }

    /// Publishes an end. Only the one writer may call this.
    pub(super) fn set(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
