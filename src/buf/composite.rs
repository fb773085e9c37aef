//! Many pieces of memory, read as one.
//!
//! Rules:
//! 1. No component is empty; `front` is empty only where the composite is, and then `rest` is empty
//!    too.
//! 2. `rest` knows where each of its components begins ([`Parts`]); `front` is advanced in place,
//!    so that reading touches nothing but `front`.
//! 3. The total length fits a `usize`: every call that adds bytes checks it before it changes
//!    anything.

mod access;
mod compare;
mod convert;
mod edit;
mod iter;
mod parts;
mod read;

use std::ops::{Range, RangeBounds};

use self::parts::Parts;
use super::{
    ByteView,
    byte_buf::{allocate, or_panic, source_among},
    range,
};
use crate::pool::AllocError;

pub use self::iter::{ByteIter, Components, IntoComponents};

/// A component shorter than this costs more bookkeeping than a copy of its bytes.
const MERGE_BELOW: usize = 64;
/// The number of components that keep their boundaries whatever their size.
const MERGE_AFTER: usize = 16;
/// The largest block in which small components are merged.
const MERGE_BLOCK: usize = 4096;

/// An ordered list of [`ByteView`]s that reads as one buffer.
///
/// Joining does not copy: a component is a counted view of memory that something else may share.
/// Everything that reads (typed access at an offset, [`Buf`](bytes::Buf), [`Read`](std::io::Read),
/// search, comparison, dumps) works across the boundaries, and no answer depends on where they are.
///
/// # Boundaries
///
/// Empty components are dropped. [`push_back`](Self::push_back) (and so `extend` and `collect`)
/// copies a component of less than 64 bytes into the spare capacity behind the last one, once there
/// are 16 components and the last one is as small or has such capacity. So a peer that sends single bytes
/// can't make the list long or the work quadratic. All other components keep their boundaries,
/// and nothing is ever consolidated unasked. Where the boundaries of tiny components matter,
/// [`insert`](Self::insert) keeps them all.
///
/// # Cost
///
/// With n components: `push_back`, `push_front` and `advance` amortised O(1), access at an offset
/// O(log n), `clone` O(n) counts and no bytes. The first five components need no allocation.
///
/// ```
/// use bytebuf::{ByteView, CompositeByteBuf};
///
/// let mut message = CompositeByteBuf::new();
/// message.push_back(ByteView::from_static(b"\x00\x00\x00\x05"));
/// message.push_back(ByteView::from_static(b"he"));
/// message.push_back(ByteView::from_static(b"llo"));
///
/// assert_eq!(message.len(), 9);
/// assert_eq!(message.peek_u32(0), Some(5));
/// assert_eq!(message.slice(4..), b"hello"[..]);
/// ```
#[derive(Clone, Default)]
#[doc(alias = "compositeBuffer")]
#[doc(alias = "wrappedBuffer")]
pub struct CompositeByteBuf {
    front: ByteView,
    rest: Parts,
}

static_assertions::assert_impl_all!(CompositeByteBuf: Send, Sync, Unpin);

impl CompositeByteBuf {
    /// Creates an empty composite, without allocating.
    ///
    /// ```
    /// assert!(bytebuf::CompositeByteBuf::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of bytes in all components.
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.len(), 3);
    /// ```
    #[must_use]
    #[inline]
    #[doc(alias = "readableBytes")]
    pub fn len(&self) -> usize {
        // Rule 3: the sum fits.
        self.front.len() + self.rest.bytes()
    }

    /// Returns whether there is no byte in it.
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
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "", "c"]);
    /// assert_eq!(parts.components().len(), 2);
    /// assert_eq!(parts.components().last().unwrap(), "c");
    /// ```
    #[doc(alias = "numComponents")]
    #[doc(alias = "iterator")]
    pub fn components(&self) -> Components<'_> {
        self.components_from(0)
    }

    /// Returns component `index`, counted from 0.
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

    /// Returns the content as one view.
    ///
    /// A composite of one component shares it; else the bytes are copied, once, and the composite
    /// stays as it is.
    ///
    /// The copy is drawn from the pool and budget of the first component, or of the first one whose pool
    /// overwrites its memory on release, if there is such a component.
    ///
    /// # Panics
    ///
    /// If these have no memory for the copy; [`try_to_byte_view`](Self::try_to_byte_view) doesn't.
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

    /// Does as [`to_byte_view`](Self::to_byte_view).
    ///
    /// # Errors
    ///
    /// If there is no memory for the copy.
    #[track_caller]
    pub fn try_to_byte_view(&self) -> Result<ByteView, AllocError> {
        if self.rest.is_empty() { Ok(self.front.clone()) } else { merged(self.components()) }
    }

    /// Copies the content into a new `Vec`: one allocation, one copy.
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

    /// Returns the content of `range`, in pieces of at least one byte, as they lie in memory. O(log n) to
    /// begin with.
    ///
    /// # Panics
    ///
    /// If `range` is out of range, or ends before it starts.
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

    fn components_from(&self, index: usize) -> Components<'_> {
        let front = (index == 0 && !self.front.is_empty()).then_some(&self.front);
        Components::new(front, self.rest.views(index.saturating_sub(1)))
    }

    /// Finds the byte at `offset`: returns the component's index, the offset of its first byte, and itself.
    #[inline]
    fn locate(&self, offset: usize) -> Option<(usize, usize, &ByteView)> {
        match offset.checked_sub(self.front.len()) {
            None => Some((0, 0, &self.front)),
            Some(offset) => {
                let (index, start, view) = self.rest.locate(offset)?;
                Some((index + 1, self.front.len() + start, view))
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

#[cfg(test)]
mod tests;
