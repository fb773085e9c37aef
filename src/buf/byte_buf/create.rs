//! The constructors of `ByteBuf`: empty, from the global pool, over a block.
#![allow(unsafe_code, reason = "the first byte lies inside the block (W1)")]

use super::ByteBuf;
use super::fields::{Front, MadeWith, MaxCapacity};
use crate::pool::{Block, Pool};
use core::ptr::NonNull;

impl ByteBuf {
    /// Creates an empty buffer. Allocates nothing until something is written.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytes::BufMut;
    ///
    /// let mut buf = ByteBuf::new();
    /// assert_eq!(buf.capacity(), 0);
    /// buf.put_u32(7);
    /// assert_eq!(buf, [0, 0, 0, 7][..]);
    /// ```
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        let base = NonNull::dangling();
        Self {
            base,
            end: 0,
            block: None,
            reader: 0,
            writer: 0,
            initialised: 0,
            max: MaxCapacity::NONE,
            made_with: MadeWith::BLOCK,
            front: Front::Own,
        }
    }

    /// Creates a buffer from the global pool with capacity for `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_alloc`] returns an error instead.
    ///
    /// # Cost
    ///
    /// That of [`Pool::alloc`].
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(100);
    /// buf.extend_from_slice(b"hello");
    /// assert_eq!((buf.len(), buf.capacity()), (5, 100));
    /// ```
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn with_capacity(capacity: usize) -> Self {
        Pool::global().alloc(capacity)
    }

    /// Creates a buffer of `len` zeros from the global pool.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_alloc`] returns an error instead.
    ///
    /// # Cost
    ///
    /// That of [`Pool::alloc`], and writing the zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut page = ByteBuf::zeroed(4096);
    /// page[..5].copy_from_slice(b"hello");
    /// assert_eq!((page.len(), page[5]), (4096, 0));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn zeroed(len: usize) -> Self {
        let mut buf = Self::with_capacity(len);
        buf.fill_with(len, 0);
        buf
    }

    /// Creates a buffer from the global pool with capacity for `n` bytes, and `front` bytes of headroom for
    /// [`prepend`](Self::prepend).
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_alloc_with_headroom`](crate::Pool::try_alloc_with_headroom)
    /// returns an error instead.
    ///
    /// # Cost
    ///
    /// That of [`Pool::alloc`](crate::Pool::alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut frame = ByteBuf::with_headroom(2, 100);
    /// frame.extend_from_slice(b"body");
    /// frame.prepend(&[0, 4]);
    /// assert_eq!(frame, b"\0\x04body"[..]);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_headroom(front: usize, n: usize) -> Self {
        Pool::global().alloc_with_headroom(front, n)
    }

    /// Makes a buffer over a block that no other handle holds: the first `front` bytes are headroom,
    /// `capacity` follow. Together they are at most the requested length of the block.
    #[inline]
    pub(super) fn over(block: Block, front: usize, capacity: usize) -> Self {
        debug_assert!(front + capacity <= block.requested() && block.is_writable());
        // SAFETY: inside the block.
        let base = unsafe { block.data().add(front) };
        Self {
            base,
            end: capacity,
            block: Some(block),
            reader: 0,
            writer: 0,
            initialised: 0,
            max: MaxCapacity::NONE,
            made_with: MadeWith::BLOCK,
            front: Front::Own,
        }
    }

    /// Makes a buffer like [`over`](Self::over); without a block, an empty one.
    #[inline(always)]
    pub(super) fn with_block(block: Option<Block>, front: usize, capacity: usize) -> Self {
        match block {
            Some(block) => Self::over(block, front, capacity),
            None => Self::new(),
        }
    }

    /// Takes a view back for writing, with all the spare capacity of its block.
    ///
    /// # Safety
    ///
    /// No other handle holds the block, it is writable, and the bytes lie in it.
    #[inline]
    pub(in crate::buf) unsafe fn reclaim(ptr: NonNull<u8>, len: usize, block: Block) -> Self {
        let front = ptr.addr().get() - block.data().addr().get();
        let capacity = block.requested() - front;
        let mut buf = Self::over(block, front, capacity);
        buf.writer = len;
        buf
    }
}

impl Default for ByteBuf {
    fn default() -> Self {
        Self::new()
    }
}
