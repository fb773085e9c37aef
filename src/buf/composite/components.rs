//! A composite's components: their number, their content, their offsets.

use std::ops::{Range, RangeBounds};

use super::{Components, CompositeByteBuf, Parts};
use crate::buf::{ByteView, range};

impl CompositeByteBuf {
    /// Creates an empty composite, without allocating.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(bytebuf::CompositeByteBuf::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { front: ByteView::new(), rest: Parts::new() }
    }

    /// Returns the number of bytes in all components.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.len(), 3);
    /// ```
    #[must_use]
    #[inline]
    #[doc(alias = "readableBytes")]
    pub fn len(&self) -> usize {
        // CC3: the sum fits.
        self.front.len() + self.rest.bytes()
    }

    /// Returns whether the composite is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!bytebuf::CompositeByteBuf::from("a").is_empty());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.front.is_empty()
    }

    /// Returns the components, first to last. None of them is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "", "c"]);
    /// assert_eq!(parts.components().len(), 2);
    /// assert_eq!(parts.components().last().unwrap(), "c");
    /// ```
    #[doc(alias = "numComponents")]
    #[doc(alias = "iterator")]
    #[must_use]
    pub fn components(&self) -> Components<'_> {
        self.components_from(0)
    }

    /// Returns component `index`, counted from 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.component(1).unwrap(), "c");
    /// assert_eq!(parts.component(2), None);
    /// ```
    #[must_use]
    pub fn component(&self, index: usize) -> Option<&ByteView> {
        match index.checked_sub(1) {
            None => (!self.front.is_empty()).then_some(&self.front),
            Some(index) => self.rest.get(index),
        }
    }

    /// Returns the component that holds the byte at `offset`. O(log n).
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.component_at(1).unwrap(), "ab");
    /// assert_eq!(parts.component_at(3), None);
    /// ```
    #[must_use]
    #[doc(alias = "componentAtOffset")]
    pub fn component_at(&self, offset: usize) -> Option<&ByteView> {
        self.locate(offset).map(|(_, _, view)| view)
    }

    /// Returns the index of the component that holds the byte at `offset`. O(log n).
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.component_index(2), Some(1));
    /// assert_eq!(parts.component_index(3), None);
    /// ```
    #[must_use]
    #[doc(alias = "toComponentIndex")]
    pub fn component_index(&self, offset: usize) -> Option<usize> {
        self.locate(offset).map(|(index, _, _)| index)
    }

    /// Returns the offset of the first byte of component `index`. O(1).
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.component_offset(1), Some(2));
    /// assert_eq!(parts.component_offset(2), None);
    /// ```
    #[must_use]
    #[doc(alias = "toByteIndex")]
    pub fn component_offset(&self, index: usize) -> Option<usize> {
        match index.checked_sub(1) {
            None => (!self.front.is_empty()).then_some(0),
            Some(index) => Some(self.front.len() + self.rest.start(index)?),
        }
    }

    /// Returns the content of `range` as contiguous slices, none of them empty. O(log n) for the first slice.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["abc", "def"]);
    /// assert!(parts.chunks_in(2..5).eq([&b"c"[..], b"de"]));
    /// ```
    #[doc(alias = "decompose")]
    #[doc(alias = "nioBuffers")]
    pub fn chunks_in(&self, range: impl RangeBounds<usize>) -> impl Iterator<Item = &[u8]> + Clone {
        let Range { start, end } = range::of(range, self.len());
        let (index, mut skip) =
            self.locate(start).map_or((0, 0), |(i, first, _)| (i, start - first));
        let mut left = end - start;
        self.components_from(index).map_while(move |view| {
            let take = left.min(view.len() - skip);
            let chunk = &view[skip..skip + take];
            (skip, left) = (0, left - take);
            (take > 0).then_some(chunk)
        })
    }

    /// Returns the content, component by component.
    pub(crate) fn chunks(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.components().map(|view| &view[..])
    }

    pub(super) fn components_from(&self, index: usize) -> Components<'_> {
        let front = (index == 0 && !self.front.is_empty()).then_some(&self.front);
        Components::new(front, self.rest.views(index.saturating_sub(1)))
    }

    /// Finds the component of the byte at `offset`: returns its index, the offset of its first byte, and itself.
    #[inline]
    pub(super) fn locate(&self, offset: usize) -> Option<(usize, usize, &ByteView)> {
        match offset.checked_sub(self.front.len()) {
            None => Some((0, 0, &self.front)),
            Some(offset) => {
                let (index, start, view) = self.rest.locate(offset)?;
                Some((index + 1, self.front.len() + start, view))
            }
        }
    }
}
