//! The barrier by `membarrier`.
//!
//! Why it is enough: by membarrier(2), during `MEMBARRIER_CMD_PRIVATE_EXPEDITED` each running thread of the process
//! passes "through a state where all memory accesses to user-space addresses match program order"; a thread that does
//! not run has passed through such a state when it was switched out. (The kernel interrupts each processor that runs
//! the process: `kernel/sched/membarrier.c`.) So the other thread executes a full barrier during the call, at some
//! point of its program. If that point is after its store, the caller of [`heavy`] sees the store. If it is before its
//! load, the load sees the store of the caller of [`heavy`]. Each point is one of these, because the store precedes
//! the load: [`light`] makes the compiler keep that order.
//!
//! `tests/loom/sys.rs` models that call, and compiles this file against the model.

use super::membarrier;
use crate::sync::{Ordering::SeqCst, fence};
use std::sync::OnceLock;

/// Returns whether [`heavy`] works: not on an old kernel, or if a filter forbids the call.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(membarrier::register)
}

/// Orders this thread's earlier store before its later loads, for threads that call [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    // This keeps the order of the compiler; `heavy` makes the processor execute a barrier.
    membarrier::compiler_fence(SeqCst);
}

/// Orders a store before later loads on the other side of [`light`]. Returns whether it worked.
pub(crate) fn heavy() -> bool {
    fence(SeqCst);
    is_available() && membarrier::expedited()
}
