//! Zero-copy sends: what is sent so, to which socket, and what turns it off. The memory of the sends in
//! flight is in `inflight.rs`.

mod inflight;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::WriteQueue;
use super::parts::Parts;
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
    /// The one socket that is sent to without copying.
    socket: Option<u64>,
    /// Whether the descriptor of the current flush is that socket, once the kernel was asked.
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
    /// The kernel allows no more sends in flight until some complete.
    Full,
    Off,
}

impl WriteQueue {
    /// Has the kernel send parts of at least `threshold` bytes from where they are instead of copying them
    /// (`MSG_ZEROCOPY`), on TCP sockets under Linux.
    ///
    /// Their memory is held until the kernel reports the completion of the send, which is when the peer has
    /// acknowledged the bytes. [`flush`](Self::flush) reads these completions, and
    /// [`reap_completions`](Self::reap_completions) does between flushes. Until then the bytes
    /// [count](Self::in_flight_bytes) as in flight and the memory is not used again: the pool does not get
    /// it back, and [`ByteView::try_into_mut`] returns the view. Everything else is as before:
    /// [`flushed_bytes`] counts what the kernel has taken, copied or not, and [`take_unsent`] returns what it
    /// has not taken.
    ///
    /// [`flushed_bytes`]: Self::flushed_bytes
    /// [`take_unsent`]: Self::take_unsent
    ///
    /// **Sent without a copy are** views of pooled memory in blocks of whole pages (with pages of 4 KiB, all
    /// blocks from 32 KiB up), static bytes, and views of a [`MappedFile`](crate::MappedFile). What a `Vec`, a
    /// `Bytes` or another owner holds is copied as before, and so are small parts, merged ones, and files that
    /// are read.
    ///
    /// **It turns itself off** for good when 8 sends in a row are reported as copied after all (the flag
    /// `SO_EE_CODE_ZEROCOPY_COPIED`: loopback, and devices that can't gather); on what is not a TCP socket;
    /// where the socket answers `EOPNOTSUPP` (TLS in the kernel); and where the socket's count of sends is not
    /// known to be this queue's alone. While the kernel allows no more sends in flight (`ENOBUFS`:
    /// `RLIMIT_MEMLOCK`, `net.core.optmem_max`), parts are copied. In all these cases the stream continues
    /// without a break, and [`stats`](Self::stats) count it.
    ///
    /// # One queue, one connection
    ///
    /// The completions name the sends by a count that the socket keeps. So nothing else may send by zero-copy
    /// to the socket, or read its error queue (what is found there beside completions, such as time stamps, is
    /// dropped). A queue sends without copying only to the first socket that it does so to, and not if
    /// `SO_ZEROCOPY` was set on that before. To others it sends by copying.
    ///
    /// # Event loops
    ///
    /// A completion makes the socket ready with an error (`EPOLLERR`) although there is none. Answer that by
    /// [`reap_completions`](Self::reap_completions): while completions wait, a level-triggered loop is woken
    /// again and again. The connection has failed only if `take_error` of the socket returns an error.
    ///
    /// Over tokio, `poll_flush` and `flush_all` always copy: to tokio a stream that was ready with an error is
    /// closed for writing, and it would never wait for that again.
    ///
    /// # Dropping the queue, closing the socket
    ///
    /// Both are safe at any moment and in any order. After its completions can't be read any more, the kernel
    /// may go on sending from the memory for minutes. The queue does not wait for that, and nothing leaks: the
    /// last handle of each block that was in flight exchanges the block's pages for fresh ones (`madvise`), and
    /// leaves the old ones to the kernel, which frees them. (A process that locks all its memory, by
    /// `mlockall`, can't exchange pages: there these blocks are lost, and count as held.) Of a file that was
    /// mapped by [`MappedFile::map`](crate::MappedFile::map) the kernel sends the pages, as `sendfile` does: a
    /// change of the file after the last view is dropped may reach the peer.
    ///
    /// To keep the pages, flush, `shutdown` the socket for writing, and reap until nothing is in flight.
    ///
    /// # Cost
    ///
    /// Saves the copy, costs pinning each page, one system call per flush to recognise the socket and one or
    /// two to read completions. **Over loopback it never pays**: the kernel copies all the same, and measured
    /// against `writev` that took 1.2 to 21 times the processor time. It can pay where large parts leave by a
    /// network card; begin with a threshold of 64 KiB and compare. The memory is held for a round trip and, by
    /// a peer that does not read, for as long as the connection lives: at most as much as the socket's send
    /// buffer.
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

    /// Reads completions, releases the memory of the sends that they are about, and returns the number of
    /// bytes that are still in flight.
    ///
    /// Call it when the socket is ready with an error and nothing is to be flushed, or while waiting for all
    /// sends to complete. It never blocks. On another socket than the one that was sent to without copying, or
    /// if nothing is in flight, it does nothing.
    ///
    /// # Errors
    ///
    /// Those of reading the socket's error queue; an error of the connection is not among them.
    ///
    /// # Cost
    ///
    /// No system call if nothing is in flight. Otherwise one that identifies the socket, one for each completion (the
    /// kernel merges those of consecutive sends), and one that finds nothing more.
    pub fn reap_completions(&mut self, socket: impl AsFd) -> io::Result<u64> {
        let Some(zero_copy) = &mut self.zero_copy else { return Ok(0) };
        zero_copy.is_ours = None;
        zero_copy.reap(socket.as_fd(), &mut self.stats)?;
        Ok(zero_copy.in_flight.bytes())
    }

    /// Returns the number of bytes that have been sent and that the kernel may still be reading from their
    /// memory. Together with [`pending_bytes`](Self::pending_bytes), what the queue holds in memory.
    #[must_use]
    pub fn in_flight_bytes(&self) -> u64 {
        self.zero_copy.as_ref().map_or(0, |zero_copy| zero_copy.in_flight.bytes())
    }

    /// Settles a zero-copy send of `offered` bytes from the front. If it was refused for want of a resource
    /// that copying does not need, nothing has happened.
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
    /// Begins a flush to `fd`: releases what has completed since the last one, and finds out whether this is
    /// the socket that is sent to without copying, if there is something to send so.
    pub(super) fn begin(&mut self, fd: BorrowedFd<'_>, parts: &Parts, stats: &mut QueueStats) {
        self.is_ours = None;
        // An error here loses nothing: the memory stays in flight, and the next flush reads again.
        let _ = self.reap(fd, stats);
        if parts.iter().any(|part| self.would_take(part)) {
            self.knows(fd, stats);
        }
    }

    /// Whether the part is sent without copying in the current flush.
    pub(super) fn takes(&self, part: &Part) -> bool {
        self.is_ours == Some(true) && self.would_take(part)
    }

    /// Whether the part is one to be sent without copying, to a socket where that can be done.
    pub(super) fn would_take(&self, part: &Part) -> bool {
        let fits = |view: &ByteView| view.len() >= self.threshold && InFlight::can_hold(view);
        self.state == State::On && part.view().is_some_and(fits)
    }

    /// Whether this is the socket that is sent to without copying. The first one that is asked about becomes
    /// it, if it can.
    fn knows(&mut self, fd: BorrowedFd<'_>, stats: &mut QueueStats) -> bool {
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
        while !self.in_flight.is_empty() && self.knows(fd, stats) {
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

    /// This number of sends have completed.
    pub(super) fn note_completions(&mut self, sends: u64, copied: bool) {
        self.copied_in_a_row = if copied { self.copied_in_a_row + sends } else { 0 };
        if self.copied_in_a_row >= MAX_COPIED {
            self.state = State::Off;
        }
        if self.state == State::Full {
            self.state = State::On;
        }
    }

    /// A zero-copy send has failed: for want of a resource, so that the next step copies, or for another
    /// reason, which is returned.
    fn refused(&mut self, error: io::Error, stats: &mut QueueStats) -> io::Result<()> {
        let Some(refusal) = sys::refusal(&error) else { return Err(error) };
        self.note_refusal(refusal);
        stats.zero_copy_fallbacks += 1;
        Ok(())
    }

    /// The next send copies.
    pub(super) fn note_refusal(&mut self, refusal: Refusal) {
        let is_in_flight = !self.in_flight.is_empty() || self.operations > 0;
        self.state = match refusal {
            // What is not allowed while nothing is in flight is never allowed.
            Refusal::LimitReached if is_in_flight => State::Full,
            Refusal::LimitReached | Refusal::Unsupported => State::Off,
        };
    }
}

#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod plans;
#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod tests;
