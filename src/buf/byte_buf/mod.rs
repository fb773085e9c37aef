//! [`ByteBuf`]: unique, writable, growable bytes.
//!
//! ```text
//!  block ──┬──────────┬───────────────┬───────────────┬──────────────┬─────── end of the block
//!          │ headroom │   consumed    │   readable    │    spare     │
//!          │          │ 0 .. reader   │ reader..writer│ writer .. end│
//!          └──────────┼───────────────┴───────────────┴──────────────┘
//!                    base            ▲ initialised: 0 .. max(initialised, writer)
//! ```
//!
//! Rules:
//!
//! * **W1** The range `base .. base + end` lies in the block and belongs to this handle alone: no other
//!   handle reads or writes it. Where `owns_front` is set, so does everything from the start of the block
//!   to `base`. Without a block, `end = 0`.
//! * **W2** `reader <= writer <= end`.
//! * **W3** *Initialised, and the owner's.* This owner of the block wrote the bytes
//!   `0 .. max(initialised, writer)` from base, or set them to zero. No other byte is ever shown as `u8`:
//!   what an earlier owner of the block wrote can't be seen. A call that hands bytes out as `MaybeUninit`
//!   or `UninitSlice` first takes them out of that range, as safe code may un-initialise them.
//! * **W4** `end <= max`: a buffer never grows over its maximum.
#![allow(unsafe_code, reason = "slices of a block that the handle owns alone (W1, W3)")]

mod grow;
mod index;
mod parts;
#[cfg(any(unix, feature = "tokio"))]
mod receive;
#[cfg(unix)]
mod spares;
#[cfg(test)]
mod tests;

use super::byte_view::ByteView;
use super::range;
use crate::pool::Block;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut, RangeBounds};
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};

use grow::MadeWith;
pub use grow::{TryReserveError, TryReserveErrorKind};
pub(super) use grow::{allocate, copy_from, or_panic, source_among, source_of};
pub use index::IndexError;

/// A unique, writable, growable range of bytes in pooled memory.
///
/// It does all that [`bytes::BytesMut`] does, under the same names, and what Netty's `ByteBuf` does
/// beyond it: a reader and a writer index that can be set back, headroom in front, a maximum, spare
/// capacity that can be filled in place.
///
/// As `BytesMut`, it is no `io::Read` or `Write` itself, whose methods would clash with those of `Buf`:
/// see [`read_from`](Self::read_from), [`bytes::Buf::reader`] and [`bytes::BufMut::writer`].
///
/// What has been read stays there, so that a half-parsed message can be rewound, until
/// [`discard_read`](Self::discard_read), or until growing needs the space.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytes::{Buf, BufMut};
///
/// let mut buf = ByteBuf::with_capacity(64);
/// buf.put_u16(5);
/// buf.put_slice(b"hello");
///
/// let length = buf.get_u16();
/// let message = buf.split_to(length as usize).freeze();
/// assert_eq!(message, b"hello"[..]);
/// ```
pub struct ByteBuf {
    base: NonNull<u8>,
    reader: usize,
    writer: usize,
    end: usize,
    initialised: usize,
    max: usize,
    block: Option<Block>,
    made_with: MadeWith,
    owns_front: bool,
}

static_assertions::assert_eq_size!(ByteBuf, Option<ByteBuf>, [usize; 8]);
static_assertions::assert_impl_all!(ByteBuf: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

// SAFETY: the handle owns its range alone (W1), as a `Vec` does.
unsafe impl Send for ByteBuf {}
// SAFETY: a shared borrow only reads.
unsafe impl Sync for ByteBuf {}

impl ByteBuf {
    /// Creates an empty buffer. Allocates nothing until something is written.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        let base = NonNull::dangling();
        Self {
            base,
            reader: 0,
            writer: 0,
            end: 0,
            initialised: 0,
            max: usize::MAX,
            block: None,
            made_with: MadeWith::BLOCK,
            owns_front: true,
        }
    }

    /// Makes a buffer over a block that no other handle holds: the first `front` bytes are headroom,
    /// `capacity` follow. Together they are at most the requested length of the block.
    #[inline]
    fn over(block: Block, front: usize, capacity: usize) -> Self {
        debug_assert!(front + capacity <= block.requested() && block.is_writable());
        // SAFETY: inside the block.
        let base = unsafe { block.data().add(front) };
        Self {
            base,
            reader: 0,
            writer: 0,
            end: capacity,
            initialised: 0,
            max: usize::MAX,
            block: Some(block),
            made_with: MadeWith::BLOCK,
            owns_front: true,
        }
    }

    /// Does as [`over`](Self::over); without a block, the buffer is empty.
    #[inline(always)]
    fn with_block(block: Option<Block>, front: usize, capacity: usize) -> Self {
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
    pub(super) unsafe fn reclaim(ptr: NonNull<u8>, len: usize, block: Block) -> Self {
        let front = ptr.addr().get() - block.data().addr().get();
        let capacity = block.requested() - front;
        let mut buf = Self::over(block, front, capacity);
        buf.writer = len;
        buf
    }

    /// Returns the number of readable bytes.
    #[inline]
    #[must_use]
    #[doc(alias = "readableBytes")]
    pub const fn len(&self) -> usize {
        self.writer - self.reader
    }

    /// Returns whether there is nothing to read.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes that the buffer holds without growing, from the reader index on.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.end - self.reader
    }

    /// Returns the address of the byte at an index, `index <= end`.
    #[inline]
    fn at(&self, index: usize) -> NonNull<u8> {
        debug_assert!(index <= self.end);
        // SAFETY: within the handle's range or at its end (W1).
        unsafe { self.base.add(index) }
    }

    /// Returns the initialised length, from base (W3).
    #[inline]
    fn initialised_len(&self) -> usize {
        self.initialised.max(self.writer)
    }

    /// Zeroes what is not initialised below `index`, `index <= end`.
    fn initialise_to(&mut self, index: usize) {
        let from = self.initialised_len();
        if index > from {
            // SAFETY: within the handle's range (W1).
            unsafe { self.at(from).write_bytes(0, index - from) };
            self.initialised = index;
        }
    }

    /// Moves the writer index. Where it goes down, what is above it stays initialised.
    #[inline]
    fn set_writer(&mut self, index: usize) {
        debug_assert!(index <= self.end && (index <= self.initialised_len()));
        self.initialised = self.initialised_len();
        self.writer = index;
    }

    /// Returns the spare capacity behind the writer index as bytes that can be written and read. What was
    /// not written before is set to zero, once.
    ///
    /// Follow it by [`commit`](Self::commit).
    ///
    /// # Cost
    ///
    /// O(spare capacity) the first time, nothing after. [`read_into_spare`](Self::read_into_spare) zeroes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// buf.writable()[..3].copy_from_slice(b"abc");
    /// buf.commit(3);
    /// assert_eq!(buf, b"abc"[..]);
    /// ```
    #[must_use]
    #[doc(alias = "internalNioBuffer")]
    pub fn writable(&mut self) -> &mut [u8] {
        self.initialise_to(self.end);
        // SAFETY: the handle's own range (W1), all of it initialised now (W3).
        unsafe {
            NonNull::slice_from_raw_parts(self.at(self.writer), self.end - self.writer).as_mut()
        }
    }

    /// Makes the first `n` bytes of the spare capacity readable. Those that were never written read as zero.
    ///
    /// # Panics
    ///
    /// If the spare capacity is less than `n`.
    ///
    /// # Cost
    ///
    /// Zeroes what was not written since the pool handed the memory out; nothing after
    /// [`writable`](Self::writable).
    pub fn commit(&mut self, n: usize) {
        let spare = self.end - self.writer;
        assert!(n <= spare, "cannot commit {n} bytes of a spare capacity of {spare}");
        self.initialise_to(self.writer + n);
        self.set_writer(self.writer + n);
    }

    /// Lets `f` write into the spare capacity and return the part that it filled, from the start: that much
    /// becomes readable. Zeroes nothing. Returns the number of bytes.
    ///
    /// This is how the kernel fills a buffer: `rustix::io::read(fd, spare)` returns such a part.
    ///
    /// # Errors
    ///
    /// Those of `f`; nothing has changed then.
    ///
    /// # Panics
    ///
    /// If `f` returns other memory than the start of the spare capacity.
    ///
    /// # Cost
    ///
    /// That of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// let n = buf.read_into_spare(|spare| Ok::<_, ()>(spare[..3].write_copy_of_slice(b"abc"))).unwrap();
    /// assert_eq!((n, &buf[..]), (3, &b"abc"[..]));
    /// ```
    pub fn read_into_spare<E>(
        &mut self,
        f: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
    ) -> Result<usize, E> {
        let start = self.at(self.writer);
        let spare = self.spare_capacity_mut();
        let most = spare.len();
        let filled = f(spare)?;
        let n = filled.len();
        // A slice of initialised bytes that starts where the spare capacity does and is no longer is the proof
        // that they are written.
        assert!(
            n == 0 || (filled.as_ptr() == start.as_ptr() && n <= most),
            "what was filled is not the start of the spare capacity"
        );
        self.writer += n;
        Ok(n)
    }

    /// Returns the spare capacity behind the writer index, uninitialised. Follow it by `set_len` or, better, use
    /// [`read_into_spare`](Self::read_into_spare) or [`writable`](Self::writable).
    #[inline]
    #[must_use]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.initialised = self.writer;
        let spare = self.at(self.writer).cast();
        // SAFETY: the handle's own range (W1); `MaybeUninit` needs no initialisation.
        unsafe { NonNull::slice_from_raw_parts(spare, self.end - self.writer).as_mut() }
    }

    /// Returns all the capacity, from the first readable byte on, as memory that may be written and not
    /// read. This is what completion-based I/O hands to the kernel.
    ///
    /// Nothing is readable afterwards: safe code may un-initialise bytes through the slice, so that none of
    /// them counts as initialised any more. The bytes stay where they are. Once some are written, or if
    /// nothing was un-initialised, [`set_len`](Self::set_len) makes them readable (again).
    /// [`spare_capacity_mut`](Self::spare_capacity_mut) leaves what is readable alone.
    ///
    /// # Cost
    ///
    /// None; zeroes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// buf.extend_from_slice(b"old");
    /// let memory = buf.as_uninit_mut();
    /// assert_eq!(memory.len(), 8);
    /// let n = memory[1..].write_copy_of_slice(b"perator").len();
    /// // SAFETY: the first byte was initialised and not touched, those behind it were just written.
    /// unsafe { buf.set_len(1 + n) };
    /// assert_eq!(buf, b"operator"[..]);
    /// ```
    #[inline]
    #[must_use]
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // W3: what is handed out is no longer in the initialised range.
        (self.writer, self.initialised) = (self.reader, self.reader);
        self.spare_capacity_mut()
    }

    /// Returns what [`as_uninit_mut`](Self::as_uninit_mut) does, and leaves readable what is readable.
    ///
    /// # Safety
    ///
    /// The caller does not un-initialise any of the first `len` bytes.
    #[cfg(any(feature = "compio-buf-08", feature = "compio-buf-09"))]
    pub(crate) unsafe fn capacity_as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        self.initialised = self.writer;
        let start = self.at(self.reader).cast();
        // SAFETY: the handle's own range (W1); the caller keeps what is initialised initialised (W3).
        unsafe { NonNull::slice_from_raw_parts(start, self.capacity()).as_mut() }
    }

    /// Sets how many bytes can be read.
    ///
    /// # Safety
    ///
    /// `len <= capacity`, and the bytes below it are initialised.
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(
            len <= self.capacity(),
            "set_len out of bounds: {len} <= {}",
            self.capacity()
        );
        self.initialised = self.initialised_len();
        self.writer = self.reader + len;
    }

    /// Appends `bytes`, growing as needed.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cost
    ///
    /// One copy, and that of [`reserve`](Self::reserve).
    #[inline]
    #[track_caller]
    #[doc(alias = "writeBytes")]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: the spare capacity is large enough and this handle's alone (W1), so that `bytes` is not in it.
        unsafe { self.at(self.writer).copy_from_nonoverlapping(bytes_ptr(bytes), bytes.len()) };
        self.writer += bytes.len();
    }

    /// Appends a copy of a part of what can be read.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end; as [`reserve`](Self::reserve), where
    /// [`try_extend_from_within`](Self::try_extend_from_within) is an error.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`reserve`](Self::reserve).
    #[track_caller]
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>) {
        let range = range::of(range, self.len());
        self.reserve(range.len());
        let from = self.at(self.reader + range.start);
        // SAFETY: both are within the handle's range (W1), and the source ends at or before the writer.
        unsafe { self.at(self.writer).copy_from_nonoverlapping(from, range.len()) };
        self.writer += range.len();
    }

    /// Drops what is behind the first `len` readable bytes. Nothing happens if there are no more.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.set_writer(self.reader + len);
        }
    }

    /// Makes the buffer empty. The capacity stays, and both indexes stay where the reader was.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Makes `len` bytes readable: cuts, or appends copies of `value`.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve); [`try_resize`](Self::try_resize) doesn't.
    ///
    /// # Cost
    ///
    /// Writes what is appended, and that of [`reserve`](Self::reserve).
    #[track_caller]
    pub fn resize(&mut self, len: usize, value: u8) {
        match len.checked_sub(self.len()) {
            Some(more) => self.fill_with(more, value),
            None => self.truncate(len),
        }
    }

    /// Appends `n` copies of `value`.
    #[track_caller]
    pub(crate) fn fill_with(&mut self, n: usize, value: u8) {
        self.reserve(n);
        // SAFETY: the spare capacity is large enough (W1).
        unsafe { self.at(self.writer).write_bytes(value, n) };
        self.writer += n;
    }
}

/// Returns the address of a slice's first byte, for copying from it.
#[inline]
fn bytes_ptr(bytes: &[u8]) -> NonNull<u8> {
    NonNull::from_ref(bytes).cast()
}

impl Deref for ByteBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: within the handle's range (W1, W2), initialised (W3); the borrow keeps it unchanged.
        unsafe { NonNull::slice_from_raw_parts(self.at(self.reader), self.len()).as_ref() }
    }
}

impl DerefMut for ByteBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the handle is borrowed mutably.
        unsafe { NonNull::slice_from_raw_parts(self.at(self.reader), self.len()).as_mut() }
    }
}

impl Default for ByteBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl From<ByteBuf> for ByteView {
    fn from(buf: ByteBuf) -> Self {
        buf.freeze()
    }
}
