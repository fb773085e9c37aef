//! How far a segment is published.

use crate::sync::{AtomicU64, Ordering};

/// The end of what readers may read. What is written before an end is published, the bytes in the file and
/// whatever a program hangs on the position besides, comes before what is done by who sees that end.
#[derive(Debug)]
pub(super) struct Published(AtomicU64);

impl Published {
    pub(super) fn new(end: u64) -> Self {
        Self(AtomicU64::new(end))
    }

    /// Only for the one writer.
    pub(super) fn set(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
