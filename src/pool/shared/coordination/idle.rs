//! The count of idle bytes, and whether the purger watches them.
//!
//! Rules:
//!
//! * **I1** The count covers the bytes that may be resident and belong to no handle and no thread. They are counted
//!   before other threads can find them, so that the count never falls below zero.
//! * **I2** While more than the reserve is idle, the pool is watched, or a thread is about to make it so. A thread that
//!   adds bytes looks for a watch afterwards; the thread that ends its watch looks for bytes afterwards. Both *change*
//!   `bytes` in between, so one of the changes comes first: the watch that ends second sees the bytes, the thread that
//!   adds second sees that the watch has ended, as one change is `Release` and the other `Acquire`. No fence is needed.

use crate::sync::{
    AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// A pool's count of idle bytes.
#[derive(Default)]
pub(crate) struct Idle {
    bytes: AtomicUsize,
    /// The least that `bytes` has been since the last [`restart`](Self::restart).
    low: AtomicUsize,
    watched: AtomicBool,
}

impl Idle {
    /// Returns the number of idle bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Adds bytes that no other thread can find yet (I1). The caller then looks whether the pool
    /// [needs a watch](Self::needs_watch).
    pub(crate) fn add(&self, bytes: usize) {
        // Acquire: as I2 says, with `end_watch`.
        self.bytes.fetch_add(bytes, Acquire);
    }

    /// Returns whether more than the reserve is idle and the pool is not watched.
    #[must_use]
    pub(crate) fn needs_watch(&self, reserve: usize) -> bool {
        self.bytes() > reserve && !self.is_watched()
    }

    /// Removes bytes that are idle no more.
    pub(crate) fn remove(&self, bytes: usize) {
        let idle = self.bytes.fetch_sub(bytes, Relaxed) - bytes;
        if idle < self.low.load(Relaxed) {
            self.low.fetch_min(idle, Relaxed);
        }
    }

    /// Returns the bytes beyond the reserve that were idle all the time since the last [`restart`](Self::restart).
    /// `returned` bytes of them were in the caches of idle threads until now.
    pub(crate) fn unused(&self, reserve: usize, returned: usize) -> usize {
        let unused = self.low.load(Relaxed).saturating_add(returned);
        unused.min(self.bytes()).saturating_sub(reserve)
    }

    /// Begins to observe anew what is needed. Returns the number of idle bytes.
    pub(crate) fn restart(&self) -> usize {
        let idle = self.bytes();
        self.low.store(idle, Relaxed);
        idle
    }

    /// Returns whether the pool is watched.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Begins a watch; returns whether there was none.
    pub(crate) fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Relaxed)
    }

    /// Ends the watch, unless more than `enough` is idle and no other has begun: returns whether it ended.
    pub(crate) fn end_watch(&self, enough: usize) -> bool {
        self.watched.store(false, Relaxed);
        // A change, though by nothing, and not a load: it has a place among the others (I2).
        self.bytes.fetch_add(0, Release) <= enough || !self.begin_watch()
    }
}
