//! The reference count of a block.
//!
//! The count is the number of *references* to a block. Every handle holds one. A thread's
//! [`RefCache`](super::ref_cache::RefCache) may hold more, so that `clone` and `drop` need no atomic
//! read-modify-write. Only this file names the orderings of the count.
//!
//! Rules:
//!
//! * **C1** `count = handles + cached references`, at every moment, over all threads.
//! * **C2** Only the holder of a reference may [`acquire`](Count::acquire) more. A count that has reached zero
//!   stays zero until the block is allocated again.
//! * **C3** A thread that learns from [`references`](Count::references) or [`release`](Count::release) that it
//!   holds all references owns the block exclusively, and sees all accesses of former holders: they released
//!   with `Release`, and this thread reads with `Acquire`. The read is a load and not a fence, because
//!   `ThreadSanitizer` does not support fences.
//! * **C4** The count cannot wrap: the process aborts at half the range of the integer.

use crate::sync::{AtomicU32, Ordering, abort};

/// The process aborts when the count exceeds this (rule C4).
pub(crate) const LIMIT: u32 = u32::MAX / 2;

/// The number of references to one block.
pub(crate) struct Count(AtomicU32);

/// Whether references are left after a release.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// Other references exist.
    Some,
    /// No other reference exists: the caller must return the block.
    None,
}

impl Count {
    /// Returns a count of one reference, which the caller holds.
    pub(crate) fn one() -> Self {
        Self(AtomicU32::new(1))
    }

    /// Sets the count to any value, for tests of the overflow guard.
    #[cfg(any(test, loom))]
    pub(crate) fn set(&self, references: u32) {
        self.0.store(references, Ordering::Relaxed);
    }

    /// Sets the count to one. Only the exclusive owner of the block may call this.
    #[inline]
    pub(crate) fn reset(&self) {
        // Relaxed: passing the block to another thread always synchronises.
        self.0.store(1, Ordering::Relaxed);
    }

    /// Sets the count to one, without a write if it is one. Only the exclusive owner may call this.
    #[inline]
    pub(crate) fn reset_if_needed(&self) {
        // Relaxed: no other thread changes the count of an exclusively owned block.
        if self.0.load(Ordering::Relaxed) != 1 {
            self.reset();
        }
    }

    /// Adds references. The caller holds one (C2).
    #[inline]
    pub(crate) fn acquire(&self, references: u32) {
        // Relaxed: no access depends on the value read, as in `Arc::clone`.
        let before = self.0.fetch_add(references, Ordering::Relaxed);
        if before > LIMIT {
            abort();
        }
    }

    /// Removes references that the caller holds.
    #[inline]
    pub(crate) fn release(&self, references: u32) -> Remaining {
        // Release: this thread's accesses happen before the block is freed (C3).
        if self.0.fetch_sub(references, Ordering::Release) != references {
            return Remaining::Some;
        }
        // Acquire: the accesses of other threads happen before this thread frees the block (C3).
        let _ = self.0.load(Ordering::Acquire);
        Remaining::None
    }

    /// Returns the number of references. If the caller holds all of them, it owns the block exclusively (C3).
    #[inline]
    pub(crate) fn references(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}
