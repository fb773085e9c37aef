//! Whether the last handle of a pool is gone.
//!
//! * **Q1** After publishing a block where [`set`](Closed::set)'s caller looks for blocks, call
//!   [`is_set_by_now`](Closed::is_set_by_now): either it reports the pool closed, or the other thread sees the block.
//!   Otherwise the block would stay there for ever, and keep the pool.

use crate::sync::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};

/// A flag that is set once.
#[derive(Default)]
pub(crate) struct Closed(AtomicBool);

impl Closed {
    /// Sets the flag. The caller then looks for what was published before (Q1).
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
        // With the other fence: one of the two comes first.
        fence(SeqCst);
    }

    /// Returns whether the flag is set, as far as this thread knows.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// As [`is_set`](Self::is_set), after publishing a block (Q1).
    pub(crate) fn is_set_by_now(&self) -> bool {
        fence(SeqCst);
        self.is_set()
    }
}
