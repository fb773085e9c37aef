//! The parts of a queue, with the sums of their lengths and of the memory and descriptors that they hold.
//!
//! Only this file changes the parts, and each change updates the sums. [`Part::len`] and [`Part::held`]
//! alone decide what a part adds to them.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

use super::payload::{Held, Part};
use crate::buf::ByteView;
use crate::io::progress::advance;

/// Parts in the order of the stream. None of them is empty.
#[derive(Debug)]
pub(super) struct Parts {
    list: VecDeque<Part>,
    sums: Sums,
}

#[derive(Debug)]
struct Sums {
    bytes: u64,
    held: Held,
}

impl Sums {
    /// Adds a part to the sums.
    ///
    /// # Panics
    ///
    /// If the parts would have 2^64 bytes, which takes files of made-up length. Nothing changes then.
    #[inline(always)]
    fn add(&mut self, part: &Part) {
        self.add_bytes(part.len());
        self.held += part.held();
    }

    #[inline(always)]
    fn add_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.checked_add(bytes).expect("2^64 bytes in one queue");
    }

    #[inline(always)]
    fn remove(&mut self, part: &Part) {
        self.bytes -= part.len();
        self.held -= part.held();
    }
}

impl Parts {
    pub(super) const fn new() -> Self {
        Self { list: VecDeque::new(), sums: Sums { bytes: 0, held: Held::NOTHING } }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the sum of the lengths.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.sums.bytes
    }

    /// Returns the descriptors and pinned blocks that the parts hold.
    #[inline]
    pub(super) fn held(&self) -> Held {
        self.sums.held
    }

    #[inline]
    #[cfg_attr(not(unix), allow(dead_code, reason = "only sockets use it"))]
    pub(super) fn iter(&self) -> Iter<'_, Part> {
        self.list.iter()
    }

    /// Returns the first `most` parts as two consecutive slices.
    #[inline]
    pub(super) fn as_slices(&self, most: usize) -> (&[Part], &[Part]) {
        let (front, back) = self.list.as_slices();
        let front = &front[..front.len().min(most)];
        let back = &back[..back.len().min(most - front.len())];
        (front, back)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Part> {
        self.list.get(at)
    }

    #[inline]
    pub(super) fn back(&self) -> Option<&Part> {
        self.list.back()
    }

    /// Appends a part; panics as [`Sums::add`] does.
    #[inline(always)]
    pub(super) fn push_back(&mut self, part: Part) {
        self.sums.add(&part);
        self.list.push_back(part);
    }

    /// Appends a view that does not count its block; panics as [`Sums::add`] does. The view is moved once.
    #[inline(always)]
    pub(super) fn push_back_view(&mut self, view: ByteView) {
        self.sums.add_bytes(view.len() as u64);
        self.list.push_back(Part::View(view));
    }

    #[inline]
    pub(super) fn pop_back(&mut self) -> Option<Part> {
        let part = self.list.pop_back()?;
        self.sums.remove(&part);
        Some(part)
    }

    pub(super) fn insert(&mut self, at: usize, part: Part) {
        self.sums.add(&part);
        self.list.insert(at, part);
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<Part> {
        let part = self.list.remove(at)?;
        self.sums.remove(&part);
        Some(part)
    }

    /// Changes the part at `at`. A part that becomes empty must be replaced or removed by the next change.
    #[inline]
    pub(super) fn edit<R>(&mut self, at: usize, change: impl FnOnce(&mut Part) -> R) -> R {
        let part = &mut self.list[at];
        self.sums.remove(part);
        let result = change(part);
        self.sums.add(part);
        result
    }

    /// Subtracts the first `moved` bytes from the sums and from the part that is cut, and returns the
    /// number of parts that [`drop_front`](Self::drop_front) must drop. Returns `None` and changes nothing
    /// if `moved` is more than `offered` or than the queue has.
    pub(super) fn advance(&mut self, moved: u64, offered: u64) -> Option<usize> {
        let removed = advance(moved, offered, self.sums.bytes, self.list.iter().map(Part::len))?;
        self.sums.bytes -= moved;
        if self.sums.held != Held::NOTHING {
            let whole = self.list.range(..removed.whole);
            whole.for_each(|part| self.sums.held -= part.held());
        }
        if removed.cut > 0
            && let Some(first) = self.list.get_mut(removed.whole)
        {
            self.sums.held -= first.held();
            first.advance(removed.cut);
            self.sums.held += first.held();
        }
        Some(removed.whole)
    }

    /// Drops the first `whole` parts, which [`advance`](Self::advance) has already subtracted.
    pub(super) fn drop_front(&mut self, whole: usize) {
        if whole == self.list.len() {
            self.list.clear();
        } else {
            self.list.drain(..whole);
        }
    }

    /// Removes and returns everything behind the first `bytes` bytes.
    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    pub(super) fn take_behind(&mut self, bytes: u64) -> Vec<Part> {
        let mut behind = Vec::new();
        for mut part in self.take() {
            let left = bytes - self.bytes();
            if part.len() <= left {
                self.push_back(part);
                continue;
            }
            if left > 0 {
                self.push_back(part.split_to(left));
            }
            behind.push(part);
        }
        // A part that was taken may have pinned the block of the last one for both.
        if let Some(last) = self.len().checked_sub(1) {
            self.edit(last, Part::pin);
        }
        behind
    }

    /// Removes and returns all parts.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Part> + use<> {
        std::mem::replace(self, Self::new()).list.into_iter()
    }
}
