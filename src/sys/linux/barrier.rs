//! The barrier by `membarrier`.
//!
//! Why it is enough: the manual page membarrier(2) promises of `MEMBARRIER_CMD_PRIVATE_EXPEDITED` that between entry to
//! the call and its return each running thread of the process passes "through a state where all memory accesses to
//! user-space addresses match program order"; a thread that does not run has passed through one when it was switched out.
//! (The kernel sends an interrupt to each processor that runs the process: `kernel/sched/membarrier.c`.) So at some moment
//! of the call the other thread executes a full barrier, at any place of its program. If that place is behind its store,
//! [`heavy`]'s caller sees the store; if it is before its load, the load sees what [`heavy`]'s caller stored. No place
//! between the two is neither, as long as the compiler keeps them in order, which is what [`light`] is for.
//!
//! `tests/loom/sys.rs` models that call, and compiles this file against it.

use super::membarrier;
use crate::sync::{Ordering::SeqCst, fence};
use std::sync::OnceLock;

/// Returns whether [`heavy`] takes effect: not on an old kernel, or where a filter forbids the call.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(membarrier::register)
}

/// Orders this thread's earlier store before its later loads, for threads that call [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    // The compiler must not reorder; the other side makes the processor execute a barrier.
    membarrier::compiler_fence(SeqCst);
}

/// The other side of [`light`]. Returns whether it took effect.
pub(crate) fn heavy() -> bool {
    fence(SeqCst);
    is_available() && membarrier::expedited()
}
