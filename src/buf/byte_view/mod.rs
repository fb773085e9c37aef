//! [`ByteView`]: shared, read-only bytes.
//!
//! Rules:
//!
//! * **R1** `ptr .. ptr + len` is readable and does not change while the view lives: it lies in the block
//!   to which the view holds a reference, in a range that no `ByteBuf` owns; or, without a block, it is static or
//!   empty.
#![allow(unsafe_code, reason = "a slice is made of pointer and length (R1)")]

// First, so that the page of the type begins with its constructors.
mod create;

mod convert;
mod cut;
mod memory;

use crate::pool::Block;
use core::ops::Deref;
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A shared, read-only range of bytes: cheap to clone, to slice and to send to other threads.
///
/// It has all methods of [`bytes::Bytes`], under the same names. A view of pooled memory keeps its whole block
/// alive: [`pinned`](Self::pinned) returns the size, [`compact`](Self::compact) copies the view out.
///
/// # Cost
///
/// `clone`, `slice`, `split_to`, `split_off` copy no bytes, allocate nothing and are O(1). They
/// need no atomic read-modify-write for blocks up to 64 KiB that this thread has lately shared, one
/// otherwise.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteView;
///
/// let message = ByteView::from(vec![1, 2, 3, 4, 5]);
/// let body = message.slice(1..4);
/// assert_eq!(body, [2, 3, 4][..]);
/// ```
#[derive(Clone)]
#[doc(alias = "Bytes")]
#[doc(alias = "retainedSlice")]
#[doc(alias = "retainedDuplicate")]
pub struct ByteView {
    ptr: NonNull<u8>,
    len: usize,
    block: Option<Block>,
}

static_assertions::assert_eq_size!(ByteView, Option<ByteView>, [usize; 3]);
static_assertions::assert_impl_all!(ByteView: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

// SAFETY: the bytes are immutable (R1), and `Block` counts in a thread-safe way.
unsafe impl Send for ByteView {}
// SAFETY: as above.
unsafe impl Sync for ByteView {}

impl ByteView {
    /// Returns the block that keeps the bytes; `None` for static and empty ones.
    #[inline]
    pub(crate) fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Returns whether both views keep the same block.
    pub(crate) fn shares_block(&self, other: &Self) -> bool {
        let address = |view: &Self| view.block.as_ref().map(Block::data);
        address(self).is_some_and(|block| address(other) == Some(block))
    }

    /// Returns whether bytes of `block` may be copied after this view's bytes, into its block or into one of the
    /// same pool and budget: they are from there, or from no pool.
    pub(crate) fn may_be_followed_by(&self, block: Option<&Block>) -> bool {
        block.is_none_or(|block| block.may_be_copied_into(self.block.as_ref()))
    }

    /// Returns the number of bytes.
    #[inline]
    #[must_use]
    #[doc(alias = "readableBytes")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the view is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes with a static lifetime, if they are static.
    fn as_static(&self) -> Option<&'static [u8]> {
        if self.block.is_some() {
            return None;
        }
        // SAFETY: without a block, the bytes are static or there are none (R1).
        Some(unsafe { NonNull::slice_from_raw_parts(self.ptr, self.len).as_ref() })
    }
}

impl Deref for ByteView {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: R1; the borrow keeps the view, and so the memory.
        unsafe { NonNull::slice_from_raw_parts(self.ptr, self.len).as_ref() }
    }
}
