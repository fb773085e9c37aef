//! The barrier by a fence on both sides.

use crate::sync::{Ordering::SeqCst, fence};

/// Returns whether [`heavy`] takes effect: always.
pub(crate) fn is_available() -> bool {
    true
}

/// Orders this thread's earlier store before its later loads, for threads that call [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    fence(SeqCst);
}

/// The other side of [`light`]. Returns whether it took effect.
pub(crate) fn heavy() -> bool {
    fence(SeqCst);
    true
}
