//! The barrier by `membarrier`.

use core::sync::atomic::{Ordering::SeqCst, compiler_fence, fence};
use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};
use std::sync::OnceLock;

/// Returns whether [`heavy`] takes effect: not on an old kernel, or where a filter forbids the call.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        membarrier_query().contains_command(MembarrierCommand::PrivateExpedited)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    })
}

/// Orders this thread's earlier store before its later loads, for threads that call [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    // The compiler must not reorder; the other side makes the processor execute a barrier.
    compiler_fence(SeqCst);
}

/// The other side of [`light`]. Returns whether it took effect.
pub(crate) fn heavy() -> bool {
    fence(SeqCst);
    is_available() && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}
