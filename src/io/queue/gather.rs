//! Chooses the next step of a flush from the kinds of the parts alone.
//!
//! This module accesses no bytes, files or descriptors, so its tests need no kernel.

use crate::io::scratch::SCRATCH;
use crate::sys::More;

/// The longest file that is read into memory to be sent in one write with its neighbours. Measured: at 16 KiB the
/// copy costs as much as the system call that it saves.
const INLINE_FILE: u64 = 16 * 1024;

/// A file is read only if fewer bytes than this are in front of it. This bounds the memory that a peer that reads
/// nothing can make the queue hold.
const READ_AHEAD: usize = SCRATCH;

/// The property of a part that decides how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    /// Bytes in memory that the kernel copies.
    Copied(usize),
    /// Bytes in memory that the kernel sends without a copy.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only sockets use it"))]
    ZeroCopy(usize),
    /// A file that must be read into memory.
    Read(u64),
    /// A file that the kernel can send by itself.
    File(u64),
}

/// One step: a transfer from the front of the queue, or the read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The kernel sends up to this number of bytes of the file in front.
    SendFile { bytes: usize, more: More },
    /// The file at this index is read into memory. Then the next step is chosen.
    ReadFile { at: usize },
    /// The gathered bytes are sent in one write.
    Write { bytes: usize, more: More, zero_copy: bool },
}

/// The number of bytes that a step may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) bytes: usize,
    /// The number of further bytes that may be sent if that sends a part to its end.
    pub(super) overrun: usize,
}

/// Builds a step. The caller offers the parts from the front on, at most as many as a call takes slices, until
/// `take` returns `None`.
#[derive(Debug)]
pub(super) struct Gather {
    allowance: Allowance,
    bytes: usize,
    taken: usize,
    zero_copy: bool,
    file: Option<PartKind>,
}

impl Gather {
    /// Begins a step. The allowance is at least one byte.
    #[inline(always)]
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { allowance, bytes: 0, taken: 0, zero_copy: false, file: None }
    }

    /// Takes the next part and returns the number of its bytes that belong to the write; `None` ends the step.
    #[inline(always)]
    pub(super) fn take(&mut self, kind: PartKind) -> Option<usize> {
        // The most frequent case. The sum can't wrap: `bytes` is below the allowance, at most `MAX_BYTES`, and a
        // part in memory has at most `isize::MAX` bytes.
        if let PartKind::Copied(len) = kind
            && !self.zero_copy
            && self.bytes + len < self.allowance.bytes
        {
            self.bytes += len;
            self.taken += 1;
            return Some(len);
        }
        self.take_special(kind)
    }

    /// Takes a part that may end the step or be cut.
    #[inline(always)]
    fn take_special(&mut self, kind: PartKind) -> Option<usize> {
        let (len, zero_copy) = match kind {
            PartKind::Copied(len) => (len, false),
            PartKind::ZeroCopy(len) => (len, true),
            PartKind::Read(_) | PartKind::File(_) => {
                self.file = Some(kind);
                return None;
            }
        };
        if zero_copy != self.zero_copy {
            if self.taken > 0 {
                return None;
            }
            self.zero_copy = zero_copy;
        }
        let left = self.allowance.bytes.saturating_sub(self.bytes);
        if left == 0 {
            return None;
        }
        let len = self.allowance.clip(len, left);
        self.bytes += len;
        self.taken += 1;
        Some(len)
    }

    /// Returns the step for a queue of `parts` parts.
    #[inline(always)]
    pub(super) fn finish(self, parts: usize) -> Step {
        match self.file {
            Some(file) if self.bytes < self.allowance.bytes => self.finish_at_file(file, parts),
            _ => self.write(parts),
        }
    }

    #[inline(always)]
    fn write(self, parts: usize) -> Step {
        let more = self.more(self.taken < parts, self.bytes);
        Step::Write { bytes: self.bytes, more, zero_copy: self.zero_copy }
    }

    fn finish_at_file(self, file: PartKind, parts: usize) -> Step {
        match file {
            PartKind::File(len) if self.taken == 0 && (parts == 1 || len > INLINE_FILE) => {
                let left = self.allowance.bytes;
                let bytes = usize::try_from(len).map_or(left, |len| self.allowance.clip(len, left));
                Step::SendFile { bytes, more: self.more(parts > 1 && bytes as u64 == len, bytes) }
            }
            PartKind::File(len) if len > INLINE_FILE => self.write(parts),
            _ if self.bytes < READ_AHEAD => Step::ReadFile { at: self.taken },
            _ => self.write(parts),
        }
    }

    /// Returns whether the flush continues at once, which it does if parts and allowance are left.
    #[inline(always)]
    fn more(&self, parts_left: bool, bytes: usize) -> More {
        if parts_left && bytes < self.allowance.bytes { More::Follows } else { More::No }
    }
}

impl Allowance {
    /// Returns the number of `len` bytes that may be sent if `left` bytes of the allowance are left.
    #[inline(always)]
    fn clip(self, len: usize, left: usize) -> usize {
        if len <= left || len - left <= self.overrun { len } else { left }
    }
}

#[cfg(test)]
mod tests {
    use super::PartKind::*;
    use super::*;
    use crate::sys::MAX_SLICES;

    const K: usize = 1024;

    fn with_overrun(kinds: &[PartKind], bytes: usize, overrun: usize) -> (usize, Step) {
        let mut gather = Gather::new(Allowance { bytes, overrun });
        let offered = kinds.iter().take(MAX_SLICES);
        let parts = offered.map_while(|kind| gather.take(*kind)).count();
        (parts, gather.finish(kinds.len()))
    }

    fn step(kinds: &[PartKind], bytes: usize) -> (usize, Step) {
        with_overrun(kinds, bytes, 0)
    }

    fn write(parts: usize, bytes: usize, more: More) -> (usize, Step) {
        (parts, Step::Write { bytes, more, zero_copy: false })
    }

    fn zero_copy(parts: usize, bytes: usize, more: More) -> (usize, Step) {
        (parts, Step::Write { bytes, more, zero_copy: true })
    }

    fn send_file(bytes: usize, more: More) -> (usize, Step) {
        (0, Step::SendFile { bytes, more })
    }

    fn read_file(at: usize) -> (usize, Step) {
        (at, Step::ReadFile { at })
    }

    #[test]
    fn memory_is_gathered_up_to_the_allowance_and_the_last_part_is_cut() {
        let parts = [Copied(10), Copied(20), Copied(30)];
        assert_eq!(step(&parts, 100), write(3, 60, More::No));
        assert_eq!(step(&parts, 60), write(3, 60, More::No));
        assert_eq!(step(&parts, 30), write(2, 30, More::No));
        assert_eq!(step(&parts, 29), write(2, 29, More::No));
        assert_eq!(step(&parts, 1), write(1, 1, More::No));
    }

    #[test]
    fn a_large_file_follows_its_header_and_goes_by_the_kernel() {
        let parts = [Copied(10), File((K * K) as u64), Copied(1)];
        assert_eq!(step(&parts, 4 * K * K), write(1, 10, More::Follows));
        assert_eq!(step(&parts, 10), write(1, 10, More::No));
        assert_eq!(step(&parts[1..], 4 * K * K), send_file(K * K, More::Follows));
        assert_eq!(step(&parts[1..2], 4 * K * K), send_file(K * K, More::No));
    }

    #[test]
    fn nothing_follows_a_file_that_uses_the_allowance_up() {
        let parts = [File((K * K) as u64), Copied(1)];
        assert_eq!(step(&parts, K), send_file(K, More::No));
        assert_eq!(step(&parts, K * K), send_file(K * K, More::No));
        assert_eq!(step(&parts, K * K + 1), send_file(K * K, More::Follows));
    }

    #[test]
    fn a_part_is_sent_to_its_end_within_the_overrun() {
        for (len, sent) in [(100_000, 100_000), (110_000, 110_000), (110_001, 100_000)] {
            let step = with_overrun(&[File(len), Copied(1)], 100_000, 10_000);
            assert_eq!(step, send_file(sent, More::No));
        }
        let endless = with_overrun(&[File(u64::MAX)], 100_000, 10_000);
        assert_eq!(endless, send_file(100_000, More::No));
        assert_eq!(with_overrun(&[Copied(40), Copied(70)], 100, 10), write(2, 110, More::No));
        assert_eq!(with_overrun(&[Copied(40), Copied(71)], 100, 10), write(2, 100, More::No));
    }

    #[test]
    fn a_small_file_is_read_where_it_saves_a_call() {
        let small = File(16 * K as u64);
        assert_eq!(step(&[Copied(10), small], K * K), read_file(1));
        assert_eq!(step(&[small, Copied(10)], K * K), read_file(0));
        assert_eq!(step(&[small], K * K), send_file(16 * K, More::No));
        assert_eq!(step(&[Read(1 << 30)], K * K), read_file(0));
    }

    #[test]
    fn no_file_is_read_behind_as_much_as_one_read_ahead() {
        for file in [File(1), Read(1)] {
            assert_eq!(step(&[Copied(64 * K - 1), file], K * K), read_file(1));
            assert_eq!(step(&[Copied(64 * K), file], K * K), write(1, 64 * K, More::Follows));
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
        assert_eq!(step(&parts, K * K), write(MAX_SLICES, 2 * MAX_SLICES, More::Follows));
        assert_eq!(step(&parts[1..], K * K), write(MAX_SLICES, 2 * MAX_SLICES, More::No));
    }
}
