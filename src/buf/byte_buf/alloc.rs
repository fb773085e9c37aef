//! The allocating methods of `Pool`, and the choice of the pool for a copy.

use super::ByteBuf;
use crate::buf::ByteView;
use crate::pool::{AllocError, Block, Pool, Source};
use crate::sys::memory::PAGE;

impl Pool {
    /// Creates a buffer with capacity for `n` bytes. Does not zero memory, and never exposes the bytes of an earlier
    /// owner.
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
    /// cache has a block. For no bytes none is taken: the buffer grows in this pool when it is written to. A small
    /// heap allocation remembers the pool, unless it is the global one.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    #[doc(alias = "directBuffer")]
    #[doc(alias = "ioBuffer")]
    #[doc(alias = "buffer")]
    pub fn alloc(&self, n: usize) -> ByteBuf {
        self.alloc_with_headroom(0, n)
    }

    /// Creates a buffer like [`alloc`](Self::alloc), or returns an error.
    ///
    /// # Errors
    ///
    /// If the pool gives no memory: its limit is reached, the system has none, or the size exceeds `isize::MAX`.
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().max_memory(1 << 20).build();
    /// let answer = match pool.try_alloc(8 << 20) {
    ///     Ok(_) => "accepted".to_string(),
    ///     Err(error) => format!("refused: {error}"),
    /// };
    /// assert!(answer.starts_with("refused: 8388608 bytes"));
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn try_alloc(&self, n: usize) -> Result<ByteBuf, AllocError> {
        allocate(self.source(), 0, n)
    }

    /// Creates a buffer like [`try_alloc`](Self::try_alloc), after waiting until the budget and those above it have
    /// the bytes. A pool that is not a budget never waits. Works on any executor.
    ///
    /// The request joins a queue at the first poll, and leaves it when the future is dropped:
    ///
    /// 1. Requests of one budget are served in order of arrival. While one waits, `try_alloc` and `alloc`
    ///    of this budget are refused ([`BehindWaiters`](crate::AllocErrorKind::BehindWaiters)).
    /// 2. Requests of different budgets never wait for each other, only for bytes: one that finds its
    ///    bytes free takes them, whatever other budgets wait for.
    /// 3. A budget with waiters is queued, for the first of them, at the lowest budget that lacks its bytes.
    /// 4. Released bytes serve the budget that was queued first of those whose request fits; at a
    ///    shared budget before those below. It then moves to the end of the queue: budgets take turns.
    /// 5. So a large request waits for as long as smaller ones of *other* budgets keep a shared budget too
    ///    full for it. If the sum of the children's limits is at most the parent's, this does not happen.
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc) of a budget. Waiting takes a lock and some memory; to join, to leave and
    /// to be served costs O(budgets above), and O(log n) where n budgets are queued.
    ///
    /// # Errors
    ///
    /// At the first poll, if the budget, or one above it, is smaller than the request, or if there is no
    /// memory for a queue entry; when it is served, if the pool gives no memory.
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
        // Not in a closure: the caller's line is tracked.
        let block = if n > 0 { Some(self.block_wait(n)) } else { None };
        async move {
            match block {
                Some(block) => Ok(ByteBuf::over(block.await?, 0, n)),
                None => self.try_alloc(0),
            }
        }
    }

    /// Creates a buffer like [`alloc`](Self::alloc), with `front` bytes of headroom before the capacity, for
    /// [`ByteBuf::prepend`].
    ///
    /// # Panics
    ///
    /// If the pool gives no memory; see [`try_alloc_with_headroom`](Self::try_alloc_with_headroom).
    ///
    /// # Cost
    ///
    /// That of [`alloc`](Self::alloc).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut frame = bytebuf::Pool::global().alloc_with_headroom(4, 1500);
    /// frame.extend_from_slice(b"payload");
    /// let length = frame.len() as u32;
    /// frame.prepend(&length.to_be_bytes()); // into the headroom: nothing moves
    /// assert_eq!(frame, b"\0\0\0\x07payload"[..]);
    /// ```
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn alloc_with_headroom(&self, front: usize, n: usize) -> ByteBuf {
        allocate_or_panic(self.source(), front, n)
    }

    /// Creates a buffer like [`alloc_with_headroom`](Self::alloc_with_headroom), or returns an error.
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

    /// Copies `bytes` into memory of this pool, or returns an error.
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
    /// If `align` is not a power of two.
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
        assert!(align.is_power_of_two(), "{align} is not a power of two");
        allocate_aligned(self.source(), n, align)
    }
}

impl ByteBuf {
    /// Creates a buffer with capacity for `n` bytes from the pool and the budget of `block`; from the global pool
    /// if there is no block, or it is from no pool.
    #[track_caller]
    pub(crate) fn try_in_pool_of(block: Option<&Block>, n: usize) -> Result<Self, AllocError> {
        match block.and_then(Block::source) {
            Some(source) => allocate(&source, 0, n),
            None => allocate(Pool::global().source(), 0, n),
        }
    }

    /// Creates a buffer like [`Pool::alloc_aligned`], in the pool and the budget of this buffer.
    #[track_caller]
    pub(crate) fn try_aligned_in_own_pool(
        &self,
        n: usize,
        align: usize,
    ) -> Result<Self, AllocError> {
        allocate_aligned(&source_of(self.block.as_ref()), n, align)
    }

    /// Returns whether bytes of `from` may be copied into this buffer's block as it is: both are of one pool and
    /// budget, or `from` is of none. Always if this buffer has no block.
    #[inline]
    pub(crate) fn may_take_from(&self, from: Option<&Block>) -> bool {
        from.is_none_or(|from| from.may_be_copied_into(self.block.as_ref()))
    }
}

/// Creates a buffer whose first byte lies at a multiple of `align`, a power of two.
#[track_caller]
fn allocate_aligned(source: &Source, n: usize, align: usize) -> Result<ByteBuf, AllocError> {
    let front = |block: &Block| block.data().addr().get().wrapping_neg() & (align - 1);
    if align <= PAGE {
        // Blocks whose size is a multiple of `align` lie at multiples of it, unless a memory checker spaces them.
        let rounded = n.max(1).checked_next_multiple_of(align).unwrap_or(usize::MAX);
        let block = source.allocate(rounded)?;
        if front(&block) == 0 {
            return Ok(ByteBuf::over(block, 0, n));
        }
    }
    let block = source.allocate(n.saturating_add(align - 1).max(1))?;
    let front = front(&block);
    Ok(ByteBuf::over(block, front, n))
}

/// Returns the source for a copy of a block's bytes: its own pool and budget, so that the copy is charged and zeroed
/// as the block is. Memory of no pool is copied into the global one.
pub(in crate::buf) fn source_of(block: Option<&Block>) -> Source {
    block.and_then(Block::source).unwrap_or_else(|| Pool::global().source().clone())
}

/// Returns the source for one copy of several views' bytes: that of the first view whose pool
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

// Inlined into its few callers; the rare path returns a block, not a buffer. A buffer that is returned through
// memory would be copied in wider pieces than it was written in, so that store forwarding fails.
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

/// Allocates like [`allocate`], or panics.
#[inline(always)]
#[track_caller]
fn allocate_or_panic(source: &Source, front: usize, n: usize) -> ByteBuf {
    let block = match source.try_cached(front.saturating_add(n)) {
        Some(block) => Some(block),
        None => allocate_slowly_or_panic(source, front.saturating_add(n)),
    };
    ByteBuf::with_block(block, front, n)
}

/// Allocates a block of at least `size` bytes. If `size` is 0, a block of no bytes keeps the pool and budget, in which
/// the buffer grows; `None` is that of the global pool.
#[cold]
#[track_caller]
fn allocate_slowly(source: &Source, size: usize) -> Result<Option<Block>, AllocError> {
    // Not a closure: tracking would record it as the caller of the allocation.
    match size {
        0 if source.is_same(Pool::global().source()) => Ok(None),
        0 => source.block_of_no_bytes().map(Some),
        _ => source.allocate(size).map(Some),
    }
}

#[cold]
#[track_caller]
fn allocate_slowly_or_panic(source: &Source, size: usize) -> Option<Block> {
    match allocate_slowly(source, size) {
        Ok(block) => block,
        Err(error) => refused(&error),
    }
}

/// Returns the allocation, or panics.
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
