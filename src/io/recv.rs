//! Chooses the spare capacity of the next read.

#[cfg(unix)]
use std::{io, os::fd::AsFd};

#[cfg(unix)]
use smallvec::SmallVec;

#[cfg(unix)]
use crate::{
    buf::{ByteBuf, CompositeByteBuf},
    io::scratch,
    pool::{AllocError, Pool},
    sys,
};

/// The smallest and the largest size, from a small request to an upload. Measured: reading 256 KiB at a time
/// takes 0.7 of the CPU time of 64 KiB; larger reads take no less.
const RANGE: (usize, usize) = (1024, 256 * 1024);

/// The size of a connection's first receive.
const FIRST: usize = 2048;

/// The largest block of a vectored receive. It bounds the memory that a short view keeps.
#[cfg(unix)]
const LARGEST_BLOCK: usize = 64 * 1024;

/// Adapts the capacity of each receive to the number of bytes that a connection sends at a time.
///
/// The size grows fourfold when a receive fills its capacity. It falls to twice the received length when a
/// receive uses at most a quarter of the size. Between two receives a sizer holds no memory: an idle
/// connection costs the size of this struct.
///
/// # Examples
///
/// ```
/// use bytebuf::RecvSizer;
///
/// let mut sizer = RecvSizer::new();
/// let first = sizer.size();
/// sizer.record(first, first); // it was filled
/// assert!(sizer.size() > first);
/// sizer.record(10, sizer.size());
/// assert!(sizer.size() < first);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "AdaptiveRecvByteBufAllocator")]
pub struct RecvSizer {
    size: usize,
    min: usize,
    max: usize,
}

impl RecvSizer {
    /// Creates a sizer with sizes between 1 KiB and 256 KiB.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: FIRST, min: RANGE.0, max: RANGE.1 }
    }

    /// Creates a sizer with sizes between `min` and `max` bytes. The first size is `min`.
    ///
    /// # Panics
    ///
    /// If `min` is 0 or above `max`.
    #[must_use]
    pub fn with_range(min: usize, max: usize) -> Self {
        assert!(0 < min && min <= max, "receive sizes from {min} to {max}");
        Self { size: min, min, max }
    }

    /// Returns the capacity in bytes that the next receive should have.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Records a receive of `received` bytes into `offered` bytes of capacity.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::RecvSizer;
    ///
    /// let mut sizer = RecvSizer::new();
    /// let first = sizer.size();
    /// sizer.record(first, first); // the receive filled its capacity: more bytes wait
    /// assert_eq!(sizer.size(), 4 * first);
    /// sizer.record(100, 4 * first); // a short message
    /// assert!(sizer.size() < 4 * first);
    /// ```
    pub fn record(&mut self, received: usize, offered: usize) {
        if received >= offered {
            self.size = self.size.saturating_mul(4).min(self.max);
        } else if received <= self.size / 4 {
            self.size = received.saturating_mul(2).clamp(self.min, self.max);
        }
    }

    /// Receives into the spare capacity of `into` and returns the number of bytes; 0 at the end of the
    /// stream. Grows the buffer to the size that fits this connection.
    ///
    /// The received bytes are appended, and the maximum capacity of `into` is kept. If nothing is received,
    /// spare memory returns to the pool: all of it if `into` is empty; otherwise a block of more than 256
    /// bytes that is less than a quarter full is replaced by a smaller one. Bytes that were read from `into`
    /// before can't be read again then.
    ///
    /// The buffer grows in the pool and budget that it was allocated from, also while it holds no memory. If the
    /// pool has no memory for the size that fits the connection, a smaller size is allocated; existing spare
    /// capacity is always enough.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if `from` is non-blocking and has no bytes;
    /// [`io::ErrorKind::OutOfMemory`] (with [`TryReserveError`](crate::TryReserveError) as the source) if
    /// `into` is full and the pool has no memory for one more byte, or `into` has its maximum length;
    /// otherwise the errors of reading. The contents of `into` do not change.
    ///
    /// # Cost
    ///
    /// One system call. The bytes in `into` are copied if it has to move to a larger block.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{ByteBuf, RecvSizer};
    /// use std::io::{ErrorKind, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (mut peer, socket) = UnixStream::pair()?;
    /// socket.set_nonblocking(true)?;
    /// let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
    ///
    /// peer.write_all(b"a request")?;
    /// assert_eq!(sizer.receive(&socket, &mut input)?, 9);
    /// assert_eq!(&input[..], b"a request");
    ///
    /// input.clear();
    /// let idle = sizer.receive(&socket, &mut input).unwrap_err();
    /// assert_eq!(idle.kind(), ErrorKind::WouldBlock);
    /// assert_eq!(input.capacity(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn receive(&mut self, from: impl AsFd, into: &mut ByteBuf) -> io::Result<usize> {
        let received = into.receive_with(self.size.min(sys::MAX_BYTES), |into| {
            scratch::fill(into, usize::MAX, |spare| sys::read(from.as_fd(), None, spare))
        });
        let Ok((Ok(received @ 1..), offered)) = received else {
            into.release_excess();
            return received?.0;
        };
        self.record(received, offered);
        Ok(received)
    }

    /// Receives into several blocks of `pool` with one system call, appends them to `into`, and returns the
    /// number of bytes; 0 at the end of the stream.
    ///
    /// Each block is as large as all blocks before it together, up to 64 KiB. Blocks that stay empty return
    /// to the pool at once. So the received bytes keep at most about twice their length of memory, or [the
    /// smallest size](Self::with_range) if that is more. Nothing is copied to make space.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive); [`io::ErrorKind::OutOfMemory`] only if the pool has no memory for one
    /// byte. `into` does not change.
    ///
    /// # Cost
    ///
    /// One system call and no copy; one block of the pool per doubling of the size up to 64 KiB, then one per
    /// 64 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{CompositeByteBuf, Pool, RecvSizer};
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (mut peer, socket) = UnixStream::pair()?;
    /// peer.write_all(&[7; 10_000])?;
    ///
    /// let pool = Pool::builder().build();
    /// let mut sizer = RecvSizer::with_range(1024, 64 * 1024);
    /// let mut message = CompositeByteBuf::new();
    /// while message.len() < 10_000 {
    ///     sizer.receive_vectored(&socket, &pool, &mut message)?;
    /// }
    /// assert_eq!(message, [7; 10_000][..]);
    /// assert!(pool.stats().live <= 2 * 10_000 + 1024);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    #[doc(alias = "readv")]
    pub fn receive_vectored(
        &mut self,
        from: impl AsFd,
        pool: &Pool,
        into: &mut CompositeByteBuf,
    ) -> io::Result<usize> {
        let (mut blocks, offered) = self.blocks(pool)?;
        let received = ByteBuf::read_into_spares(&mut blocks, |spares| {
            sys::read_vectored(from.as_fd(), spares)
        })?;
        self.record(received, offered);
        into.extend(blocks.into_iter().take_while(|block| !block.is_empty()).map(ByteBuf::freeze));
        Ok(received)
    }

    /// Returns the blocks for the next receive and the sum of their capacities.
    #[cfg(unix)]
    fn blocks(&self, pool: &Pool) -> io::Result<(SmallVec<[ByteBuf; 16]>, usize)> {
        let (mut blocks, mut capacity) = (SmallVec::new(), 0);
        let size = self.size.min(sys::MAX_BYTES);
        while capacity < size && blocks.len() < sys::MAX_SLICES {
            let next = capacity.max(self.min).min(LARGEST_BLOCK).min(size - capacity);
            match pool.try_alloc(next) {
                Ok(block) => blocks.push(block),
                Err(_) if capacity > 0 => break,
                Err(_) => {
                    let (block, least) = smaller_block(pool, next)?;
                    blocks.push(block);
                    return Ok((blocks, least));
                }
            }
            capacity += next;
        }
        Ok((blocks, capacity))
    }
}

/// Tries to allocate a quarter of `size` bytes, then a quarter of that, and so on. Returns the block and its
/// size.
#[cfg(unix)]
fn smaller_block(pool: &Pool, mut size: usize) -> Result<(ByteBuf, usize), AllocError> {
    loop {
        size = (size / 4).max(1);
        match pool.try_alloc(size) {
            Err(_) if size > 1 => {}
            result => return result.map(|block| (block, size)),
        }
    }
}

impl Default for RecvSizer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, unix))]
mod tests;
