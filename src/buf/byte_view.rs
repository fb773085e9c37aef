//! [`ByteView`]: shared, read-only bytes.
//!
//! Rules:
//!
//! * **R1** `ptr .. ptr + len` is readable and does not change while the view lives: it lies in the block
//!   whose credit the view holds, in a range that no `ByteBuf` owns; or, without a block, it is static or
//!   empty.
#![allow(unsafe_code, reason = "a slice is made of pointer and length (R1)")]

mod convert;

use super::byte_buf::{ByteBuf, copy_from, source_of};
use super::{drop_after, range};
use crate::memory::flags::READ_ONLY;
use crate::memory::owned;
use crate::pool::{AllocError, Block, Pool, block_size};
use core::ops::{Deref, RangeBounds};
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A shared, read-only range of bytes: cheap to clone, to slice and to send to other threads.
///
/// It does all that [`bytes::Bytes`] does, under the same names. Views of pooled memory keep their whole
/// block alive: [`pinned`](Self::pinned) tells how much that is, [`compact`](Self::compact) copies out of
/// it.
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

    /// Creates a view of memory that `owner` owns, without copying it. The owner is dropped together with
    /// the last view, on that thread, at once.
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
    /// # Cost
    ///
    /// One allocation for the owner and its count.
    #[must_use]
    #[doc(alias = "wrappedBuffer")]
    pub fn from_owner<T: AsRef<[u8]> + Send + 'static>(owner: T) -> Self {
        let show = |owner: &mut T| {
            let bytes = T::as_ref(owner);
            (NonNull::from_ref(bytes).cast(), bytes.len())
        };
        // SAFETY: the owner stays where it is and is not touched until it is dropped, so the bytes that
        // it showed through a shared reference stay valid for reads.
        let header = unsafe { owned::adopt(owner, READ_ONLY, show) };
        Self::whole(Block::adopted(header))
    }

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

    /// Creates a view of a whole block.
    fn whole(block: Block) -> Self {
        Self { ptr: block.data(), len: block.capacity(), block: Some(block) }
    }

    /// Copies `bytes` into memory of the global pool.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_copy_from_slice`] doesn't.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`Pool::alloc`](crate::Pool::alloc).
    #[must_use]
    #[doc(alias = "copiedBuffer")]
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        ByteBuf::from(bytes).freeze()
    }

    /// # Safety
    ///
    /// R1 holds for the three.
    #[inline]
    pub(super) unsafe fn from_parts(ptr: NonNull<u8>, len: usize, block: Option<Block>) -> Self {
        Self { ptr, len, block }
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

    /// Returns whether no other handle holds the memory, so that it could be written to. Static bytes and
    /// those of a foreign owner are never unique.
    ///
    /// Answers `true` only if this is the only handle. Answers `false` although it is the only one while another
    /// thread, which has dropped a handle of the block, keeps a reference to it: until that thread shares other
    /// blocks, allocates after its cache was empty, calls [`Pool::flush_thread`] or ends.
    ///
    /// # Cost
    ///
    /// An atomic load, and an atomic read-modify-write if this thread has counts of the block at hand.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.is_writable() && block.is_unique())
    }

    /// Returns the number of bytes that this view keeps from being freed: the size of its whole block.
    /// Zero for static and empty views. A foreign owner, such as a `Bytes`, counts with the bytes that it
    /// shows, as it does not say how much memory it keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, ByteView};
    ///
    /// let mut received = ByteBuf::with_capacity(64 * 1024);
    /// received.extend_from_slice(b"GET / HTTP/1.1");
    /// let method = received.freeze().slice(..3);
    /// assert_eq!(method.pinned(), 64 * 1024);
    /// assert!(method.compact().pinned() < 100);
    /// ```
    #[must_use]
    pub fn pinned(&self) -> usize {
        let Some(block) = &self.block else { return 0 };
        block.owner::<Vec<u8>>().map_or_else(|| block.capacity(), Vec::capacity)
    }

    /// Returns this view, or a copy of its bytes where that takes at most half of the memory that the
    /// view pins.
    ///
    /// The copy is drawn from the block's own pool and budget. Where these have no memory for it, the view
    /// comes back as it is: [`pinned`](Self::pinned) tells.
    ///
    /// A `Bytes` does not say how much memory it keeps, nor which pool that is from. One that is alone in
    /// a `Vec` becomes that `Vec`, shrunk; any other is copied into a `Vec`, whatever its length.
    ///
    /// # Cost
    ///
    /// Copies at most half of what was pinned, or the whole of a `Bytes`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// let mut received = pool.alloc(1500);
    /// received.extend_from_slice(b"host: example.org");
    /// let host = received.freeze().slice(6..);
    /// assert!(pool.stats().live >= 1500);
    /// let host = host.compact();
    /// assert_eq!(host, "example.org");
    /// assert!(pool.stats().live <= 64);
    /// ```
    #[must_use = "the compact view is the one returned"]
    #[track_caller]
    pub fn compact(self) -> Self {
        self.compacted(None)
    }

    /// Does as [`compact`](Self::compact), and draws the copy from `pool`.
    ///
    /// # Cost
    ///
    /// That of [`compact`](Self::compact).
    #[must_use = "the compact view is the one returned"]
    #[track_caller]
    pub fn compact_in(self, pool: &Pool) -> Self {
        self.compacted(Some(pool))
    }

    #[track_caller]
    fn compacted(self, pool: Option<&Pool>) -> Self {
        let view = self.unwrap_bytes();
        match view.compact_copy(pool) {
            Some(copy) => drop_after(view, |_| copy),
            None => view,
        }
    }

    /// Returns the copy that a compact view is, where that saves memory and there is memory for it.
    #[track_caller]
    pub(super) fn compact_copy(&self, pool: Option<&Pool>) -> Option<Self> {
        let block = self.block.as_ref()?;
        let is_bytes = block.owner::<bytes::Bytes>().is_some();
        let is_small_part =
            || block_size(self.len).is_some_and(|needed| needed <= self.pinned() / 2);
        if !is_bytes && !self.is_empty() && !is_small_part() {
            return None;
        }
        let copy = match pool {
            Some(pool) => copy_from(pool.source(), self),
            None if is_bytes => {
                let mut vec = Vec::new();
                vec.try_reserve_exact(self.len).ok()?;
                vec.extend_from_slice(self);
                return Some(vec.into());
            }
            None => copy_from(&source_of(Some(block)), self),
        };
        copy.ok().map(ByteBuf::freeze)
    }

    /// Copies the bytes into a new buffer, in a block of the view's own pool and budget.
    ///
    /// # Errors
    ///
    /// If these have no memory for it.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`Pool::alloc`].
    #[track_caller]
    pub fn try_copy(&self) -> Result<ByteBuf, AllocError> {
        copy_from(&source_of(self.block.as_ref()), self)
    }

    /// Returns a view of a part.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    #[inline]
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let range = range::of(range, self.len);
        self.part(range.start, range.end)
    }

    /// Returns the bytes from `start` to `end`; an empty part keeps its address, but no memory.
    #[inline]
    fn part(&self, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= self.len);
        // SAFETY: within the view or at its end (R1), as just checked.
        let ptr = unsafe { self.ptr.add(start) };
        let block = if start == end { None } else { self.block.clone() };
        Self { ptr, len: end - start, block }
    }

    /// Returns the view of a slice of this one's bytes.
    ///
    /// # Panics
    ///
    /// If `subset` is not within this view's memory. An empty one always is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let line = ByteView::from_static(b"host: example.org");
    /// let value = line.rsplit(|&byte| byte == b' ').next().unwrap();
    /// let kept = line.slice_ref(value);
    /// assert_eq!(kept, b"example.org"[..]);
    /// ```
    #[must_use]
    pub fn slice_ref(&self, subset: &[u8]) -> Self {
        if subset.is_empty() {
            return Self::new();
        }
        let start = subset.as_ptr().addr().checked_sub(self.ptr.addr().get());
        let end = start.and_then(|start| start.checked_add(subset.len()));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.len => self.part(start, end),
            _ => panic!(
                "a slice of {} bytes at {:p} is not within a view of {} bytes at {:p}",
                subset.len(),
                subset.as_ptr(),
                self.len,
                self.ptr
            ),
        }
    }

    /// Splits the view in two: keeps what is before `at`, returns the rest.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    #[inline]
    #[must_use = "consider `truncate` if the rest is not needed"]
    pub fn split_off(&mut self, at: usize) -> Self {
        range::check_split("split_off", at, self.len);
        if at == 0 {
            let empty = self.part(0, 0);
            return core::mem::replace(self, empty);
        }
        let rest = self.part(at, self.len);
        self.len = at;
        rest
    }

    /// Splits the view in two: returns what is before `at`, keeps the rest.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    #[inline]
    #[must_use = "consider `advance` if the front is not needed"]
    #[doc(alias = "readRetainedSlice")]
    #[doc(alias = "readSlice")]
    pub fn split_to(&mut self, at: usize) -> Self {
        range::check_split("split_to", at, self.len);
        if at == self.len {
            let empty = self.part(at, at);
            return core::mem::replace(self, empty);
        }
        let front = self.part(0, at);
        self.skip(at);
        front
    }

    /// Drops what is behind the first `len` bytes. Nothing happens if there are no more.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len == 0 {
            *self = self.part(0, 0);
        } else if len < self.len {
            self.len = len;
        }
    }

    /// Drops all bytes.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Drops the first `n` bytes, `n <= len`.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        range::check_advance(n, self.len);
        self.len -= n;
        // SAFETY: within the view or at its end (R1), as just checked.
        self.ptr = unsafe { self.ptr.add(n) };
    }

    /// Makes the view a `ByteBuf` again, with the headroom and spare capacity around it, if no other handle
    /// holds the memory and it may be written. Copies nothing.
    ///
    /// # Errors
    ///
    /// The view itself, if it is static, borrowed from an owner, or shared, which includes a reference that
    /// another thread keeps after it has dropped its last handle (see [`is_unique`](Self::is_unique)).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_headroom(16, 100);
    /// buf.extend_from_slice(b"body");
    /// let mut buf = buf.freeze().try_into_mut().unwrap();
    /// buf.prepend(b"head ");
    /// assert_eq!(buf, b"head body"[..]);
    /// ```
    #[inline]
    pub fn try_into_mut(mut self) -> Result<ByteBuf, Self> {
        match self.block.take_if(|block| block.is_writable() && block.claim()) {
            // SAFETY: the block is alone and writable, and R1 says that the bytes lie in it.
            Some(block) => Ok(unsafe { ByteBuf::reclaim(self.ptr, self.len, block) }),
            None => Err(self),
        }
    }

    /// Returns the bytes as static ones, if they are.
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

impl Default for ByteView {
    fn default() -> Self {
        Self::new()
    }
}
