//! The components after the first one, with their running offsets.
//!
//! Rules:
//!
//! * **CP1** Positions count bytes from an arbitrary origin, modulo 2^64 (or 2^32). Only their differences have a
//!   meaning, so neither a push in front nor endless reading renumbers them.
//! * **CP2** `ends[i]` is the position after the last byte of `views[i]`, `origin` that of the first byte of
//!   all.
//! * **CP3** `views[..head]` is a gap of empty views (and `ends[..head]` of numbers without meaning) that
//!   `pop_front` leaves and `push_front` fills. `push_front` opens it as large as what is in use, and every
//!   call that takes views out closes it once it is three quarters of the list. So moving elements costs
//!   amortised O(1) for each push or removal.
//! * **CP4** A dropped view may be the last handle of an owner whose `drop` panics. So views are dropped only when
//!   the list is consistent again.

use std::{iter, mem};

use smallvec::SmallVec;

use crate::buf::ByteView;

/// Capacity for this many views is kept.
const KEEP: usize = 64;

pub(super) struct Parts {
    views: SmallVec<[ByteView; 4]>,
    // Apart from the views: a search by offset reads eight bytes per step, and only one view.
    ends: SmallVec<[usize; 4]>,
    head: usize,
    origin: usize,
    bytes: usize,
}

impl Parts {
    pub(super) const fn new() -> Self {
        Self {
            views: SmallVec::new_const(),
            ends: SmallVec::new_const(),
            head: 0,
            origin: 0,
            bytes: 0,
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.views.len() - self.head
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns the views from `index` on; none where there are fewer.
    pub(super) fn views(&self, index: usize) -> &[ByteView] {
        self.head.checked_add(index).and_then(|at| self.views.get(at..)).unwrap_or_default()
    }

    pub(super) fn get(&self, index: usize) -> Option<&ByteView> {
        self.views(index).first()
    }

    /// Returns the views, to change their bytes and not their lengths.
    pub(super) fn views_mut(&mut self) -> &mut [ByteView] {
        &mut self.views[self.head..]
    }

    /// Returns the offset of the first byte of view `index`.
    pub(super) fn start(&self, index: usize) -> Option<usize> {
        let view = self.get(index)?;
        Some(self.ends[self.head + index].wrapping_sub(self.origin) - view.len())
    }

    /// Finds the view that holds the byte at `offset`: returns its index, the offset of its first byte, and itself.
    #[inline]
    pub(super) fn locate(&self, offset: usize) -> Option<(usize, usize, &ByteView)> {
        if offset >= self.bytes {
            return None;
        }
        let (views, ends) = (&self.views[self.head..], &self.ends[self.head..]);
        let is_behind = |end: usize| end.wrapping_sub(self.origin) > offset;
        let holds = |&i: &usize| is_behind(ends[i]) && (i == 0 || !is_behind(ends[i - 1]));
        // If all have about the same size, as in most streams, this is the right one.
        let guess = offset.checked_mul(views.len()).map(|scaled| scaled / self.bytes);
        let index = match guess.filter(holds) {
            Some(index) => index,
            None => ends.partition_point(|&end| !is_behind(end)),
        };
        let view = &views[index];
        Some((index, ends[index].wrapping_sub(self.origin) - view.len(), view))
    }

    pub(super) fn push_back(&mut self, view: ByteView) {
        self.bytes += view.len();
        self.ends.push(self.origin.wrapping_add(self.bytes));
        self.views.push(view);
    }

    pub(super) fn push_front(&mut self, view: ByteView) {
        if self.head == 0 {
            let gap = self.len().max(4);
            self.views.insert_many(0, iter::repeat_n(ByteView::new(), gap));
            self.ends.insert_many(0, iter::repeat_n(0, gap));
            self.head = gap;
        }
        self.head -= 1;
        self.ends[self.head] = self.origin;
        self.origin = self.origin.wrapping_sub(view.len());
        self.bytes += view.len();
        self.views[self.head] = view;
    }

    pub(super) fn pop_front(&mut self) -> Option<ByteView> {
        let view = mem::take(self.views.get_mut(self.head)?);
        self.origin = self.ends[self.head];
        self.bytes -= view.len();
        self.head += 1;
        self.close_gap();
        Some(view)
    }

    pub(super) fn pop_back(&mut self) -> Option<ByteView> {
        if self.is_empty() {
            return None;
        }
        let view = self.views.pop()?;
        self.ends.pop();
        self.bytes -= view.len();
        self.close_gap();
        Some(view)
    }

    /// Inserts before view `index`, or after the last one. O(n).
    pub(super) fn insert(&mut self, index: usize, view: ByteView) {
        match index {
            0 => self.push_front(view),
            _ => {
                let at = self.head + index;
                let start = self.ends[at - 1];
                self.ends.insert(at, start);
                self.shift(at, view.len());
                self.views.insert(at, view);
            }
        }
    }

    /// Replaces the views `from..to`, which must exist and be at least one, by one of the same length.
    pub(super) fn replace(&mut self, from: usize, to: usize, view: ByteView) {
        let (from, to) = (self.head + from, self.head + to);
        self.ends.drain(from..to - 1);
        let first = mem::replace(&mut self.views[from], view);
        let others: Vec<_> = self.views.drain(from + 1..to).collect();
        self.close_gap();
        drop((first, others)); // CP4
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<ByteView> {
        if index == 0 {
            return self.pop_front();
        }
        let view_len = self.get(index)?.len();
        let at = self.head + index;
        self.ends.remove(at);
        self.shift(at, view_len.wrapping_neg());
        let view = self.views.remove(at);
        self.close_gap();
        Some(view)
    }

    /// Removes and returns everything from `offset` on. O(log n) and the number of views removed.
    pub(super) fn split_off(&mut self, offset: usize) -> Self {
        let Some((index, start, _)) = self.locate(offset) else { return Self::default() };
        let at = self.head + index;
        let mut tail = Self::default();
        if offset > start {
            tail.push_back(self.views[at].split_off(offset - start));
            self.ends[at] = self.origin.wrapping_add(offset);
        }
        let keep = at + usize::from(offset > start);
        self.ends.truncate(keep);
        self.views.drain(keep..).for_each(|view| tail.push_back(view));
        self.bytes = offset;
        match offset {
            0 => self.clear(),
            _ => self.close_gap(),
        }
        tail
    }

    pub(super) fn clear(&mut self) {
        let mut views = mem::take(&mut self.views);
        self.ends.clear();
        (self.head, self.bytes) = (0, 0);
        views.clear(); // CP4
        self.views = views;
        self.shrink();
    }

    /// Closes the gap where it has become most of the list (CP3).
    fn close_gap(&mut self) {
        if self.head > self.views.len() / 4 * 3 {
            self.views.drain(..self.head);
            self.ends.drain(..self.head);
            self.head = 0;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.views.capacity() > KEEP && self.views.len() < self.views.capacity() / 8 {
            self.views.shrink_to_fit();
            self.ends.shrink_to_fit();
        }
    }

    /// Moves every end from `ends[at]` on by `by` (modulo, so that it can be negative), and the
    /// total.
    fn shift(&mut self, at: usize, by: usize) {
        self.ends[at..].iter_mut().for_each(|end| *end = end.wrapping_add(by));
        self.bytes = self.bytes.wrapping_add(by);
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Parts {
    /// Copies the views in use, without the gap.
    fn clone(&self) -> Self {
        Self {
            views: self.views[self.head..].iter().cloned().collect(),
            ends: self.ends[self.head..].iter().copied().collect(),
            head: 0,
            origin: self.origin,
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_closed_by_every_call_that_takes_views_out() {
        let part = ByteView::from_static(b"xy");
        let calls: [fn(&mut Parts); 5] = [
            |parts| drop(parts.pop_back()),
            |parts| drop(parts.pop_front()),
            |parts| drop(parts.remove(parts.len() / 2)),
            |parts| drop(parts.split_off(parts.bytes() - 1)),
            |parts| {
                let (first, second) = (parts.get(0).cloned(), parts.get(1).cloned());
                if let (Some(first), Some(second)) = (first, second) {
                    parts.replace(0, 2, [&first[..], &second[..]].concat().into());
                } else {
                    drop(parts.pop_back());
                }
            },
        ];
        for call in calls {
            let mut parts = Parts::default();
            let many = if cfg!(miri) { 20 } else { 200 };
            (0..many).for_each(|_| parts.push_front(part.clone()));
            while !parts.is_empty() {
                call(&mut parts);
                let (used, held) = (parts.len(), parts.views.len());
                assert!(held <= 4 * used.max(1) + 3, "{used} views in a list of {held}");
                assert!(parts.views.capacity() <= KEEP.max(8 * held), "capacity for {held}");
                let clone = parts.clone();
                assert_eq!((clone.views.len(), clone.ends.len()), (used, used));
                assert!((0..used).all(|index| clone.start(index) == parts.start(index)));
            }
            assert_eq!((parts.bytes(), parts.views.len()), (0, 0));
        }
    }

    #[test]
    fn a_burst_is_not_remembered() {
        let many = if cfg!(miri) { 600 } else { 10_000 };
        let part = ByteView::from_static(b"x");
        let mut parts = Parts::default();
        let cut: fn(&mut Parts) = |parts| drop(parts.split_off(0));
        let read: fn(&mut Parts) = |parts| while parts.pop_front().is_some() {};
        for empty in [cut, read, Parts::clear] {
            (0..many).for_each(|_| parts.push_back(part.clone()));
            empty(&mut parts);
            assert!(parts.views.capacity() <= KEEP && parts.ends.capacity() <= KEEP);
        }
    }

    #[test]
    fn positions_may_wrap() {
        let mut parts = Parts { origin: usize::MAX - 5, ..Parts::default() };
        for part in ["abc", "def", "ghi", "jkl"] {
            parts.push_back(part.into());
        }
        for offset in 0..12 {
            let (index, start, view) = parts.locate(offset).unwrap();
            assert_eq!((index, start, view.len()), (offset / 3, offset / 3 * 3, 3));
        }
        parts.push_front("xyz".into());
        parts.insert(1, "1".into());
        assert_eq!(parts.remove(2).unwrap(), "abc");
        let starts: Vec<_> = (0..parts.len()).map(|index| parts.start(index).unwrap()).collect();
        assert_eq!(starts, [0, 3, 4, 7, 10]);
    }
}
