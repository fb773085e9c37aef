//! How a `ByteBuf` gets its memory and grows: one rule, in this file.
//!
//! Growing by `additional` takes the first of these that gives enough spare capacity:
//!
//! 1. the end of the block, where no other handle holds the block any more: nothing is copied;
//! 2. the space of what was read, or of others that are gone, where the readable bytes are no more than
//!    what is gained: they are moved down, at an amortised O(1) for each byte read;
//! 3. a new block from the same pool, of twice the capacity (of twice the block that is replaced, where no
//!    other handle holds that), of what the buffer was made with ([`MadeWith`]), or of what is needed,
//!    whichever is most; only what is needed where the pool has no memory for more.
#![allow(unsafe_code, reason = "copies within, or out of, the handle's own range (W1)")]

use super::{ByteBuf, ByteView};
use crate::buf::range;
use crate::pool::{AllocError, Block, Pool, Source};
use crate::sys::memory::PAGE;
use core::fmt;
use core::ops::RangeBounds;

/// The least capacity of a buffer that grows from nothing.
const LEAST: usize = 64;

/// The capacity that a buffer was made with, which its new blocks have as well: after parts of it were
/// split off and are held, one block still serves as many reads as the first one did.
#[derive(Clone, Copy)]
pub(super) struct MadeWith {
    /// In units of [`UNIT`](Self::UNIT) bytes; zero for the requested length of the block.
    units: u16,
}

impl MadeWith {
    const UNIT: usize = 16;

    /// More is not remembered: a held part should not pin more than this.
    const MAX: usize = 64 * 1024;

    /// What the block was requested with: the buffer has not moved from its first block.
    pub(super) const BLOCK: Self = Self { units: 0 };

    fn new(capacity: usize) -> Self {
        Self { units: capacity.min(Self::MAX).div_ceil(Self::UNIT) as u16 }
    }
}

/// A buffer that could not grow. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryReserveError {
    additional: usize,
    len: usize,
    kind: TryReserveErrorKind,
}

/// What kept a buffer from growing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryReserveErrorKind {
    /// The length would pass `isize::MAX`, the most that any memory has.
    CapacityOverflow,
    /// The length would pass the buffer's own maximum.
    OverMaximum(usize),
    /// The pool gave no memory.
    Alloc(AllocError),
}

impl TryReserveError {
    /// Returns the number of bytes that were asked for.
    #[must_use]
    pub fn additional(&self) -> usize {
        self.additional
    }

    /// Returns what kept the buffer from growing.
    #[must_use]
    pub fn kind(&self) -> &TryReserveErrorKind {
        &self.kind
    }
}

impl fmt::Display for TryReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {} more bytes behind {}: ", self.additional, self.len)?;
        match &self.kind {
            TryReserveErrorKind::CapacityOverflow => f.write_str("capacity overflow"),
            TryReserveErrorKind::OverMaximum(max) => write!(f, "the maximum is {max}"),
            TryReserveErrorKind::Alloc(_) => f.write_str("the pool gave no memory"),
        }
    }
}

impl std::error::Error for TryReserveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            TryReserveErrorKind::Alloc(error) => Some(error),
            _ => None,
        }
    }
}

impl Pool {
    /// Creates a buffer with capacity for `n` bytes. Zeroes nothing, and shows nothing of what an earlier
    /// owner wrote.
    ///
    /// # Panics
    ///
    /// If the pool gives no memory; see [`try_alloc`](Self::try_alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// let buf = bytebuf::Pool::global().alloc(1500);
    /// assert_eq!((buf.capacity(), buf.len()), (1500, 0));
    /// ```
    ///
    /// # Cost
    ///
    /// A few nanoseconds for any size up to 1 MiB, no atomic read-modify-write, while the thread's
    /// cache has a block.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    #[doc(alias = "directBuffer")]
    #[doc(alias = "ioBuffer")]
    #[doc(alias = "buffer")]
    pub fn alloc(&self, n: usize) -> ByteBuf {
        self.alloc_with_headroom(0, n)
    }

    /// Does as [`alloc`](Self::alloc).
    ///
    /// # Errors
    ///
    /// If the pool gives no memory: over its limit, the system has none, or no memory could hold so much.
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc).
    #[inline(always)]
    #[track_caller]
    pub fn try_alloc(&self, n: usize) -> Result<ByteBuf, AllocError> {
        allocate(self.source(), 0, n)
    }

    /// Does as [`try_alloc`](Self::try_alloc), but waits until the budget and those above it have room. A pool
    /// that is not a budget never waits. Works on any executor.
    ///
    /// The request joins a queue at the first poll, and leaves it when the future is dropped:
    ///
    /// 1. Requests of one budget are served in order of arrival. While one waits, `try_alloc` and `alloc`
    ///    of this budget are refused ([`BehindWaiters`](crate::AllocErrorKind::BehindWaiters)).
    /// 2. Requests of different budgets never wait for each other, only for bytes: one that finds its
    ///    bytes free takes them, whatever other budgets wait for.
    /// 3. A budget with waiters is queued, for the first of them, at the lowest budget that lacks its bytes.
    /// 4. Bytes that come back go to the budget that was queued first of those whose request fits; at a
    ///    shared budget before those below. It goes to the end of the queue then: budgets take turns.
    /// 5. So a large request waits for as long as smaller ones of *other* budgets keep a shared budget too
    ///    full for it. Where the children's limits add up to no more than the parent's, that never happens.
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc) of a budget. Waiting takes a lock and some memory; to join, to leave and
    /// to be served costs O(budgets above), and O(log n) where n budgets are queued.
    ///
    /// # Errors
    ///
    /// At the first poll, if the budget, or one above it, is smaller than what is asked for, or if there is no
    /// memory for a place in the queue; when it is served, if the pool gives no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn receive() -> Result<(), bytebuf::AllocError> {
    /// let pool = bytebuf::Pool::global().budget("requests", 1 << 20);
    /// let buf = pool.alloc_wait(64 * 1024).await?;
    /// # drop(buf);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn alloc_wait(
        &self,
        n: usize,
    ) -> impl Future<Output = Result<ByteBuf, AllocError>> + Send + '_ {
        // Not by a closure: the caller's line is tracked.
        let block = if n > 0 { Some(self.block_wait(n)) } else { None };
        async move {
            match block {
                Some(block) => Ok(ByteBuf::over(block.await?, 0, n)),
                None => Ok(ByteBuf::new()),
            }
        }
    }

    /// Does as [`alloc`](Self::alloc), with `front` bytes of headroom before the capacity, which
    /// [`ByteBuf::prepend`] uses.
    ///
    /// # Panics
    ///
    /// If the pool gives no memory; see [`try_alloc_with_headroom`](Self::try_alloc_with_headroom).
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc).
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn alloc_with_headroom(&self, front: usize, n: usize) -> ByteBuf {
        allocate_or_panic(self.source(), front, n)
    }

    /// Does as [`alloc_with_headroom`](Self::alloc_with_headroom).
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc).
    #[inline(always)]
    #[track_caller]
    pub fn try_alloc_with_headroom(&self, front: usize, n: usize) -> Result<ByteBuf, AllocError> {
        allocate(self.source(), front, n)
    }

    /// Copies `bytes` into memory of this pool.
    ///
    /// # Panics
    ///
    /// If the pool gives no memory; see [`try_copy_from_slice`](Self::try_copy_from_slice).
    ///
    /// # Cost
    ///
    /// One copy, and that of [`alloc`](Self::alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = bytebuf::Pool::builder().zero_on_release(true).build();
    /// let key = pool.copy_from_slice(b"secret");
    /// assert_eq!(key, "secret");
    /// ```
    #[must_use]
    #[track_caller]
    #[doc(alias = "copiedBuffer")]
    pub fn copy_from_slice(&self, bytes: &[u8]) -> ByteView {
        or_panic(self.try_copy_from_slice(bytes))
    }

    /// Copies `bytes` into memory of this pool.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    ///
    /// # Cost
    ///
    /// One copy, and that of [`alloc`](Self::alloc).
    #[track_caller]
    pub fn try_copy_from_slice(&self, bytes: &[u8]) -> Result<ByteView, AllocError> {
        copy_from(self.source(), bytes).map(ByteBuf::freeze)
    }

    /// Creates a buffer whose first byte lies at a multiple of `align`, for direct I/O.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    ///
    /// # Panics
    ///
    /// If `align` is no power of two.
    ///
    /// # Examples
    ///
    /// ```
    /// let buf = bytebuf::Pool::global().alloc_aligned(512, 4096).unwrap();
    /// assert_eq!(buf.as_ptr().addr() % 4096, 0);
    /// ```
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc). Up to the size of a page, the block is that of `n`, rounded up to a
    /// multiple of `align`; above, one of `n + align` bytes.
    #[track_caller]
    pub fn alloc_aligned(&self, n: usize, align: usize) -> Result<ByteBuf, AllocError> {
        assert!(align.is_power_of_two(), "{align} is no power of two");
        let front = |block: &Block| block.data().addr().get().wrapping_neg() & (align - 1);
        if align <= PAGE {
            // Blocks whose size is a multiple of it lie at multiples of it, unless a checker spaces them.
            let rounded = n.max(1).checked_next_multiple_of(align).unwrap_or(usize::MAX);
            let block = self.source().allocate(rounded)?;
            if front(&block) == 0 {
                return Ok(ByteBuf::over(block, 0, n));
            }
        }
        let block = self.source().allocate(n.saturating_add(align - 1).max(1))?;
        let front = front(&block);
        Ok(ByteBuf::over(block, front, n))
    }
}

/// Returns the source that a copy of a block's bytes is drawn from: its own pool and budget, so that the
/// copy is charged and zeroed as the block is. Memory of no pool is copied into the global one.
pub(in crate::buf) fn source_of(block: Option<&Block>) -> Source {
    block.and_then(Block::source).unwrap_or_else(|| Pool::global().source().clone())
}

/// Returns the source that one copy of several views' bytes is drawn from: that of the first view whose pool
/// overwrites its memory on release, or else of the first view that comes from a pool.
pub(in crate::buf) fn source_among<'a>(views: impl Iterator<Item = &'a ByteView>) -> Source {
    let mut first = None;
    for block in views.filter_map(ByteView::block) {
        if block.is_zeroed_on_release() {
            return source_of(Some(block));
        }
        first = first.or_else(|| block.source());
    }
    first.unwrap_or_else(|| Pool::global().source().clone())
}

/// Copies `bytes` into a block of `source`.
#[track_caller]
pub(in crate::buf) fn copy_from(source: &Source, bytes: &[u8]) -> Result<ByteBuf, AllocError> {
    let mut copy = allocate(source, 0, bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

// Inlined into its few callers, and what is rare gives a block, not a buffer: a buffer that is returned by
// memory is copied in wider pieces than it was written in, and stalls.
#[inline(always)]
#[track_caller]
pub(in crate::buf) fn allocate(
    source: &Source,
    front: usize,
    n: usize,
) -> Result<ByteBuf, AllocError> {
    let block = match source.try_cached(front.saturating_add(n)) {
        Some(block) => Some(block),
        None => allocate_slowly(source, front.saturating_add(n))?,
    };
    Ok(ByteBuf::with_block(block, front, n))
}

/// Does as [`allocate`], or panics.
#[inline(always)]
#[track_caller]
fn allocate_or_panic(source: &Source, front: usize, n: usize) -> ByteBuf {
    let block = match source.try_cached(front.saturating_add(n)) {
        Some(block) => Some(block),
        None => allocate_slowly_or_panic(source, front.saturating_add(n)),
    };
    ByteBuf::with_block(block, front, n)
}

/// Allocates a block of at least `size` bytes; none for no bytes.
#[cold]
#[track_caller]
fn allocate_slowly(source: &Source, size: usize) -> Result<Option<Block>, AllocError> {
    // No closure: it would be the caller that a leak is blamed on.
    if size == 0 { Ok(None) } else { Ok(Some(source.allocate(size)?)) }
}

#[cold]
#[track_caller]
fn allocate_slowly_or_panic(source: &Source, size: usize) -> Option<Block> {
    match allocate_slowly(source, size) {
        Ok(block) => block,
        Err(error) => refused(&error),
    }
}

/// Returns what was allocated, or panics.
#[track_caller]
pub(in crate::buf) fn or_panic<T>(allocated: Result<T, AllocError>) -> T {
    match allocated {
        Ok(value) => value,
        Err(error) => refused(&error),
    }
}

#[cold]
#[track_caller]
fn refused(error: &AllocError) -> ! {
    panic!("no memory for a buffer: {error}")
}

impl ByteBuf {
    /// Creates a buffer from the global pool with capacity for `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_alloc`] doesn't.
    ///
    /// # Cost
    ///
    /// That of [`Pool::alloc`].
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
    /// If there is no memory; [`Pool::try_alloc`] doesn't.
    ///
    /// # Cost
    ///
    /// That of [`Pool::alloc`], and writing the zeros.
    #[must_use]
    #[track_caller]
    pub fn zeroed(len: usize) -> Self {
        let mut buf = Self::with_capacity(len);
        buf.fill_with(len, 0);
        buf
    }

    /// Makes spare capacity for `additional` bytes.
    ///
    /// The space of bytes that were read may be used for it: then they can't be read again, and a new
    /// region begins with the reader index at zero.
    ///
    /// # Panics
    ///
    /// If there is no memory, the buffer would pass its maximum, or the capacity would overflow; see
    /// [`try_reserve`](Self::try_reserve).
    ///
    /// # Cost
    ///
    /// None with the spare capacity there; else amortised O(1) for each byte written.
    #[inline]
    #[track_caller]
    #[doc(alias = "ensureWritable")]
    pub fn reserve(&mut self, additional: usize) {
        if additional > self.end - self.writer {
            self.grow_or_panic(additional);
        }
    }

    /// Does as [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// Instead of panicking. The buffer is as it was.
    ///
    /// # Cost
    ///
    /// That of [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from(&b"abc"[..]);
    /// assert!(buf.try_reserve(usize::MAX).is_err());
    /// assert_eq!(buf, b"abc"[..]);
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), TryReserveError> {
        if additional > self.end - self.writer { self.grow(additional) } else { Ok(()) }
    }

    /// Makes spare capacity for `additional` bytes if that needs no new memory. Returns whether it did.
    ///
    /// # Cost
    ///
    /// Allocates nothing; may move the readable bytes.
    #[must_use = "the spare capacity is there only if this is true"]
    pub fn try_reclaim(&mut self, additional: usize) -> bool {
        additional <= self.end - self.writer || self.reclaim_room(additional)
    }

    /// Makes spare capacity for `n` more bytes, or for as many as the maximum and the pool allow, and
    /// returns it. It is never zero.
    ///
    /// # Errors
    ///
    /// If there is no spare capacity and can't be any.
    #[track_caller]
    pub(crate) fn reserve_up_to(&mut self, n: usize) -> Result<usize, TryReserveError> {
        let mut wanted = n.min(self.max - self.len()).max(1);
        loop {
            let spare = self.capacity() - self.len();
            if wanted <= spare {
                return Ok(spare);
            }
            match self.try_reserve(wanted) {
                Ok(()) => {}
                Err(error) if wanted == 1 => return Err(error),
                Err(_) => wanted = (wanted / 4).max(spare).max(1),
            }
        }
    }

    #[cold]
    #[track_caller]
    fn grow_or_panic(&mut self, additional: usize) {
        if let Err(error) = self.grow(additional) {
            panic!("{error}");
        }
    }

    #[cold]
    #[track_caller]
    fn grow(&mut self, additional: usize) -> Result<(), TryReserveError> {
        let len = self.len();
        let fail = |kind| TryReserveError { additional, len, kind };
        let needed = len.checked_add(additional).filter(|&sum| sum <= isize::MAX as usize);
        let needed = needed.ok_or_else(|| fail(TryReserveErrorKind::CapacityOverflow))?;
        if needed > self.max {
            return Err(fail(TryReserveErrorKind::OverMaximum(self.max)));
        }
        if self.reclaim_room(additional) {
            return Ok(());
        }
        // A block of its own is replaced by one twice its size, whatever of it was read and split off.
        let held = match &self.block {
            Some(block) if block.is_unique() => block.requested(),
            _ => self.capacity(),
        };
        let wanted = held.saturating_mul(2).max(self.made_with()).max(LEAST);
        let wanted = wanted.min(self.max).max(needed);
        let grown = self.moved(self.front_len(), wanted).or_else(|_| self.moved(0, needed));
        *self = grown.map_err(|error| fail(TryReserveErrorKind::Alloc(error)))?;
        Ok(())
    }

    /// Returns the capacity that the buffer was made with, as far as it is remembered; zero for one that
    /// never had memory.
    fn made_with(&self) -> usize {
        match (self.made_with.units, &self.block) {
            (0, Some(block)) => (block.requested() - self.front_len()).min(MadeWith::MAX),
            (units, _) => usize::from(units) * MadeWith::UNIT,
        }
    }

    /// Returns what the next block of this buffer remembers of the capacity that it was made with.
    pub(super) fn remembered(&self) -> MadeWith {
        MadeWith::new(self.made_with())
    }

    /// Copies the readable bytes into a new block of the same pool and budget, with headroom and capacity.
    #[track_caller]
    pub(super) fn moved(&self, front: usize, capacity: usize) -> Result<Self, AllocError> {
        let mut new = allocate(&source_of(self.block.as_ref()), front, capacity)?;
        new.max = self.max;
        new.made_with = self.remembered();
        new.extend_from_slice(self);
        Ok(new)
    }

    /// Steps 1 and 2 of growing.
    fn reclaim_room(&mut self, additional: usize) -> bool {
        let Some(block) = &self.block else { return false };
        let (data, requested) = (block.data(), block.requested());
        let len = self.len();
        let Some(needed) = len.checked_add(additional) else { return false };
        let start = self.base.addr().get() - data.addr().get();
        let end = (requested - start).min(self.max);
        if end.saturating_sub(self.writer) >= additional && self.claim() {
            // The handle is alone, so that the rest of the block is its own (W1).
            self.end = end;
            return true;
        }
        if self.reader >= len && needed <= self.end {
            self.discard_read();
            return true;
        }
        let (gained, end) = (start + self.reader, requested.min(self.max));
        if gained >= len && needed <= end && self.claim() {
            let from = self.at(self.reader);
            // SAFETY: the handle is alone, so that both ranges are its own; they may overlap.
            unsafe { data.copy_from(from, len) };
            (self.base, self.owns_front, self.reader) = (data, true, 0);
            (self.writer, self.initialised, self.end) = (len, len, end);
            return true;
        }
        false
    }

    /// Returns whether the whole block belongs to this handle.
    fn claim(&mut self) -> bool {
        self.block.as_mut().is_some_and(Block::claim)
    }

    /// Makes at least `n` bytes of headroom, by moving the readable bytes.
    #[cold]
    #[track_caller]
    pub(super) fn make_headroom(&mut self, n: usize) -> Result<(), TryReserveError> {
        let len = self.len();
        let fail = |kind| TryReserveError { additional: n, len, kind };
        let needed = len.checked_add(n).filter(|&sum| sum <= isize::MAX as usize);
        let needed = needed.ok_or_else(|| fail(TryReserveErrorKind::CapacityOverflow))?;
        if needed > self.max {
            return Err(fail(TryReserveErrorKind::OverMaximum(self.max)));
        }
        // As much as there is to move, so that prepending byte by byte costs O(1) each.
        let moved = self.moved(n.max(len), self.capacity()).or_else(|_| self.moved(n, len));
        *self = moved.map_err(|error| fail(TryReserveErrorKind::Alloc(error)))?;
        Ok(())
    }

    /// Appends `bytes`, growing as needed.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is as it was.
    ///
    /// # Cost
    ///
    /// That of [`extend_from_slice`](Self::extend_from_slice).
    #[inline]
    #[track_caller]
    pub fn try_extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.try_reserve(bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }

    /// Does as [`extend_from_within`](Self::extend_from_within).
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is as it was.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Cost
    ///
    /// That of [`extend_from_within`](Self::extend_from_within).
    #[track_caller]
    pub fn try_extend_from_within(
        &mut self,
        range: impl RangeBounds<usize>,
    ) -> Result<(), TryReserveError> {
        let range = range::of(range, self.len());
        self.try_reserve(range.len())?;
        self.extend_from_within(range);
        Ok(())
    }

    /// Does as [`resize`](Self::resize).
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is as it was.
    ///
    /// # Cost
    ///
    /// That of [`resize`](Self::resize).
    #[track_caller]
    pub fn try_resize(&mut self, len: usize, value: u8) -> Result<(), TryReserveError> {
        self.try_reserve(len.saturating_sub(self.len()))?;
        self.resize(len, value);
        Ok(())
    }
}
