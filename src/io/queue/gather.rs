//! What to send next: a value that is computed from the shapes of the parts alone.
//!
//! Nothing here touches bytes, files or descriptors, so the whole decision is tested without a kernel.

use crate::io::progress::clip;
use crate::io::scratch::SCRATCH;
use crate::sys::{MAX_SLICES, More};

/// The longest file that is read into memory, so that it leaves in one write with its neighbours.
/// Measured: at 16 KiB the second system call costs as much as the copy saves.
const INLINE_FILE: u64 = 16 * 1024;

/// Files are read only while fewer bytes than this stand in front of them. It bounds the memory that
/// a peer which does not read can make the queue hold.
const READ_AHEAD: usize = SCRATCH;

/// What decides how a part leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Bytes in memory that are copied by the call that takes them.
    Copied(usize),
    /// Bytes in memory that the kernel sends from where they are.
    ZeroCopy(usize),
    /// A file that has to be read into memory.
    Read(u64),
    /// A file that the kernel can send by itself.
    File(u64),
}

/// One transfer from the front of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The kernel sends up to so many bytes of the file in front.
    SendFile { bytes: usize },
    /// The file at this index is read into memory; then the next step is decided anew.
    ReadFile { at: usize },
    /// One gathered write.
    Write(Gather),
}

/// The first `bytes` bytes of the first `parts` parts, all of them in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    pub(super) parts: usize,
    pub(super) bytes: usize,
    pub(super) more: More,
    pub(super) zero_copy: bool,
}

/// The next transfer of at most `limit` bytes, at least one, from a queue of `parts` parts, at least
/// one.
#[inline]
pub(super) fn next(shapes: impl IntoIterator<Item = Shape>, parts: usize, limit: usize) -> Step {
    let mut gather = Gather { parts: 0, bytes: 0, more: More::No, zero_copy: false };
    for (at, shape) in shapes.into_iter().take(MAX_SLICES).enumerate() {
        let (len, zero_copy) = match shape {
            Shape::Copied(len) => (len, false),
            Shape::ZeroCopy(len) => (len, true),
            Shape::File(len) if at == 0 && (parts == 1 || len > INLINE_FILE) => {
                return Step::SendFile { bytes: clip(len, limit) };
            }
            Shape::File(len) if len > INLINE_FILE => break,
            Shape::File(_) | Shape::Read(_) if gather.bytes < READ_AHEAD => {
                return Step::ReadFile { at };
            }
            Shape::File(_) | Shape::Read(_) => break,
        };
        if at == 0 {
            gather.zero_copy = zero_copy;
        }
        if zero_copy != gather.zero_copy || gather.bytes == limit {
            break;
        }
        gather.parts += 1;
        gather.bytes += len.min(limit - gather.bytes);
    }
    // With room left, the flush goes on at once.
    if gather.parts < parts && gather.bytes < limit {
        gather.more = More::Follows;
    }
    Step::Write(gather)
}

#[cfg(test)]
mod tests {
    use super::Shape::*;
    use super::*;

    const K: usize = 1024;

    fn step(shapes: &[Shape], limit: usize) -> Step {
        next(shapes.iter().copied(), shapes.len(), limit)
    }

    fn write(parts: usize, bytes: usize, more: More) -> Step {
        Step::Write(Gather { parts, bytes, more, zero_copy: false })
    }

    fn zero_copy(parts: usize, bytes: usize, more: More) -> Step {
        Step::Write(Gather { parts, bytes, more, zero_copy: true })
    }

    #[test]
    fn memory_is_gathered_up_to_the_limit_and_the_last_part_is_cut() {
        let parts = [Copied(10), Copied(20), Copied(30)];
        assert_eq!(step(&parts, 100), write(3, 60, More::No));
        assert_eq!(step(&parts, 60), write(3, 60, More::No));
        assert_eq!(step(&parts, 30), write(2, 30, More::No));
        assert_eq!(step(&parts, 29), write(2, 29, More::No));
        assert_eq!(step(&parts, 1), write(1, 1, More::No));
    }

    #[test]
    fn a_large_file_follows_its_header_and_goes_by_the_kernel() {
        let parts = [Copied(10), File(K as u64 * K as u64), Copied(1)];
        assert_eq!(step(&parts, 4 * K * K), write(1, 10, More::Follows));
        assert_eq!(step(&parts, 10), write(1, 10, More::No));
        assert_eq!(step(&parts[1..], 4 * K * K), Step::SendFile { bytes: K * K });
        assert_eq!(step(&parts[1..], K), Step::SendFile { bytes: K });
    }

    #[test]
    fn a_small_file_is_read_where_it_saves_a_call() {
        let small = File(16 * K as u64);
        assert_eq!(step(&[Copied(10), small], 1 << 20), Step::ReadFile { at: 1 });
        assert_eq!(step(&[small, Copied(10)], 1 << 20), Step::ReadFile { at: 0 });
        assert_eq!(step(&[small], 1 << 20), Step::SendFile { bytes: 16 * K });
        assert_eq!(step(&[Read(1 << 30)], 1 << 20), Step::ReadFile { at: 0 });
    }

    #[test]
    fn no_file_is_read_behind_as_much_as_one_read_ahead() {
        for file in [File(1), Read(1)] {
            assert_eq!(step(&[Copied(64 * K - 1), file], 1 << 20), Step::ReadFile { at: 1 });
            let ahead = write(1, 64 * K, More::Follows);
            assert_eq!(step(&[Copied(64 * K), file], 1 << 20), ahead);
        }
    }

    #[test]
    fn parts_with_and_without_copy_leave_in_writes_of_their_own() {
        let parts = [Copied(1), ZeroCopy(2), ZeroCopy(3), Copied(4)];
        assert_eq!(step(&parts, 100), write(1, 1, More::Follows));
        assert_eq!(step(&parts[1..], 100), zero_copy(2, 5, More::Follows));
        assert_eq!(step(&parts[1..], 5), zero_copy(2, 5, More::No));
        assert_eq!(step(&parts[1..3], 100), zero_copy(2, 5, More::No));
    }

    #[test]
    fn a_call_takes_as_many_slices_as_the_kernel_and_says_that_more_follow() {
        let parts = vec![Copied(2); MAX_SLICES + 1];
        assert_eq!(step(&parts, usize::MAX), write(MAX_SLICES, 2 * MAX_SLICES, More::Follows));
        assert_eq!(step(&parts[1..], usize::MAX), write(MAX_SLICES, 2 * MAX_SLICES, More::No));
    }
}
