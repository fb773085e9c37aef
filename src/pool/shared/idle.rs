//! The account of idle bytes, and who sees to it that they go back to the system.
//!
//! Rules:
//!
//! * **I1** The account has the bytes that may be resident and belong to no handle and no thread. They are
//!   counted before others can find them, so that it never falls below zero.
//! * **I2** While more than the [`RESERVE`] is idle, somebody watches, or is being sent for. Who adds looks
//!   for a watch afterwards; who ends his watch looks for more afterwards. Both *change* `bytes`, so one of
//!   them comes first: who ends second sees the bytes, who adds second sees that the watch has ended, as
//!   the one change is `Release` and the other `Acquire`. No fence is needed.

use crate::sync::{
    AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Idle bytes that are kept for the next burst however long it takes, beside what threads cache.
pub(crate) const RESERVE: usize = 256 * 1024;

/// A pool's account of idle bytes.
#[derive(Default)]
pub(crate) struct Idle {
    bytes: AtomicUsize,
    /// The least that `bytes` has been since the last [`look`](Self::look).
    low: AtomicUsize,
    watched: AtomicBool,
}

impl Idle {
    /// How many bytes are idle.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Counts bytes that nobody can find yet (I1). Says whether somebody must be sent for who watches.
    #[must_use]
    pub(crate) fn more(&self, bytes: usize) -> bool {
        // Acquire: as I2 says, with `end_watch`.
        let idle = self.bytes.fetch_add(bytes, Acquire) + bytes;
        idle > RESERVE && !self.is_watched()
    }

    /// Counts bytes that are idle no more.
    pub(crate) fn less(&self, bytes: usize) {
        let idle = self.bytes.fetch_sub(bytes, Relaxed) - bytes;
        if idle < self.low.load(Relaxed) {
            self.low.fetch_min(idle, Relaxed);
        }
    }

    /// What nobody has needed since the last look, beside the reserve.
    pub(crate) fn unused(&self) -> usize {
        self.low.load(Relaxed).min(self.bytes()).saturating_sub(RESERVE)
    }

    /// Begins to note anew what is needed. Returns how many bytes are idle.
    pub(crate) fn look(&self) -> usize {
        let idle = self.bytes();
        self.low.store(idle, Relaxed);
        idle
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Makes the caller the one who watches, unless there is one.
    pub(crate) fn begin_watch(&self) -> bool {
        !self.watched.swap(true, Relaxed)
    }

    /// Ends the watch unless more than `enough` is idle and nobody else has taken over: whether it ended.
    pub(crate) fn end_watch(&self, enough: usize) -> bool {
        self.abandon_watch();
        // A change, though by nothing, and not a load: it has a place among the others (I2).
        self.bytes.fetch_add(0, Release) <= enough || !self.begin_watch()
    }

    /// Ends the watch without a look: the next who adds sends for another.
    pub(crate) fn abandon_watch(&self) {
        self.watched.store(false, Relaxed);
    }
}
