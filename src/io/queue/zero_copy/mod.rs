//! Zero-copy sends: which parts, to which socket, and until when. `inflight.rs` has the sends in flight and their
//! memory.

mod inflight;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::WriteQueue;
use super::payload::Part;
use super::stats::QueueStats;
use crate::buf::ByteView;
use crate::sys::{self, Refusal};
use inflight::InFlight;

#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(super) use inflight::ZeroCopySend;
#[cfg(feature = "testing")]
pub(crate) use inflight::sends_in_flight;

/// Disables zero-copy after this many consecutive copied completions.
const MAX_COPIED: u64 = 8;

/// The state of zero-copy sending in one queue.
#[derive(Default)]
pub(super) struct ZeroCopy {
    threshold: usize,
    state: State,
    /// The id of the only socket that gets zero-copy sends.
    socket: Option<u64>,
    /// Whether the descriptor of the current flush is that socket; `None` until the kernel has been asked.
    is_ours: Option<bool>,
    copied_in_a_row: u64,
    in_flight: InFlight,
    /// The number of operations of a completion ring whose last completion is due.
    pub(super) operations: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    On,
    /// The kernel allows no further sends until some in flight complete.
    Full,
    Off,
}

impl WriteQueue {
    /// Makes the kernel send parts of at least `threshold` bytes without copying them (`MSG_ZEROCOPY`), on TCP
    /// sockets on Linux.
    ///
    /// The memory of such a part is held until the kernel reports the completion of the send, which is when the
    /// peer has acknowledged the bytes. [`flush`](Self::flush) reads completions; between flushes,
    /// [`reap_completions`](Self::reap_completions) does. Until then the bytes [count](Self::in_flight_bytes) as in
    /// flight and the memory is not reused: it does not return to the pool, and [`ByteView::try_into_mut`] returns
    /// the view. [`flushed_bytes`] still counts the bytes that the kernel has taken, copied or not, and
    /// [`take_unsent`] returns the others.
    ///
    /// [`flushed_bytes`]: Self::flushed_bytes
    /// [`take_unsent`]: Self::take_unsent
    ///
    /// **Zero-copy applies to** views of pooled memory in blocks of whole pages (with pages of 4 KiB, all blocks
    /// from 32 KiB up), static bytes, and views of a [`MappedFile`](crate::MappedFile). The memory of a `Vec`, a
    /// `Bytes` or another owner is copied, and so are small parts, merged parts, and files that are read into
    /// memory.
    ///
    /// **It turns itself off permanently** when 8 consecutive sends are reported as copied after all (the flag
    /// `SO_EE_CODE_ZEROCOPY_COPIED`: loopback, and devices that can't gather); if the descriptor is not a TCP
    /// socket; if the socket returns `EOPNOTSUPP` (TLS in the kernel); and if other code may make zero-copy sends
    /// on the socket. While the kernel allows no further sends in flight (`ENOBUFS`: `RLIMIT_MEMLOCK`,
    /// `net.core.optmem_max`), parts are copied. In all these cases the stream continues without a gap, and
    /// [`stats`](Self::stats) has counters for them.
    ///
    /// # One queue, one connection
    ///
    /// Completions identify sends by a count that the socket keeps. So no other code may make zero-copy sends on
    /// the socket or read its error queue. Other messages there, such as time stamps, are dropped. A queue makes
    /// zero-copy sends to one socket only: the first to which it has such a part to send. It makes none if
    /// `SO_ZEROCOPY` was already set on that socket. To other sockets it sends by copying.
    ///
    /// # Event loops
    ///
    /// A completion makes the socket ready with an error (`EPOLLERR`), although there is none. Call
    /// [`reap_completions`](Self::reap_completions) then: while completions are unread, a level-triggered loop is
    /// woken repeatedly. The connection has failed only if `take_error` of the socket returns an error.
    ///
    /// With tokio, `poll_flush` and `flush_all` always copy: tokio considers a stream that was ready with an error
    /// as closed for writing, and would never wait for it again.
    ///
    /// # Dropping the queue, closing the socket
    ///
    /// Both are safe at any time and in any order. The kernel may send from the memory for minutes after its
    /// completions can't be read any more. The queue does not wait for that, and no memory leaks: the last handle
    /// of each block in flight replaces the block's pages with new ones (`madvise`), and the kernel frees the old
    /// ones. (A process that locks all its memory with `mlockall` can't replace pages: these blocks are lost, and
    /// count as held.)
    ///
    /// Of a file that was mapped by [`MappedFile::map`](crate::MappedFile::map), the kernel sends the pages
    /// themselves, as `sendfile` does: a change of the file after the last view is dropped may reach the peer.
    ///
    /// To avoid replacing pages, flush, `shutdown` the socket for writing, and reap until no bytes are in flight.
    ///
    /// # Cost
    ///
    /// Zero-copy saves the copy. It costs the pinning of each page, one system call per flush to identify the
    /// socket, and one or two to read completions. **Over loopback it never pays**: the kernel copies anyway, and
    /// measured against `writev` that took 1.2 to 21 times the processor time. It can pay for large parts that
    /// leave through a network card; begin with a threshold of 64 KiB and compare. The memory is held for a round
    /// trip. A peer that reads nothing holds it for the life of the connection, at most as much as the socket's
    /// send buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{ByteBuf, WriteQueue};
    /// use std::io::Read;
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let out = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut peer, _) = listener.accept()?;
    ///
    /// let mut body = ByteBuf::with_capacity(100_000);
    /// body.resize(100_000, b'x');
    /// let mut queue = WriteQueue::new().with_zero_copy(64 * 1024);
    /// queue.push("a header, which is copied\n");
    /// queue.push(body);
    /// while !queue.flush(&out)?.is_done() {}
    ///
    /// let mut received = vec![0; 100_026];
    /// peer.read_exact(&mut received)?;
    /// // The peer has it all: in a moment nothing is in flight any more.
    /// while queue.reap_completions(&out)? > 0 {}
    /// let stats = queue.stats();
    /// assert_eq!(stats.zero_copy_completions, stats.zero_copy_sends);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "MSG_ZEROCOPY")]
    #[doc(alias = "SO_ZEROCOPY")]
    pub fn with_zero_copy(mut self, threshold: usize) -> Self {
        self.zero_copy = Some(Box::new(ZeroCopy { threshold, ..ZeroCopy::default() }));
        self
    }

    /// Reads completions, releases the memory of the completed sends, and returns the number of bytes that are
    /// still in flight.
    ///
    /// Call it when the socket is ready with an error and there is nothing to flush, or while waiting for all sends
    /// to complete. It never blocks. It does nothing if no bytes are in flight, or if the socket is not the one
    /// that got the zero-copy sends.
    ///
    /// # Errors
    ///
    /// Those of reading the socket's error queue, except errors of the connection.
    ///
    /// # Cost
    ///
    /// No system call if nothing is in flight. Otherwise one to identify the socket, one for each completion (the
    /// kernel merges those of consecutive sends), and, while sends are still in flight, one that finds no further
    /// completion.
    pub fn reap_completions(&mut self, socket: impl AsFd) -> io::Result<u64> {
        let Some(zero_copy) = &mut self.zero_copy else { return Ok(0) };
        zero_copy.is_ours = None;
        zero_copy.reap(socket.as_fd(), &mut self.stats)?;
        Ok(zero_copy.in_flight.bytes())
    }

    /// Returns the number of sent bytes that the kernel may still be reading from their memory. The queue holds
    /// these in addition to [`pending_bytes`](Self::pending_bytes).
    #[must_use]
    pub fn in_flight_bytes(&self) -> u64 {
        self.zero_copy.as_ref().map_or(0, |zero_copy| zero_copy.in_flight.bytes())
    }

    /// Settles a zero-copy send of `offered` bytes from the front. If the kernel refused to send without a copy,
    /// returns `Ok` and removes nothing: the next step copies.
    pub(super) fn settle_zero_copy(
        &mut self,
        sent: io::Result<usize>,
        offered: usize,
    ) -> io::Result<()> {
        let Some(zero_copy) = &mut self.zero_copy else { return Ok(()) };
        let sent = match sent {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => sent as u64,
            Err(e) => return zero_copy.refused(e, &mut self.stats),
        };
        zero_copy.in_flight.add(self.parts.iter().map_while(Part::view), sent);
        self.stats.zero_copy_sends += 1;
        self.stats.zero_copy_bytes += sent;
        self.take_sent(sent, offered as u64)
    }
}

impl ZeroCopy {
    /// Begins a flush to `fd`: reads completions.
    pub(super) fn begin(&mut self, fd: BorrowedFd<'_>, stats: &mut QueueStats) {
        self.is_ours = None;
        // Ignoring the error is safe: the memory stays in flight, and the next flush reads again.
        let _ = self.reap(fd, stats);
    }

    /// Returns whether the current flush sends the part by zero-copy; `None` if that depends on the socket, which
    /// [`check_socket`](Self::check_socket) has not checked yet.
    pub(super) fn takes(&self, part: &Part) -> Option<bool> {
        if self.would_take(part) { self.is_ours } else { Some(false) }
    }

    /// Returns whether the part qualifies for zero-copy on a socket that supports it.
    pub(super) fn would_take(&self, part: &Part) -> bool {
        let fits = |view: &ByteView| view.len() >= self.threshold && InFlight::can_hold(view);
        self.state == State::On && part.view().is_some_and(fits)
    }

    /// Returns whether `fd` is the socket that gets zero-copy sends. The first socket becomes it if it supports
    /// them; otherwise zero-copy is turned off.
    pub(super) fn check_socket(&mut self, fd: BorrowedFd<'_>, stats: &mut QueueStats) -> bool {
        if self.is_ours.is_none() {
            stats.zero_copy_controls += 1;
            let id = sys::socket_id(fd);
            if self.socket.is_none() {
                stats.zero_copy_controls += 1;
                match id.map(|_| sys::enable_zero_copy(fd)) {
                    Some(Ok(())) => self.socket = id,
                    _ => self.state = State::Off,
                }
            }
            self.is_ours = Some(id.is_some() && id == self.socket);
        }
        self.is_ours == Some(true)
    }

    fn reap(&mut self, fd: BorrowedFd<'_>, stats: &mut QueueStats) -> io::Result<()> {
        while !self.in_flight.is_empty() && self.check_socket(fd, stats) {
            stats.zero_copy_controls += 1;
            let Some(completion) = sys::next_completion(fd)? else { break };
            if self.in_flight.complete(completion).is_err() {
                self.state = State::Off;
                break;
            }
            stats.zero_copy_completions += completion.sends();
            stats.zero_copy_copied += if completion.copied { completion.sends() } else { 0 };
            self.note_completions(completion.sends(), completion.copied);
        }
        Ok(())
    }

    /// Counts completed sends. Turns zero-copy off after [`MAX_COPIED`] consecutive copied ones.
    pub(super) fn note_completions(&mut self, sends: u64, copied: bool) {
        self.copied_in_a_row = if copied { self.copied_in_a_row + sends } else { 0 };
        if self.copied_in_a_row >= MAX_COPIED {
            self.state = State::Off;
        }
        if self.state == State::Full {
            self.state = State::On;
        }
    }

    /// Handles a failed zero-copy send: returns `Ok` if the next step is to copy, otherwise the error.
    fn refused(&mut self, error: io::Error, stats: &mut QueueStats) -> io::Result<()> {
        let Some(refusal) = sys::refusal(&error) else { return Err(error) };
        self.note_refusal(refusal);
        stats.zero_copy_fallbacks += 1;
        Ok(())
    }

    /// Records a refusal: the next send copies.
    pub(super) fn note_refusal(&mut self, refusal: Refusal) {
        let is_in_flight = !self.in_flight.is_empty() || self.operations > 0;
        self.state = match refusal {
            // A limit that is reached while nothing is in flight allows no send at all.
            Refusal::LimitReached if is_in_flight => State::Full,
            Refusal::LimitReached | Refusal::Unsupported => State::Off,
        };
    }
}

#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod plans;
#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod tests;
