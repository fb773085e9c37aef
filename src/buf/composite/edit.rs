//! Inserts and removes components.

use std::mem;

use super::{CompositeByteBuf, MERGE_AFTER, MERGE_BELOW, MERGE_BLOCK};
use crate::{
    buf::{
        ByteView,
        byte_buf::{allocate, source_among},
    },
    pool::Block,
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
    /// # Examples
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
        self.check_total_len(part.len());
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
    /// # Examples
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("body");
    /// parts.push_front("head");
    /// assert_eq!(parts, "headbody");
    /// ```
    pub fn push_front(&mut self, part: impl Into<ByteView>) {
        let part = part.into();
        self.check_total_len(part.len());
        if part.is_empty() {
            return;
        }
        let second = mem::replace(&mut self.front, part);
        if !second.is_empty() {
            self.rest.push_front(second);
        }
    }

    /// Inserts a component before component `index`, or at the end if `index` is the number of components.
    ///
    /// Nothing is copied, and the boundaries stay as they are, however small the component. O(n).
    ///
    /// # Panics
    ///
    /// If `index` is more than the number of components, or the total length would not fit a
    /// `usize`.
    ///
    /// # Examples
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
        self.check_total_len(part.len());
        if part.is_empty() {
            return;
        }
        match index {
            0 => self.push_front(part),
            _ => self.rest.insert(index - 1, part),
        }
    }

    /// Removes component `index`, if there is one. O(n), and O(1) at both ends.
    ///
    /// # Examples
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

    /// Moves all components of `other` to the end of this one, unchanged. O(n) in those of `other`.
    ///
    /// # Panics
    ///
    /// If the total length would not fit a `usize`.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut parts = bytebuf::CompositeByteBuf::from("a");
    /// parts.append(bytebuf::CompositeByteBuf::from_iter(["b", "c"]));
    /// assert_eq!(parts.components().len(), 3);
    /// ```
    #[doc(alias = "addFlattenedComponents")]
    pub fn append(&mut self, other: Self) {
        self.check_total_len(other.len());
        other.into_iter().for_each(|part| self.append_part(part));
    }

    /// Removes the last component.
    pub(super) fn pop_back(&mut self) -> Option<ByteView> {
        self.rest.pop_back().or_else(|| self.remove(0))
    }

    /// Appends a component unchanged, unless it is empty. The caller has checked its length.
    pub(super) fn append_part(&mut self, part: ByteView) {
        if self.front.is_empty() {
            self.front = part;
        } else if !part.is_empty() {
            self.rest.push_back(part);
        }
    }

    /// Appends a small component to a long list. It is copied after the last one's bytes, if no other handle holds
    /// that block and the block has spare capacity; otherwise into a new block, together with the last
    /// component if that is small too. Bytes of two pools or budgets are not copied together.
    ///
    /// A new block is small, so that a held slice of it pins little: it is larger only after a block that
    /// small components filled while no other handle held it. At most [`MERGE_BELOW`] bytes are copied
    /// again for each component.
    fn merge_back(&mut self, part: ByteView) {
        let last = self.rest.pop_back().unwrap_or_default();
        let may_join =
            last.block().is_none_or(Block::is_adopted) || last.may_be_followed_by(part.block());
        let (last, is_alone) = match last.try_into_mut() {
            Ok(mut block)
                if block.capacity() - block.len() >= part.len()
                    && block.may_take_from(part.block()) =>
            {
                block.extend_from_slice(&part);
                return self.rest.push_back(block.freeze());
            }
            Ok(block) => (block.freeze(), true),
            Err(last) => (last, false),
        };
        let (len, filled) = (last.len(), last.pinned());
        let size = if !may_join {
            None
        } else if len < MERGE_BELOW {
            Some(2 * (len + part.len()))
        } else {
            (is_alone && filled <= MERGE_BLOCK).then(|| (4 * filled).min(MERGE_BLOCK))
        };
        let source = size.map(|size| (source_among([&last, &part].into_iter()), size));
        // Both before the allocation: it may call a function of the budget, which may panic.
        self.rest.push_back(last);
        self.rest.push_back(part);
        // Without memory for a block, the components stay separate.
        let Some(mut block) = source.and_then(|(source, size)| allocate(&source, 0, size).ok())
        else {
            return;
        };
        let part = self.rest.pop_back();
        let small = if len < MERGE_BELOW { self.rest.pop_back() } else { None };
        small.iter().chain(&part).for_each(|bytes| block.extend_from_slice(bytes));
        self.rest.push_back(block.freeze());
    }

    #[track_caller]
    fn check_total_len(&self, more: usize) {
        assert!(
            self.len().checked_add(more).is_some(),
            "{more} bytes more than {} do not fit a usize",
            self.len()
        );
    }
}
