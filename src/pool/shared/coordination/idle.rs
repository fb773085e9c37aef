//! The count of idle bytes of a pool, and the flag that the purger watches the pool.
//!
//! Rules:
//!
//! * **I1** The count is the bytes that may be resident and belong to no handle and no thread. Bytes are added before
//!   other threads can find them, so that the count never falls below zero.
//! * **I2** While more than the reserve is idle, the pool is watched, or a thread is about to begin a watch. A thread
//!   adds bytes and then reads `watched`; the purger clears `watched` and then reads `bytes`. Both *change* `bytes`
//!   in between; the purger adds zero. So one of the changes comes first. If the purger's is second, it reads the
//!   added bytes. If the other thread's is second, it sees `watched` cleared, as the purger's change is `Release` and
//!   its own `Acquire`. No fence is needed.

use crate::sync::{
    AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// A pool's count of idle bytes.
#[derive(Default)]
pub(crate) struct Idle {
    bytes: AtomicUsize,
    /// The minimum of `bytes` since the last [`restart`](Self::restart).
    low: AtomicUsize,
    watched: AtomicBool,
}

impl Idle {
    /// Returns the number of idle bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Adds bytes that no other thread can find yet (I1). The caller must then check whether the pool
    /// [needs a watch](Self::needs_watch) (I2).
    pub(crate) fn add(&self, bytes: usize) {
        // Acquire: pairs with `end_watch` (I2).
        self.bytes.fetch_add(bytes, Acquire);
    }

    /// Returns whether more than the reserve is idle and the pool is not watched.
    #[must_use]
    pub(crate) fn needs_watch(&self, reserve: usize) -> bool {
        self.bytes() > reserve && !self.is_watched()
    }

    /// Removes bytes that are no longer idle.
    pub(crate) fn remove(&self, bytes: usize) {
        let idle = self.bytes.fetch_sub(bytes, Relaxed) - bytes;
        if idle < self.low.load(Relaxed) {
            self.low.fetch_min(idle, Relaxed);
        }
    }

    /// Returns the bytes beyond the reserve that were unused since the last [`restart`](Self::restart): those that
    /// stayed idle, and `returned` bytes from the caches of idle threads.
    pub(crate) fn unused(&self, reserve: usize, returned: usize) -> usize {
        let unused = self.low.load(Relaxed).saturating_add(returned);
        unused.min(self.bytes()).saturating_sub(reserve)
    }

    /// Begins a new period. Returns the number of idle bytes.
    pub(crate) fn restart(&self) -> usize {
        let idle = self.bytes();
        self.low.store(idle, Relaxed);
        idle
    }

    /// Returns whether the pool is watched.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Begins a watch. Returns whether there was none.
    pub(crate) fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Relaxed)
    }

    /// Ends the caller's watch if at most `enough` bytes are idle, or if another thread has begun a watch meanwhile.
    /// Returns whether it ended.
    pub(crate) fn end_watch(&self, enough: usize) -> bool {
        self.watched.store(false, Relaxed);
        // Adding zero, not a load: it is ordered among the other changes (I2).
        self.bytes.fetch_add(0, Release) <= enough || !self.begin_watch()
    }
}
