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
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use bytes::Buf;

    use super::*;
    use crate::sys::{Call, Outcome, with_plan};

    #[test]
    fn the_size_follows_the_peer_and_stays_in_range() {
        let mut sizer = RecvSizer::with_range(100, 5000);
        for _ in 0..10 {
            sizer.record(sizer.size(), sizer.size());
        }
        assert_eq!(sizer.size(), 5000);
        sizer.record(2000, 5000);
        assert_eq!(sizer.size(), 5000, "it was well used");
        sizer.record(1000, 5000);
        assert_eq!(sizer.size(), 2000, "it falls at once");
        sizer.record(0, 2000);
        assert_eq!(sizer.size(), 100);
        let mut extreme = RecvSizer::with_range(1, usize::MAX);
        for _ in 0..100 {
            extreme.record(usize::MAX, usize::MAX);
        }
        assert_eq!(extreme.size(), usize::MAX);
        extreme.record(usize::MAX / 4, usize::MAX);
        assert_eq!(extreme.size(), usize::MAX / 4 * 2);
    }

    #[test]
    fn a_stream_arrives_whole_through_a_growing_buffer() {
        let stream: Vec<u8> = (0..500_000_u32).map(|i| (i / 3) as u8).collect();
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let send = stream.clone();
        let feeder = std::thread::spawn(move || peer.write_all(&send).unwrap());
        let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
        while sizer.receive(&socket, &mut input).unwrap() > 0 {}
        feeder.join().unwrap();
        assert!(input == stream[..]);
    }

    #[test]
    fn a_failure_keeps_what_was_held_and_holds_nothing_else() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        peer.write_all(b"held, then more").unwrap();
        let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
        let mut plan = vec![
            Outcome::Fail(rustix::io::Errno::IO.raw_os_error()),
            Outcome::Short(6),
            Outcome::Fail(rustix::io::Errno::CONNRESET.raw_os_error()),
            Outcome::Fail(rustix::io::Errno::INTR.raw_os_error()),
            Outcome::Pass,
        ]
        .into_iter();
        with_plan(
            move |call, _| match call {
                Call::Read => plan.next().unwrap_or(Outcome::Pass),
                _ => Outcome::Pass,
            },
            || {
                assert!(sizer.receive(&socket, &mut input).is_err());
                assert_eq!(input.capacity(), 0);
                assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 6);
                assert!(sizer.receive(&socket, &mut input).is_err());
                assert_eq!(&input[..], b"held, ");
                assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 9);
                assert_eq!(&input[..], b"held, then more");
            },
        );
    }

    #[test]
    fn waiting_with_a_few_bytes_holds_no_more_than_four_times_their_memory() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let pool = Pool::builder().build();
        for part in [1, 100, 3000] {
            let mut sizer = RecvSizer::with_range(64 * 1024, 64 * 1024);
            let mut input = pool.alloc(10);
            peer.write_all(&vec![5; part]).unwrap();
            assert_eq!(sizer.receive(&socket, &mut input).unwrap(), part);
            for _ in 0..2 {
                let idle = sizer.receive(&socket, &mut input).unwrap_err();
                assert_eq!(idle.kind(), io::ErrorKind::WouldBlock);
                assert_eq!(input[..], vec![5; part][..]);
                let live = pool.stats().live;
                assert!(live <= (4 * part).max(256), "{live} bytes are held for {part}");
            }
            peer.write_all(b"more").unwrap();
            assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 4);
            assert_eq!(input[part..], b"more"[..]);
        }
    }

    #[test]
    fn a_stream_arrives_whole_through_many_blocks() {
        let stream: Vec<u8> = (0..500_000_u32).map(|i| (i / 3) as u8).collect();
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let send = stream.clone();
        let feeder = std::thread::spawn(move || peer.write_all(&send).unwrap());
        let pool = Pool::builder().build();
        let (mut sizer, mut input) = (RecvSizer::new(), CompositeByteBuf::new());
        let mut largest = 0;
        loop {
            let before = input.len();
            match sizer.receive_vectored(&socket, &pool, &mut input).unwrap() {
                0 => break,
                received => largest = largest.max(received),
            }
            assert!(input.len() > before);
        }
        feeder.join().unwrap();
        assert!(input == stream[..]);
        assert!(largest > LARGEST_BLOCK, "one call fills several blocks: {largest}");
        let parts = input.components().len();
        let kept = pool.stats().live;
        assert!(kept <= 2 * stream.len() + parts * RANGE.0, "{kept} bytes are kept by {parts}");
    }

    /// Every boundary of the blocks, and every way that a call ends.
    #[test]
    fn many_blocks_hold_exactly_what_was_received() {
        let pool = Pool::builder().build();
        let mut dirty = pool.alloc(LARGEST_BLOCK);
        dirty.resize(LARGEST_BLOCK, 0xAA);
        drop(dirty);
        let bytes: Vec<u8> = (0..100_u8).collect();
        for sent in 0..=bytes.len() {
            let (mut peer, socket) = UnixStream::pair().unwrap();
            socket.set_nonblocking(true).unwrap();
            peer.write_all(&bytes[..sent]).unwrap();
            let mut sizer = RecvSizer::with_range(4, 64);
            (0..3).for_each(|_| sizer.record(64, 64));
            let mut input = CompositeByteBuf::from("held");
            let plan = [Outcome::Fail(rustix::io::Errno::INTR.raw_os_error()), Outcome::Short(33)];
            let mut plan = plan.into_iter();
            let plan = move |call, _| match call {
                Call::ReadVectored => plan.next().unwrap_or(Outcome::Pass),
                _ => Outcome::Pass,
            };
            let got = with_plan(plan, || sizer.receive_vectored(&socket, &pool, &mut input));
            match got {
                Ok(received) => assert_eq!(received, sent.min(33)),
                Err(e) => assert_eq!((e.kind(), sent), (io::ErrorKind::WouldBlock, 0)),
            }
            assert_eq!(input.slice(4..), bytes[..sent.min(33)]);
            // 4, 4, 8, 16, 32: as many of them as are needed.
            let needed = [0, 4, 8, 16, 32].iter().filter(|before| sent.min(33) > **before).count();
            assert_eq!(input.components().len(), 1 + needed);
            drop(peer);
            while sizer.receive_vectored(&socket, &pool, &mut input).unwrap() > 0 {}
            assert_eq!(input.slice(4..), bytes[..sent]);
        }
        assert_eq!(pool.stats().live, 0);
    }

    #[test]
    fn a_pool_with_little_left_gives_less_capacity_and_an_empty_one_an_error() {
        let pool = Pool::builder().build();
        let tenant = pool.budget("tenant", 3000);
        let (mut peer, socket) = UnixStream::pair().unwrap();
        peer.write_all(&[1; 5000]).unwrap();
        let mut sizer = RecvSizer::with_range(1024, 64 * 1024);
        (0..3).for_each(|_| sizer.record(64 * 1024, 64 * 1024));
        let mut input = CompositeByteBuf::new();
        assert_eq!(sizer.receive_vectored(&socket, &tenant, &mut input).unwrap(), 2048);
        // Less than the least size of the sizer: it still receives.
        let mut last = 2048;
        let error = loop {
            match sizer.receive_vectored(&socket, &tenant, &mut input) {
                Ok(received) => {
                    assert!((1..=last).contains(&received), "{received} after {last}");
                    last = received;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(tenant.try_alloc(1).is_err(), "not a byte was left");
        assert_eq!(input, vec![1; input.len()]);
        let left = 5000 - input.len();
        drop(input);
        let mut rest = CompositeByteBuf::new();
        while rest.len() < left {
            assert!(sizer.receive_vectored(&socket, &tenant, &mut rest).unwrap() > 0);
        }
    }

    #[test]
    fn a_receive_uses_the_spare_capacity_when_the_pool_has_no_more() {
        let tenant = Pool::builder().build().budget("tenant", 8192);
        let (mut peer, socket) = UnixStream::pair().unwrap();
        let mut sizer = RecvSizer::with_range(16 * 1024, 64 * 1024);
        let mut input = tenant.alloc(8192);
        input.extend_from_slice(b"held ");
        peer.write_all(b"a request").unwrap();
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 9);
        assert_eq!(input, b"held a request"[..]);

        // The sizer requests 16 KiB; the tenant has 4 KiB left beside the held bytes.
        drop(input);
        let mut input = tenant.budget("part", 5120).alloc(1024);
        input.resize(1024, b'.');
        peer.write_all(&[b'.'; 9000]).unwrap();
        let received = sizer.receive(&socket, &mut input).unwrap();
        assert!(received > 0 && input.len() == 1024 + received && input.iter().all(|&b| b == b'.'));

        // Full, with no memory left: an error, and never 0, which means the end.
        let mut full = tenant.budget("full", 64).alloc(64);
        full.resize(64, 1);
        let error = sizer.receive(&socket, &mut full).unwrap_err();
        assert_eq!((error.kind(), full.len()), (io::ErrorKind::OutOfMemory, 64));
    }

    #[test]
    fn a_buffer_keeps_its_maximum_and_allocates_from_its_own_pool() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut sizer = RecvSizer::with_range(4096, 4096);
        let mut input = ByteBuf::new();
        input.set_max_capacity(1000).unwrap();
        let idle = sizer.receive(&socket, &mut input).unwrap_err();
        assert_eq!((idle.kind(), input.capacity()), (io::ErrorKind::WouldBlock, 0));
        peer.write_all(&[7; 3000]).unwrap();
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 1000);
        let full = sizer.receive(&socket, &mut input).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::OutOfMemory);
        input.advance(400);
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 400);
        assert_eq!((input.len(), input.max_capacity()), (1000, 1000));

        let tenant = Pool::builder().build().budget("tenant", 8192);
        let mut input = tenant.alloc(100);
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 1600);
        assert!(tenant.budget_stats().unwrap().used >= 4096);
    }

    #[test]
    #[should_panic(expected = "receive sizes from 0 to 10")]
    fn a_least_size_of_zero_is_refused() {
        let _ = RecvSizer::with_range(0, 10);
    }
}
