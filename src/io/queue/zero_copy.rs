//! Whether memory is lent to the kernel instead of being copied: when that is asked for, to which socket,
//! and what ends it. What has been lent is `lease.rs`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use smallvec::SmallVec;

use super::WriteQueue;
use super::lease::Leases;
use super::payload::Part;
use super::stats::QueueStats;
use crate::buf::ByteView;
use crate::sys::{self, MAX_SLICES, More, Refusal, Target};

/// So many sends in a row that the kernel says it has copied after all, and it is asked no more.
const COPIED: u64 = 8;

/// What a queue that may lend memory knows.
#[derive(Default)]
pub(super) struct ZeroCopy {
    threshold: usize,
    state: State,
    /// The one socket that is lent to.
    socket: Option<u64>,
    /// Whether the descriptor of the flush under way is that socket, once that has been asked.
    is_ours: Option<bool>,
    copied_in_a_row: u64,
    leases: Leases,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    On,
    /// The kernel has no room for more loans until some end.
    Full,
    Off,
}

impl WriteQueue {
    /// Lends parts of at least `threshold` bytes to the kernel instead of having them copied
    /// (`MSG_ZEROCOPY`), on TCP sockets under Linux.
    ///
    /// What is lent is held until the kernel says that it needs it no more, which is when the peer has
    /// acknowledged it. [`flush`](Self::flush) reads these completions, and
    /// [`reap_completions`](Self::reap_completions) does between flushes. Until then the memory
    /// [counts](Self::lent_bytes) and is not used again: nobody gets it back from the pool, and
    /// [`ByteView::try_into_mut`] says no. For the rest all is as before: [`flushed_bytes`] counts what
    /// the kernel has taken, lent or copied, and [`take_unsent`] gives what it has not.
    ///
    /// [`flushed_bytes`]: Self::flushed_bytes
    /// [`take_unsent`]: Self::take_unsent
    ///
    /// **Lent are** views of pooled memory in blocks of whole pages (with pages of 4 KiB, all blocks from
    /// 32 KiB up), static bytes, and views of a [`MappedFile`](crate::MappedFile). What a `Vec`, a `Bytes` or another owner
    /// holds is copied as before, and so are small parts, merged ones, and files that are read.
    ///
    /// **It turns itself off** for good when 8 sends in a row come back as copied after all (the flag
    /// `SO_EE_CODE_ZEROCOPY_COPIED`: loopback, and devices that can't gather); on what is not a TCP
    /// socket; where the socket says `EOPNOTSUPP` (TLS in the kernel); and where the socket's count of
    /// sends is not known to be this queue's alone. While the kernel has no room for more loans
    /// (`ENOBUFS`: `RLIMIT_MEMLOCK`, `net.core.optmem_max`), parts are copied. In all these cases the
    /// stream goes on without a break, and [`stats`](Self::stats) tell.
    ///
    /// # One queue, one connection
    ///
    /// The completions name the sends by a count that the socket keeps. So nothing else may send by
    /// zero-copy to the socket, or read its error queue (what is found there beside completions, such as
    /// time stamps, is dropped). A queue lends only to the first socket that it lends to, and not if
    /// `SO_ZEROCOPY` was set on that before; to others it sends by copying.
    ///
    /// # Event loops
    ///
    /// A completion makes the socket ready with an error (`EPOLLERR`) although there is none. Answer that
    /// by [`reap_completions`](Self::reap_completions): while completions wait, a level-triggered loop is
    /// woken again and again. Only if `take_error` of the socket has an error, there is one.
    ///
    /// Over tokio, `poll_flush` and `flush_all` always copy: to tokio a stream that was ready with an
    /// error is closed for writing, and it would never wait for that again.
    ///
    /// # Dropping the queue, closing the socket
    ///
    /// Both are safe at any moment and in any order. After its completions can't be read any more, the
    /// kernel may go on sending from lent memory for minutes. The queue does not wait for that, and nothing
    /// leaks: the last handle of each block that was still lent exchanges the block's pages for fresh ones
    /// (`madvise`), and leaves the old ones to the kernel, which frees them. (A process that locks all its
    /// memory, by `mlockall`, can't exchange pages: there these blocks are lost, and count as held.) Of a file that was mapped by
    /// [`MappedFile::map`](crate::MappedFile::map) the kernel sends the pages, as `sendfile` does: who
    /// changes the file after the last view is gone may change what is still under way.
    ///
    /// To keep the pages, flush, `shutdown` the socket for writing, and reap until nothing is lent.
    ///
    /// # Cost
    ///
    /// Saves the copy, costs pinning each page, one system call per flush to know the socket and one or two
    /// to read completions. **Over loopback it never pays**: the kernel copies all the same, and measured
    /// against `writev` that took 1.2 to 21 times the processor time. It can pay where large parts go out
    /// by a network card; begin with a threshold of 64 KiB and compare. The memory is held for a round trip
    /// and, by a peer that does not read, for as long as the connection lives: at most as much as the
    /// socket's send buffer.
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
    /// // The peer has it all: in a moment nothing is lent any more.
    /// while queue.reap_completions(&out)? > 0 {}
    /// let stats = queue.stats();
    /// assert_eq!(stats.zero_copy_completions, stats.zero_copy_sends);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[doc(alias = "MSG_ZEROCOPY")]
    #[doc(alias = "SO_ZEROCOPY")]
    pub fn with_zero_copy(mut self, threshold: usize) -> WriteQueue {
        self.zero_copy = Some(Box::new(ZeroCopy { threshold, ..ZeroCopy::default() }));
        self
    }

    /// Reads what the kernel tells about lent memory, releases what it is done with, and gives the
    /// number of bytes that are still lent.
    ///
    /// Call it when the socket is ready with an error and nothing is to be flushed, or while waiting for
    /// the end of all loans. It never blocks. On another socket than the one that was lent to, or if
    /// nothing is lent, it does nothing.
    ///
    /// # Errors
    ///
    /// Those of reading the socket's error queue; an error of the connection is not among them.
    ///
    /// # Cost
    ///
    /// No system call if nothing is lent. Else one that tells sockets apart, one for each notice (the kernel
    /// merges those of sends that follow each other), and one that finds nothing more.
    pub fn reap_completions(&mut self, socket: impl AsFd) -> io::Result<u64> {
        let Some(zero_copy) = &mut self.zero_copy else { return Ok(0) };
        zero_copy.is_ours = None;
        zero_copy.reap(socket.as_fd(), &mut self.stats)?;
        Ok(zero_copy.leases.bytes())
    }

    /// The bytes that have been sent and that the kernel may still be reading from their memory.
    /// Together with [`pending_bytes`](Self::pending_bytes), what the queue holds in memory.
    pub fn lent_bytes(&self) -> u64 {
        self.zero_copy.as_ref().map_or(0, |zero_copy| zero_copy.leases.bytes())
    }

    /// Sends the run of parts in front that can be lent, up to `limit` bytes; says false if there are none,
    /// or the kernel takes no loan.
    pub(super) fn lend(&mut self, target: &Target<'_>, limit: usize) -> io::Result<bool> {
        let Some(zero_copy) = &mut self.zero_copy else { return Ok(false) };
        let mut bufs = SmallVec::<[IoSlice<'_>; 16]>::new();
        let mut room = limit;
        for part in self.parts.iter().take(MAX_SLICES) {
            let Some(view) = zero_copy.takes(part, target.fd(), &mut self.stats) else { break };
            if room == 0 {
                break;
            }
            let taken = &view[..view.len().min(room)];
            room -= taken.len();
            bufs.push(IoSlice::new(taken));
        }
        if bufs.is_empty() {
            return Ok(false);
        }
        // If there is room, this flush goes on at once.
        let more = if room > 0 && bufs.len() < self.parts.len() { More::Follows } else { More::No };
        let sent = match target.send_zero_copy(&bufs, more) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => sent as u64,
            Err(e) => return zero_copy.refused(e, &mut self.stats),
        };
        drop(bufs);
        let views = self.parts.iter().map_while(Part::view);
        zero_copy.leases.add(views, sent);
        self.stats.zero_copy_sends += 1;
        self.stats.zero_copy_bytes += sent;
        self.settle(sent, (limit - room) as u64)?;
        Ok(true)
    }
}

impl ZeroCopy {
    /// Before a flush: what has been released since the last one.
    pub(super) fn begin(&mut self, fd: BorrowedFd<'_>, stats: &mut QueueStats) {
        self.is_ours = None;
        // An error here loses nothing: what is lent stays so, and the next flush looks again.
        let _ = self.reap(fd, stats);
    }

    /// The part as a view, if it is to be lent to this descriptor.
    pub(super) fn takes<'p>(
        &mut self,
        part: &'p Part,
        fd: BorrowedFd<'_>,
        stats: &mut QueueStats,
    ) -> Option<&'p ByteView> {
        let lends = |view: &&ByteView| {
            view.len() >= self.threshold
                && self.state == State::On
                && Leases::can_hold(view)
                && self.knows(fd, stats)
        };
        part.view().filter(lends)
    }

    /// Whether this is the socket that is lent to. The first one that is asked for becomes it, if it can.
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
        while !self.leases.is_empty() && self.knows(fd, stats) {
            stats.zero_copy_controls += 1;
            let Some(notice) = sys::next_completion(fd)? else { break };
            if self.leases.end(notice).is_err() {
                self.state = State::Off;
                break;
            }
            stats.zero_copy_completions += notice.sends();
            if notice.copied {
                stats.zero_copy_copied += notice.sends();
                self.copied_in_a_row += notice.sends();
            } else {
                self.copied_in_a_row = 0;
            }
            if self.copied_in_a_row >= COPIED {
                self.state = State::Off;
            }
            if self.state == State::Full {
                self.state = State::On;
            }
        }
        Ok(())
    }

    /// A send by zero-copy has failed: for want of room for the loan, so that it is made by copying, or for
    /// another reason, which is told.
    fn refused(&mut self, error: io::Error, stats: &mut QueueStats) -> io::Result<bool> {
        self.state = match sys::refusal(&error) {
            // If there is no room for a single loan, there will be none later.
            Some(Refusal::LimitReached) if !self.leases.is_empty() => State::Full,
            Some(_) => State::Off,
            None => return Err(error),
        };
        stats.zero_copy_fallbacks += 1;
        Ok(false)
    }
}

#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod plans;
#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
mod tests;
