//! The count of a block: who may free it, and when.
//!
//! The count says how many *credits* of a block are out. Every handle holds one; a thread's
//! [`Bank`](super::bank::Bank) may hold more, so that cloning and dropping need no atomic
//! read-modify-write. This file is the only one that names an ordering for that word.
//!
//! Rules:
//!
//! * **C1** `count = handles + banked credits`, at every moment, over all threads.
//! * **C2** Credits come out of the count with [`draw`](Count::draw) and only by somebody who holds one:
//!   a count that has reached zero stays there until the block is handed out anew.
//! * **C3** Whoever sees that all credits are its own ([`credits`](Count::credits), [`give_back`](Count::give_back))
//!   owns the block alone, and has seen everything that former holders did with it: they gave back
//!   with `Release`, and that reading is `Acquire`. A load, not a fence: ThreadSanitizer knows no fences.
//! * **C4** The count can't wrap: the process aborts at half the range of `usize`.

use crate::sync::{AtomicUsize, Ordering, abort};

/// Above this many credits the process aborts (rule C4).
pub(crate) const LIMIT: usize = usize::MAX / 2;

/// The counter of credits of one block.
pub(crate) struct Count(AtomicUsize);

/// What the caller owes after it has given credits away.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Others hold the block: nothing to do.
    Shared,
    /// Nobody else holds it: the caller must send it home.
    Last,
}

impl Count {
    /// A count with one credit out: the caller's.
    pub(crate) fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// Sets the count, so that a test need not count so far.
    #[cfg(any(test, loom))]
    pub(crate) fn set(&self, credits: usize) {
        self.0.store(credits, Ordering::Relaxed);
    }

    /// Sets the count to one credit, the caller's. Only for the sole owner of the block.
    #[inline]
    pub(crate) fn reset(&self) {
        // Relaxed: the block reaches other threads only by ways that synchronise.
        self.0.store(1, Ordering::Relaxed);
    }

    /// As [`reset`](Self::reset), without a write where there is one credit already.
    #[inline]
    pub(crate) fn settle(&self) {
        // Relaxed: the sole owner is alone with the word.
        if self.0.load(Ordering::Relaxed) != 1 {
            self.reset();
        }
    }

    /// Takes `credits` more out. The caller holds one already (C2).
    #[inline]
    pub(crate) fn draw(&self, credits: usize) {
        // Relaxed: nothing is read on the strength of this; as in `Arc::clone`.
        let before = self.0.fetch_add(credits, Ordering::Relaxed);
        if before > LIMIT {
            abort();
        }
    }

    /// Gives `credits` of the caller's back.
    #[inline]
    pub(crate) fn give_back(&self, credits: usize) -> Fate {
        // Release: what this thread did with the block happens before whoever frees it (C3).
        if self.0.fetch_sub(credits, Ordering::Release) != credits {
            return Fate::Shared;
        }
        // Acquire: what the others did happens before this thread frees it (C3).
        let _ = self.0.load(Ordering::Acquire);
        Fate::Last
    }

    /// How many credits are out: if all of them are the caller's, it owns the block alone (C3).
    #[inline]
    pub(crate) fn credits(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}
