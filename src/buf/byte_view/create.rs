//! The constructors of `ByteView`: static bytes, memory of an owner, a copy.
#![allow(unsafe_code, reason = "the owner keeps the bytes that it showed (R1)")]

use super::ByteView;
use crate::buf::ByteBuf;
use crate::memory::flags::READ_ONLY;
use crate::memory::owned::{self, OwnedBytes};
use crate::pool::Block;
use core::ptr::NonNull;

impl ByteView {
    /// Creates an empty view. Allocates nothing.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self::from_static(&[])
    }

    /// Creates a view of static bytes. Allocates nothing; clones are free.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// const GREETING: ByteView = ByteView::from_static(b"hello");
    /// assert_eq!(&GREETING[..], b"hello");
    /// ```
    #[inline]
    #[must_use]
    #[doc(alias = "wrappedBuffer")]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        let ptr = NonNull::from_ref(bytes).cast();
        Self { ptr, len: bytes.len(), block: None }
    }

    /// Creates a view of memory that `owner` owns, without copying it. The owner is dropped with the last view,
    /// on the same thread.
    ///
    /// # Panics
    ///
    /// If `owner.as_ref()` panics; the owner is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let view = ByteView::from_owner([7_u8; 32]);
    /// assert_eq!(view.len(), 32);
    /// ```
    ///
    /// The owner may hold views of other owners' bytes, to any depth: dropping it does not overflow the stack. A thread
    /// drops up to 32 owners inside each other; those inside the last of these are dropped after it.
    ///
    /// # Cost
    ///
    /// One allocation for the owner and its count.
    #[must_use]
    #[doc(alias = "wrappedBuffer")]
    pub fn from_owner<T: AsRef<[u8]> + Send + 'static>(owner: T) -> Self {
        let expose = |owner: &mut T| {
            let bytes = T::as_ref(owner);
            let len = bytes.len();
            OwnedBytes { data: NonNull::from_ref(bytes).cast(), len, allocated: len }
        };
        // SAFETY: the owner stays where it is and is not touched until it is dropped, so the bytes that
        // it showed through a shared reference stay valid for reads.
        let header = unsafe { owned::adopt(owner, READ_ONLY, expose) };
        Self::whole(Block::adopted(header))
    }

    /// Copies `bytes` into memory of the global pool.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_copy_from_slice`](crate::Pool::try_copy_from_slice) returns an error instead.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`Pool::alloc`](crate::Pool::alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let line = String::from("a line that ends soon");
    /// let view = ByteView::copy_from_slice(line.as_bytes());
    /// drop(line);
    /// assert_eq!(view, "a line that ends soon");
    /// ```
    #[must_use]
    #[doc(alias = "copiedBuffer")]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        ByteBuf::from(bytes).freeze()
    }

    /// Creates a view of all readable bytes of a block.
    pub(super) fn whole(block: Block) -> Self {
        Self { ptr: block.data(), len: block.requested(), block: Some(block) }
    }

    /// # Safety
    ///
    /// R1 holds for the three.
    #[inline]
    pub(in crate::buf) unsafe fn from_parts(
        ptr: NonNull<u8>,
        len: usize,
        block: Option<Block>,
    ) -> Self {
        Self { ptr, len, block }
    }
}

impl Default for ByteView {
    fn default() -> Self {
        Self::new()
    }
}
