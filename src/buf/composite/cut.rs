//! Parts of a composite: slices and splits, which share its memory.

use std::{
    mem,
    ops::{Range, RangeBounds},
};

use super::CompositeByteBuf;
use crate::buf::range;

impl CompositeByteBuf {
    /// Returns the bytes of `range` as a composite that shares them. O(log n) and one count per component.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Examples
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
    /// # Examples
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
    /// # Examples
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

    /// Drops the bytes after the first `len`; does nothing if there are none. O(n) in the dropped components.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// parts.truncate(4);
    /// assert_eq!(parts, "abcd");
    /// ```
    pub fn truncate(&mut self, len: usize) {
        // One at a time: a list of the dropped components would need memory.
        while let Some(last) = self.rest.views(0).last()
            && len <= self.len() - last.len()
        {
            drop(self.rest.pop_back());
        }
        if len < self.len() {
            drop(self.split_off(len));
        }
    }

    /// Drops all components. O(n).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("abc");
    /// parts.clear();
    /// assert!(parts.is_empty());
    /// ```
    pub fn clear(&mut self) {
        let front = mem::take(&mut self.front);
        self.rest.clear();
        // Last, because the drop of an owner may panic.
        drop(front);
    }
}
