//! Whether the last handle of a pool is gone.
//!
//! * **Q1** Who puts something where [`set`](Closed::set)'s caller looks afterwards asks
//!   [`is_set_by_now`](Closed::is_set_by_now) afterwards: either he is told that the pool is closed, or the
//!   other finds what was put. Otherwise it would stay there for good, and keep the pool.

use crate::sync::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};

/// A flag that is set once.
#[derive(Default)]
pub(crate) struct Closed(AtomicBool);

impl Closed {
    /// The pool is closed: the caller looks now for what was put before (Q1).
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
        // With the other fence: one of the two comes first.
        fence(SeqCst);
    }

    /// Whether the pool is closed, as far as this thread knows.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// As [`is_set`](Self::is_set), after something was put (Q1).
    pub(crate) fn is_set_by_now(&self) -> bool {
        fence(SeqCst);
        self.is_set()
    }
}
