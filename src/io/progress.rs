//! The effect of a partial write, computed from lengths alone.
//!
//! **Sent once.** A stream is a sequence of parts that are not empty. A call is offered the first bytes of the
//! stream and reports the number of bytes that it took. Then:
//!
//! * **PW1** Exactly the first `moved` bytes of the sequence are removed: whole parts, and then a prefix of at
//!   most one part. Later parts do not change.
//! * **PW2** A call that failed moved nothing.
//! * **PW3** A report of more bytes than were offered is an error. Nothing is removed.
//!
//! No other code in the crate decides which bytes have been sent.

/// The parts and bytes that a call removes from the front of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    /// The number of whole parts that are removed.
    pub(crate) whole: usize,
    /// The number of bytes that are removed from the first part that stays; less than its length.
    pub(crate) cut: u64,
}

/// Applies PW1 to the lengths of the parts, first part first, whose sum is `total`. Returns `None` if `moved` is
/// more than `offered`, or more than `total` (PW3).
///
/// # Cost
///
/// O(removed parts); O(1) if all bytes are removed.
#[inline]
pub(crate) fn advance(
    moved: u64,
    offered: u64,
    total: u64,
    mut lens: impl ExactSizeIterator<Item = u64>,
) -> Option<Advance> {
    if moved > offered || moved > total {
        return None;
    }
    if moved == total {
        return Some(Advance { whole: lens.len(), cut: 0 });
    }
    let mut removed = Advance { whole: 0, cut: moved };
    // `any` over a deque is twice as fast as a `for` loop.
    let cut_one = lens.any(|len| {
        let stays = removed.cut < len;
        if !stays {
            removed.whole += 1;
            removed.cut -= len;
        }
        stays
    });
    (cut_one || removed.cut == 0).then_some(removed)
}

/// Returns the smaller of `len` and `allowed`, as the `usize` that a system call takes.
pub(crate) fn clip(len: u64, allowed: usize) -> usize {
    usize::try_from(len).map_or(allowed, |len| len.min(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks every sequence of up to four parts of up to four bytes with every count. The model drops bytes
    /// one by one.
    #[test]
    fn advancing_is_dropping_bytes_from_the_front() {
        for code in 0..5_u64.pow(4) {
            let lens: Vec<u64> = (0..4).map(|i| code / 5_u64.pow(i) % 5).collect();
            let total: u64 = lens.iter().sum();
            for moved in 0..=total {
                let mut left = lens.clone();
                for _ in 0..moved {
                    *left.iter_mut().find(|len| **len > 0).expect("bytes are left") -= 1;
                }
                let removed =
                    advance(moved, moved, total, lens.iter().copied()).expect("within the total");
                let mut kept = lens[removed.whole..].to_vec();
                if let Some(first) = kept.first_mut() {
                    *first -= removed.cut;
                    assert!(*first > 0, "a part that is used up leaves");
                }
                let model: Vec<u64> = left.into_iter().skip(removed.whole).collect();
                assert_eq!(kept, model, "{lens:?} after {moved}");
            }
            assert_eq!(advance(1, 0, total, lens.iter().copied()), None);
            assert_eq!(advance(total + 1, total + 1, total, lens.iter().copied()), None);
        }
    }

    #[test]
    fn lengths_near_the_end_of_u64_do_not_wrap() {
        let removed =
            |moved, lens: &[u64]| advance(moved, u64::MAX, lens.iter().sum(), lens.iter().copied());
        assert_eq!(removed(u64::MAX, &[u64::MAX]), Some(Advance { whole: 1, cut: 0 }));
        let lens = [u64::MAX - 2, 2];
        assert_eq!(removed(u64::MAX, &lens), Some(Advance { whole: 2, cut: 0 }));
        assert_eq!(removed(u64::MAX - 1, &lens), Some(Advance { whole: 1, cut: 1 }));
        assert_eq!(removed(u64::MAX, &[u64::MAX - 1]), None);
    }

    #[test]
    fn clipping_never_exceeds_what_is_allowed() {
        assert_eq!(clip(5, 3), 3);
        assert_eq!(clip(3, 5), 3);
        assert_eq!(clip(u64::MAX, usize::MAX), usize::MAX);
    }
}
