//! The barrier by full fences on both sides.

use crate::sync::{Ordering::SeqCst, fence};

/// Returns whether [`heavy`] works: always.
pub(crate) fn is_available() -> bool {
    true
}

/// Orders this thread's earlier store before its later loads, for threads that call [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    fence(SeqCst);
}

/// Orders a store before later loads on the other side of [`light`]. Returns whether it worked.
pub(crate) fn heavy() -> bool {
    fence(SeqCst);
    true
}
