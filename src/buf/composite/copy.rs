//! Copies of a composite's bytes: into one view, into one component, out of large blocks.

use std::{
    mem,
    ops::{Range, RangeBounds},
};

use super::CompositeByteBuf;
use crate::{
    buf::{
        ByteView,
        byte_buf::{allocate, or_panic, source_among},
        range,
    },
    pool::AllocError,
};

impl CompositeByteBuf {
    /// Returns the content as one view.
    ///
    /// A composite of one component shares it; otherwise the bytes are copied once, and the composite stays
    /// unchanged.
    ///
    /// The copy is allocated from the pool and budget of the first component, or of the first one whose pool
    /// overwrites its memory on release, if there is such a component.
    ///
    /// # Panics
    ///
    /// If these have no memory for the copy; [`try_to_byte_view`](Self::try_to_byte_view) returns an error instead.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.to_byte_view(), "abc");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn to_byte_view(&self) -> ByteView {
        or_panic(self.try_to_byte_view())
    }

    /// Returns the content as one view like [`to_byte_view`](Self::to_byte_view), or an error.
    ///
    /// # Errors
    ///
    /// If there is no memory for the copy.
    ///
    /// # Cost
    ///
    /// One allocation and one copy, unless the composite has at most one component.
    #[track_caller]
    pub fn try_to_byte_view(&self) -> Result<ByteView, AllocError> {
        if self.rest.is_empty() { Ok(self.front.clone()) } else { merged(self.components()) }
    }

    /// Copies the content into a new `Vec`: one allocation, one copy.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.to_vec(), b"abc");
    /// ```
    #[must_use]
    #[doc(alias = "copy")]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.chunks().for_each(|chunk| bytes.extend_from_slice(chunk));
        bytes
    }

    /// Copies all components into one, if there are several: O(bytes). The copy is allocated from the pool that
    /// [`to_byte_view`](Self::to_byte_view) names.
    ///
    /// # Panics
    ///
    /// If there is no memory for that; [`try_consolidate`](Self::try_consolidate) returns an error instead.
    ///
    /// # Examples
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

    /// Copies the components whose indexes are in `range` into one, if they are several: O(their bytes) and O(n).
    /// The copy is allocated from the pool that [`to_byte_view`](Self::to_byte_view) names.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end; if there is no memory, for which
    /// [`try_consolidate`](Self::try_consolidate) returns an error instead.
    ///
    /// # Examples
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

    /// Copies components into one like [`consolidate_components`](Self::consolidate_components) (with `..`, like
    /// [`consolidate`](Self::consolidate)), or returns an error.
    ///
    /// # Errors
    ///
    /// If there is no memory for the copy. The composite is unchanged then.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
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

    /// Calls [`ByteView::compact`] for each component: a small part of a large block is copied out of it, so that
    /// the block can be freed. A component whose pool has no memory for the copy stays unchanged, and a `Bytes` is
    /// always copied.
    ///
    /// # Cost
    ///
    /// O(components), and that of [`ByteView::compact`] for each.
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
}

/// Copies components into one view.
#[track_caller]
fn merged<'a>(
    components: impl Iterator<Item = &'a ByteView> + Clone,
) -> Result<ByteView, AllocError> {
    let len = components.clone().map(|view| view.len()).sum();
    let mut all = allocate(&source_among(components.clone()), 0, len)?;
    components.for_each(|view| all.extend_from_slice(view));
    Ok(all.freeze())
}
