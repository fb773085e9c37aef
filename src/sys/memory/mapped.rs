//! The number of mapped bytes, which also orders accesses to addresses that are unmapped and mapped again.
//!
//! Rule:
//!
//! * **V3** Accesses to a range before it is unmapped happen before accesses to it after it is mapped again, on
//!   any thread. The kernel ensures that, but a checker such as `ThreadSanitizer` cannot see it.
//!   [`sub`](MappedBytes::sub), called before a range is unmapped, and [`add`](MappedBytes::add), called after
//!   it is mapped, make this order visible to the checker.

use crate::sync::{AtomicUsize, Ordering};

/// The number of mapped bytes.
pub(super) struct MappedBytes(pub(super) AtomicUsize);

impl MappedBytes {
    /// Counts bytes that have been mapped.
    pub(super) fn add(&self, bytes: usize) {
        // Acquire: synchronizes with the releases of all earlier calls of `sub` (V3).
        self.0.fetch_add(bytes, Ordering::Acquire);
    }

    /// Counts bytes that are about to be unmapped.
    pub(super) fn sub(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Release);
    }

    /// Returns the number, for statistics. This orders nothing.
    #[cfg(feature = "testing")]
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
