//! The flag of a closed pool: its last `Pool` value was dropped.
//!
//! * **Q1** After publishing a block where the caller of [`set`](Closed::set) searches for blocks, call
//!   [`is_set_by_now`](Closed::is_set_by_now): either it reports the pool closed, or the other thread sees the block.
//!   Otherwise the block could stay there forever, and keep the pool alive.

use crate::sync::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};

/// A flag that is set once.
#[derive(Default)]
pub(crate) struct Closed(AtomicBool);

impl Closed {
    /// Sets the flag. The caller then searches for published blocks (Q1).
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
        // Pairs with the fence of `is_set_by_now`: one of the two comes first.
        fence(SeqCst);
    }

    /// Returns whether this thread sees the flag set.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// As [`is_set`](Self::is_set), after publishing a block (Q1).
    pub(crate) fn is_set_by_now(&self) -> bool {
        fence(SeqCst);
        self.is_set()
    }
}
