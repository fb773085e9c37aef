//! Putting components in, taking them out, cutting.

use std::{
    mem,
    ops::{Range, RangeBounds},
};

use super::{CompositeByteBuf, MERGE_AFTER, MERGE_BELOW, MERGE_BLOCK, merged};
use crate::{
    buf::{
        ByteView,
        byte_buf::{allocate, or_panic, source_among},
        range,
    },
    pool::AllocError,
};

impl CompositeByteBuf {
    /// Appends a component. Amortised O(1).
    ///
    /// Nothing is copied, except tiny components in a long list: see [Boundaries](Self#boundaries).
    ///
    /// # Panics
    ///
    /// If the total length would not fit a `usize`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("head");
    /// parts.push_back("tail");
    /// assert_eq!(parts, "headtail");
    /// assert_eq!(parts.components().len(), 2);
    /// ```
    #[doc(alias = "addComponent")]
    pub fn push_back(&mut self, part: impl Into<ByteView>) {
        let part = part.into();
        self.check_room(part.len());
        let tiny = (1..MERGE_BELOW).contains(&part.len());
        if tiny && self.components().len() >= MERGE_AFTER {
            self.merge_back(part);
        } else {
            self.append_part(part);
        }
    }

    /// Prepends a component, without copying. Amortised O(1).
    ///
    /// # Panics
    ///
    /// If the total length would not fit a `usize`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("body");
    /// parts.push_front("head");
    /// assert_eq!(parts, "headbody");
    /// ```
    pub fn push_front(&mut self, part: impl Into<ByteView>) {
        let part = part.into();
        self.check_room(part.len());
        if part.is_empty() {
            return;
        }
        let second = mem::replace(&mut self.front, part);
        if !second.is_empty() {
            self.rest.push_front(second);
        }
    }

    /// Inserts a component before component `index`, or behind the last one if `index` is their
    /// number.
    ///
    /// Nothing is copied, and the boundaries stay as they are, however small the component. O(n).
    ///
    /// # Panics
    ///
    /// If `index` is more than the number of components, or the total length would not fit a
    /// `usize`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["a", "c"]);
    /// parts.insert(1, "b");
    /// assert_eq!(parts, "abc");
    /// ```
    #[doc(alias = "addComponents")]
    pub fn insert(&mut self, index: usize, part: impl Into<ByteView>) {
        let part = part.into();
        let count = self.components().len();
        assert!(index <= count, "component index {index} is more than their number {count}");
        self.check_room(part.len());
        if part.is_empty() {
            return;
        }
        match index {
            0 => self.push_front(part),
            _ => self.rest.insert(index - 1, part),
        }
    }

    /// Takes component `index` out, if there is one. O(n), and O(1) at both ends.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["a", "b", "c"]);
    /// assert_eq!(parts.remove(1).unwrap(), "b");
    /// assert_eq!(parts, "ac");
    /// assert_eq!(parts.remove(2), None);
    /// ```
    #[doc(alias = "removeComponent")]
    pub fn remove(&mut self, index: usize) -> Option<ByteView> {
        match index.checked_sub(1) {
            Some(index) => self.rest.remove(index),
            None => {
                let next = self.rest.pop_front().unwrap_or_default();
                Some(mem::replace(&mut self.front, next)).filter(|view| !view.is_empty())
            }
        }
    }

    /// Moves all components of `other` behind those of this one, as they are. O(n) in those of `other`.
    ///
    /// # Panics
    ///
    /// If the total length would not fit a `usize`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("a");
    /// parts.append(bytebuf::CompositeByteBuf::from_iter(["b", "c"]));
    /// assert_eq!(parts.components().len(), 3);
    /// ```
    #[doc(alias = "addFlattenedComponents")]
    pub fn append(&mut self, other: Self) {
        self.check_room(other.len());
        other.into_iter().for_each(|part| self.append_part(part));
    }

    /// Returns the bytes of `range` as a composite that shares them. O(log n) and one count per component.
    ///
    /// # Panics
    ///
    /// If `range` is out of range, or ends before it starts.
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// assert_eq!(parts.slice(2..4), "cd");
    /// ```
    #[must_use]
    #[doc(alias = "retainedSlice")]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let Range { start, end } = range::of(range, self.len());
        let mut slice = Self::new();
        let Some((index, first, _)) = self.locate(start) else { return slice };
        let mut at = first;
        for view in self.components_from(index) {
            if at >= end {
                break;
            }
            let (from, to) = (start.saturating_sub(at), view.len().min(end - at));
            slice.append_part(if to - from == view.len() {
                view.clone()
            } else {
                view.slice(from..to)
            });
            at += view.len();
        }
        slice
    }

    /// Cuts off and returns the first `at` bytes. O(1) for each component that they touch.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// assert_eq!(parts.split_to(4), "abcd");
    /// assert_eq!(parts, "ef");
    /// ```
    #[must_use = "use `advance` to drop the bytes"]
    #[doc(alias = "readSlice")]
    #[doc(alias = "readRetainedSlice")]
    pub fn split_to(&mut self, at: usize) -> Self {
        range::check_split("split_to", at, self.len());
        let mut head = Self::new();
        let mut left = at;
        while left >= self.front.len() && left > 0 {
            left -= self.front.len();
            let next = self.rest.pop_front().unwrap_or_default();
            head.append_part(mem::replace(&mut self.front, next));
        }
        if left > 0 {
            head.append_part(self.front.split_to(left));
        }
        head
    }

    /// Cuts off and returns the bytes from `at` on. O(log n), and O(1) for each component that they
    /// touch.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// assert_eq!(parts.split_off(2), "cdef");
    /// assert_eq!(parts, "ab");
    /// ```
    #[must_use = "use `truncate` to drop the bytes"]
    pub fn split_off(&mut self, at: usize) -> Self {
        range::check_split("split_off", at, self.len());
        match at.checked_sub(self.front.len()) {
            Some(offset) if at > 0 => {
                let mut rest = self.rest.split_off(offset);
                Self { front: rest.pop_front().unwrap_or_default(), rest }
            }
            _ => {
                let rest = mem::take(&mut self.rest);
                let front = match at {
                    0 => mem::take(&mut self.front),
                    _ => self.front.split_off(at),
                };
                Self { front, rest }
            }
        }
    }

    /// Drops all but the first `len` bytes; does nothing where there are not more. O(n) in the components
    /// that are dropped.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// parts.truncate(4);
    /// assert_eq!(parts, "abcd");
    /// ```
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            drop(self.split_off(len));
        }
    }

    /// Drops all components. O(n).
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("abc");
    /// parts.clear();
    /// assert!(parts.is_empty());
    /// ```
    pub fn clear(&mut self) {
        let front = mem::take(&mut self.front);
        self.rest.clear();
        // Last, as are all that may be the end of an owner: it may panic.
        drop(front);
    }

    /// Copies everything into one component, if there are more: O(bytes). The copy is drawn from the pool
    /// that [`to_byte_view`](Self::to_byte_view) names.
    ///
    /// # Panics
    ///
    /// If there is no memory for that; [`try_consolidate`](Self::try_consolidate) doesn't.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// parts.consolidate();
    /// assert_eq!(parts.components().next().unwrap(), "abcdef");
    /// ```
    #[track_caller]
    pub fn consolidate(&mut self) {
        or_panic(self.try_consolidate(..));
    }

    /// Copies the components whose indexes are in `range` into one, if they are more than one: O(bytes of
    /// these), and O(n). The copy is drawn from the pool that [`to_byte_view`](Self::to_byte_view) names.
    ///
    /// # Panics
    ///
    /// If `range` is out of range, or ends before it starts; if there is no memory, where
    /// [`try_consolidate`](Self::try_consolidate) is an error.
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["a", "b", "c", "d"]);
    /// parts.consolidate_components(1..3);
    /// assert!(parts.components().eq(["a", "bc", "d"]));
    /// ```
    #[track_caller]
    pub fn consolidate_components(&mut self, range: impl RangeBounds<usize>) {
        or_panic(self.try_consolidate(range));
    }

    /// Does as [`consolidate_components`](Self::consolidate_components); with `..`, as
    /// [`consolidate`](Self::consolidate).
    ///
    /// # Errors
    ///
    /// If there is no memory for the copy. The composite is as it was.
    ///
    /// # Panics
    ///
    /// If `range` is out of range, or ends before it starts.
    #[track_caller]
    pub fn try_consolidate(&mut self, range: impl RangeBounds<usize>) -> Result<(), AllocError> {
        let Range { start: from, end: to } = range::of(range, self.components().len());
        if to - from < 2 {
            return Ok(());
        }
        let one = merged(self.components_from(from).take(to - from))?;
        match from.checked_sub(1) {
            Some(from) => self.rest.replace(from, to - 1, one),
            None => {
                let front = mem::replace(&mut self.front, one);
                let old: Vec<_> = (1..to).map(|_| self.rest.pop_front()).collect();
                drop((front, old));
            }
        }
        Ok(())
    }

    /// Copies the components that are a small part of a large block out of it, so that it can be freed:
    /// [`ByteView::compact`] of each. A component whose pool has no memory for the copy stays as it is,
    /// and one that is a `Bytes` is always copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, CompositeByteBuf};
    ///
    /// let mut received = ByteBuf::with_capacity(64 * 1024);
    /// received.extend_from_slice(b"hello");
    /// let mut parts = CompositeByteBuf::from(received);
    /// parts.compact();
    /// assert!(parts.component(0).unwrap().pinned() < 100);
    /// ```
    pub fn compact(&mut self) {
        for view in std::iter::once(&mut self.front).chain(self.rest.views_mut()) {
            if let Some(copy) = view.compact_copy(None) {
                drop(mem::replace(view, copy));
            }
        }
    }

    /// Takes the last component out.
    pub(super) fn pop_back(&mut self) -> Option<ByteView> {
        self.rest.pop_back().or_else(|| self.remove(0))
    }

    /// Appends a component as it is, unless it is empty. Its length was checked.
    pub(super) fn append_part(&mut self, part: ByteView) {
        if self.front.is_empty() {
            self.front = part;
        } else if !part.is_empty() {
            self.rest.push_back(part);
        }
    }

    /// Appends a small component to a long list. It goes behind the last one's bytes, where that is alone
    /// in its block and the block has spare capacity; else into a new block, together with the last
    /// component if that is small too.
    ///
    /// A new block is small, so that a held slice of it pins little: it is larger only behind a block that
    /// small components filled while no other handle held it. At most [`MERGE_BELOW`] bytes are copied
    /// again for each component.
    fn merge_back(&mut self, part: ByteView) {
        let last = self.rest.pop_back().unwrap_or_default();
        let (last, is_alone) = match last.try_into_mut() {
            Ok(mut block) if block.capacity() - block.len() >= part.len() => {
                block.extend_from_slice(&part);
                return self.rest.push_back(block.freeze());
            }
            Ok(block) => (block.freeze(), true),
            Err(last) => (last, false),
        };
        let filled = last.pinned();
        let size = if last.len() < MERGE_BELOW {
            2 * (last.len() + part.len())
        } else if is_alone && filled <= MERGE_BLOCK {
            (4 * filled).min(MERGE_BLOCK)
        } else {
            self.rest.push_back(last);
            return self.rest.push_back(part);
        };
        // Without memory for a block, nothing is lost but the chance to save some.
        let Ok(mut block) = allocate(&source_among([&last, &part].into_iter()), 0, size) else {
            self.rest.push_back(last);
            return self.rest.push_back(part);
        };
        if last.len() < MERGE_BELOW {
            block.extend_from_slice(&last);
        } else {
            self.rest.push_back(last.clone());
        }
        block.extend_from_slice(&part);
        self.rest.push_back(block.freeze());
    }

    #[track_caller]
    fn check_room(&self, more: usize) {
        assert!(
            self.len().checked_add(more).is_some(),
            "{more} bytes more than {} do not fit a usize",
            self.len()
        );
    }
}
