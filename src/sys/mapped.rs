//! The account of mapped bytes, which orders what is done to addresses that change hands.
//!
//! Rule:
//!
//! * **V3** What was done to a range before it was unmapped comes before what is done to it when it is
//!   mapped anew, on whatever thread. The kernel sees to that, in a way that a checker such as
//!   ThreadSanitizer can't see: [`less`](Mapped::less), called before a range is unmapped, and
//!   [`more`](Mapped::more), after it is mapped, say it once more, in the program or in one that uses it.

use crate::sync::{AtomicUsize, Ordering};

/// Bytes that are mapped.
pub(super) struct Mapped(pub(super) AtomicUsize);

impl Mapped {
    /// Bytes have been mapped.
    pub(super) fn more(&self, bytes: usize) {
        // Acquire, with the release of `less` (V3): that of the last change, and of all before it.
        self.0.fetch_add(bytes, Ordering::Acquire);
    }

    /// Bytes are about to be unmapped.
    pub(super) fn less(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Release);
    }

    /// A figure: nothing hangs on when it is read.
    #[cfg(feature = "testing")]
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
