//! Checked ranges: the one place where a caller's numbers become offsets.

use core::ops::{Bound, Range, RangeBounds};

/// Returns the range as two offsets.
///
/// # Panics
///
/// If it is reversed or reaches past `len`.
#[inline]
#[track_caller]
pub(crate) fn of(range: impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.checked_add(1).expect("the start of a range overflows"),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1).expect("the end of a range overflows"),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    assert!(start <= end, "range start must not be greater than end: {start} <= {end}");
    assert!(end <= len, "range end out of bounds: {end} <= {len}");
    start..end
}

/// # Panics
///
/// If `at > len`.
#[inline]
#[track_caller]
pub(crate) fn check_split(what: &str, at: usize, len: usize) {
    assert!(at <= len, "{what} out of bounds: {at} <= {len}");
}

/// # Panics
///
/// If `n > len`.
#[inline]
#[track_caller]
pub(crate) fn check_advance(n: usize, len: usize) {
    assert!(n <= len, "cannot advance past the end: {n} <= {len}");
}
