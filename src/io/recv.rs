//! How much spare capacity the next read gets.

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

/// Sizes from a small request to what makes an upload cheap: measured, reading 256 KiB at a time
/// costs 0.7 of the CPU of 64 KiB, and more gains nothing.
const RANGE: (usize, usize) = (1024, 256 * 1024);

/// The first size of a new connection.
const FIRST: usize = 2048;

/// The largest of the blocks that one receive spreads over: a view of a few bytes keeps no more.
#[cfg(unix)]
const LARGEST_BLOCK: usize = 64 * 1024;

/// Learns how much a connection sends at a time, so that each receive gets a capacity that fits.
///
/// The size grows fourfold when a receive filled its capacity, and falls at once to what the peer
/// really sends when three quarters stayed empty. Between two receives it holds no memory: an
/// idle connection costs the size of this struct.
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

    /// Creates a sizer with sizes between `min` and `max` bytes, starting at `min`.
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

    /// Records a receive that got `received` bytes into `offered` bytes of capacity.
    pub fn record(&mut self, received: usize, offered: usize) {
        if received >= offered {
            self.size = self.size.saturating_mul(4).min(self.max);
        } else if received <= self.size / 4 {
            self.size = received.saturating_mul(2).clamp(self.min, self.max);
        }
    }

    /// Receives into the spare capacity of `into`, which grows to fit this connection, and returns the
    /// number of bytes; 0 at the end of the stream.
    ///
    /// What `into` holds stays in front of it, and its maximum is kept. When nothing was received, memory
    /// goes back to the pool: all of it if `into` is empty, or else what exceeds four times the bytes that
    /// it holds, or 256. What was read from `into` before can't be read again then. A buffer that has
    /// memory grows from where that came from, one that has none from the global pool; to receive on
    /// the account of a budget, use [`receive_vectored`](Self::receive_vectored). A pool that has no
    /// memory for the size that fits the connection is asked for less; the spare capacity that `into`
    /// has already is always enough.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if `from` is non-blocking and has nothing,
    /// [`io::ErrorKind::OutOfMemory`] if `into` is full and the pool gives no memory for a single byte
    /// more, or `into` is as long as it may be
    /// ([`TryReserveError`](crate::TryReserveError) is the source); those of reading otherwise.
    /// `into` holds what it held.
    ///
    /// # Cost
    ///
    /// One system call. Bytes that are held and don't fit in front of the new ones are copied.
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
        let received = into.receive_with(self.size, |into| {
            scratch::fill(into, usize::MAX, |spare| sys::read(from.as_fd(), None, spare))
        });
        let Ok((Ok(received @ 1..), offered)) = received else {
            into.release_excess();
            return received?.0;
        };
        self.record(received, offered);
        Ok(received)
    }

    /// Receives into several blocks of `pool` by one system call, appends the received bytes to `into`, and
    /// returns their number; 0 at the end of the stream.
    ///
    /// The blocks are small first and then as large as all before them together, up to 64 KiB each.
    /// Blocks that stay empty return to the pool at once, so received bytes keep about twice
    /// their length of memory at most, or [the least size](Self::with_range) if that is more; and nothing is
    /// copied to make space for more.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive); [`io::ErrorKind::OutOfMemory`] only if the pool gives no memory
    /// for a single byte. `into` holds what it held.
    ///
    /// # Cost
    ///
    /// One system call, no copy; a block of the pool for each time that the size doubles, and for
    /// each 64 KiB.
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

    /// Returns blocks for the next receive, and their capacity in sum.
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

/// Returns the largest block that the pool gives, of a quarter of `size` bytes, a quarter of that, and so on.
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
