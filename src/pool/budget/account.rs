//! [`Account`]: the bytes of one budget.

use crate::sync::{AtomicUsize, Ordering};
use std::sync::atomic::AtomicU64;

/// The limit of a budget, and the bytes charged to it (D1).
pub(super) struct Account {
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
}

impl Account {
    pub(super) fn new(limit: usize) -> Self {
        let (used, peak, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Self { limit, used, peak, refused }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of bytes that are free now.
    pub(super) fn available(&self) -> usize {
        self.limit - self.used()
    }

    /// Returns whether fewer than `bytes` are free. Before it returns `true` it reads `used` by a read-modify-write (D5).
    pub(super) fn lacks(&self, bytes: usize) -> bool {
        bytes > self.available() && bytes > self.limit - self.used.fetch_add(0, Ordering::AcqRel)
    }

    /// Adds to the used bytes if the limit allows it. On `false` the caller checks again with [`lacks`](Self::lacks).
    pub(super) fn charge(&self, bytes: usize) -> bool {
        let mut used = self.used();
        loop {
            let Some(more) = used.checked_add(bytes).filter(|&more| more <= self.limit) else {
                return false;
            };
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.used.compare_exchange_weak(used, more, success, failure) {
                Ok(_) => {
                    if self.peak() < more {
                        self.peak.fetch_max(more, Ordering::Relaxed);
                    }
                    return true;
                }
                Err(now) => used = now,
            }
        }
    }

    /// Subtracts from the used bytes. Returns the number of bytes that are free then.
    pub(super) fn uncharge(&self, bytes: usize) -> usize {
        self.limit - (self.used.fetch_sub(bytes, Ordering::AcqRel) - bytes)
    }
}
