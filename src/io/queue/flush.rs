//! Sends a queue in a loop of single steps.
//!
//! `gather.rs` chooses each step: one gathered write of the buffers in front, one `sendfile`, or one read of a
//! file into memory. The result of a call is settled before the next step begins, so the queue is exact at
//! every exit of the loop.

use std::io::{self, IoSlice, Write};
use std::mem;
#[cfg(unix)]
use std::os::fd::AsFd;

use bytes::BufMut;
use smallvec::SmallVec;

use super::WriteQueue;
use super::gather::{Allowance, Gather, PartKind, Step};
use super::payload::Part;
#[cfg(unix)]
use super::sink::ZeroCopyTarget;
use super::sink::{Sink, Writer};
use super::tail::SMALL;
use crate::buf::ByteBuf;
use crate::io::progress::clip;
use crate::io::scratch::{self, SCRATCH};
#[cfg(unix)]
use crate::sys::Target;
use crate::sys::{MAX_SLICES, More};

/// To send a part to its end, a flush may exceed its budget by this fraction of it, and by at most
/// `MAX_OVERRUN` bytes. Otherwise the last bytes of a file would take a separate system call, or a read and a
/// write.
const OVERRUN_SHARE: u64 = 16;
const MAX_OVERRUN: usize = 64 * 1024;
/// Smaller budgets are kept exactly.
const MIN_BUDGET_TO_OVERRUN: u64 = 64 * 1024;

/// The outcome of a flush, with the number of bytes that it sent.
///
/// # Examples
///
/// ```
/// use bytebuf::{Flush, WriteQueue};
///
/// let mut queue = WriteQueue::new();
/// queue.push("a line\n");
/// let mut out = Vec::new();
/// assert_eq!(queue.flush_into(&mut out).unwrap(), Flush::Done(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Flush::Done` means that everything is out"]
pub enum Flush {
    /// The queue is empty.
    Done(u64),
    /// The descriptor is full: flush again when it is writable.
    WouldBlock(u64),
    /// The budget of the call is spent and more bytes are pending: flush again after other connections have had
    /// their turn.
    BudgetSpent(u64),
}

impl Flush {
    /// Returns the number of bytes that this call sent.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let (Self::Done(bytes) | Self::WouldBlock(bytes) | Self::BudgetSpent(bytes)) = self;
        bytes
    }

    /// Returns whether the queue is empty.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl WriteQueue {
    /// Sends as many bytes as the descriptor takes, up to the budget of one call.
    ///
    /// On a non-blocking descriptor it never waits for the peer; on a blocking one it does. To send the whole
    /// queue on a blocking descriptor, flush until [`Flush::is_done`].
    ///
    /// # Errors
    ///
    /// The error of the kernel, with two exceptions: a full descriptor is [`Flush::WouldBlock`], and a call
    /// that a signal interrupts is repeated. If a file ends before its region does, the source of the error is
    /// [`FileTruncated`](crate::FileTruncated), after all bytes in front of the missing ones have been sent.
    /// While an operation of `begin` (feature `io-uring`) is not settled, the error is
    /// [`io::ErrorKind::ResourceBusy`].
    ///
    /// After any error the queue holds exactly the bytes that have not been sent.
    /// [`flushed_bytes`](Self::flushed_bytes) counts the bytes sent before the error, and the next flush
    /// continues there.
    ///
    /// A disconnected peer gives [`io::ErrorKind::BrokenPipe`]. Buffers are sent to sockets with
    /// `MSG_NOSIGNAL`, which raises no signal. `sendfile` and writes to pipes also raise SIGPIPE, which Rust
    /// programs ignore by default.
    ///
    /// # Cost
    ///
    /// One system call for up to 1024 buffers and the small files among them, one per large file. Each call
    /// takes time for the parts that it offers, at most 1024 and one behind them, however long the queue is.
    /// Files of up to 16 KiB are read into memory (a system call and a copy each), as are files that the kernel
    /// can't send to this descriptor, 64 KiB at a time. Reading or sending a file that is not in memory blocks
    /// on the disk; see [`FileRegion::prefetch`](crate::FileRegion::prefetch). The kernel copies buffers, except
    /// as [`with_zero_copy`](Self::with_zero_copy) describes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Flush, WriteQueue};
    /// use std::io::Read;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (socket, mut peer) = UnixStream::pair()?;
    /// socket.set_nonblocking(true)?;
    /// let mut queue = WriteQueue::new();
    /// queue.push(vec![7; 4 << 20]);
    /// let Flush::WouldBlock(sent) = queue.flush(&socket)? else { panic!("the peer reads nothing") };
    /// assert_eq!(queue.flushed_bytes(), sent);
    ///
    /// // When the socket is writable again, the next flush continues behind these bytes.
    /// let reader = std::thread::spawn(move || peer.read_to_end(&mut Vec::new()));
    /// socket.set_nonblocking(false)?;
    /// while !queue.flush(&socket)?.is_done() {}
    /// drop(socket);
    /// assert_eq!(reader.join().unwrap()?, 4 << 20);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn flush(&mut self, dst: impl AsFd) -> io::Result<Flush> {
        let target = Target::new(dst.as_fd());
        let Some(zero_copy) = &mut self.zero_copy else { return self.flush_copying(target) };
        zero_copy.begin(target.fd(), &mut self.stats);
        self.drain(&mut ZeroCopyTarget(target))
    }

    /// Flushes as [`flush`](Self::flush) does, but the kernel copies all memory.
    #[cfg(unix)]
    pub(crate) fn flush_copying(&mut self, mut target: Target<'_>) -> io::Result<Flush> {
        self.drain(&mut target)
    }

    /// Sends as many bytes as a writer takes, up to the budget of one call. Use it for TLS streams, compression
    /// and tests.
    ///
    /// The writer's own `flush` is not called.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), with the errors of the writer. A writer that reports more bytes than it was
    /// offered gives [`io::ErrorKind::InvalidData`], and the queue does not change.
    ///
    /// `Ok(0)` from the writer means that it is full and gives [`Flush::WouldBlock`], as does an error of the
    /// kind [`io::ErrorKind::WouldBlock`]. The writer of a rustls connection returns it when its buffer is at
    /// the limit: send its buffered bytes, then flush again. A writer that can never take more, such as a full
    /// `&mut [u8]`, gives `WouldBlock(0)` each time.
    ///
    /// # Cost
    ///
    /// The writer is offered at most 64 KiB at a time, in at most 1024 slices. Files are read into memory, 64
    /// KiB at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{FileRegion, WriteQueue};
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"from a file")?;
    ///
    /// let mut queue = WriteQueue::new();
    /// queue.push("from memory, ");
    /// queue.push(FileRegion::new(file, 0..11));
    ///
    /// let mut tls = Vec::new(); // stands for a TLS stream
    /// assert!(queue.flush_into(&mut tls)?.is_done());
    /// assert_eq!(tls, b"from memory, from a file");
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush_into(&mut self, dst: &mut impl Write) -> io::Result<Flush> {
        self.drain(&mut Writer(dst))
    }

    pub(super) fn drain<S: Sink>(&mut self, sink: &mut S) -> io::Result<Flush> {
        self.drain_until(sink, Self::is_empty)
    }

    /// Drains as [`drain`](Self::drain) does, but makes no further call once `is_done` returns true.
    pub(super) fn drain_until<S: Sink>(
        &mut self,
        sink: &mut S,
        is_done: impl Fn(&Self) -> bool,
    ) -> io::Result<Flush> {
        #[cfg(all(target_os = "linux", feature = "io-uring"))]
        self.require_settled()?;
        self.above_high = !self.is_writable();
        self.close_tail();
        let flush = self.run(sink, is_done);
        self.stats.corks += sink.release();
        flush
    }

    fn run<S: Sink>(&mut self, sink: &mut S, is_done: impl Fn(&Self) -> bool) -> io::Result<Flush> {
        let start = self.flushed;
        loop {
            let moved = self.flushed - start;
            if is_done(self) {
                return Ok(Flush::Done(moved));
            }
            let left = self.budget.saturating_sub(moved);
            if left == 0 {
                return Ok(Flush::BudgetSpent(moved));
            }
            match self.step(sink, self.parts.len(), left) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flush::WouldBlock(moved));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Makes one transfer from the first `parts` parts, or reads one file for it. `left` is the rest of the
    /// budget.
    #[inline]
    fn step<S: Sink>(&mut self, sink: &mut S, parts: usize, left: u64) -> io::Result<()> {
        #[cfg(unix)]
        let zero_copy = sink.zero_copy_fd().and(self.zero_copy.as_deref());
        #[cfg(unix)]
        let mut is_socket_unknown = false;
        #[cfg(unix)]
        let mut takes = |part: &Part| {
            let takes = zero_copy.map_or(Some(false), |zero_copy| zero_copy.takes(part));
            is_socket_unknown |= takes.is_none();
            takes == Some(true)
        };
        #[cfg_attr(not(unix), allow(unused_mut, reason = "only zero-copy changes a variable"))]
        let mut kind = |part: &Part| match part.kind() {
            PartKind::File(len) if !S::SENDS_FILES => PartKind::Read(len),
            #[cfg(unix)]
            PartKind::Copied(len) if takes(part) => PartKind::ZeroCopy(len),
            kind => kind,
        };
        const { assert!(S::MAX_CALL <= crate::sys::MAX_BYTES, "a gathered sum can't wrap") };
        let mut gather = Gather::new(self.allowance(left, S::MAX_CALL));
        let mut bufs = SmallVec::<[IoSlice<'_>; 64]>::new();
        let slices = parts.min(MAX_SLICES);
        bufs.reserve(slices);
        let (front, back) = self.parts.as_slices(slices);
        // A loop over each slice: a chained iterator is not inlined.
        'gather: for run in [front, back] {
            for part in run {
                let (Some(taken), Some(bytes)) = (gather.take(kind(part)), part.bytes()) else {
                    break 'gather;
                };
                bufs.push(IoSlice::new(&bytes[..taken]));
            }
        }
        #[cfg(unix)]
        if is_socket_unknown {
            drop(bufs);
            if let (Some(fd), Some(zero_copy)) = (sink.zero_copy_fd(), &mut self.zero_copy) {
                zero_copy.check_socket(fd, &mut self.stats);
            }
            return self.step(sink, parts, left);
        }
        match gather.finish(parts) {
            #[cfg(unix)]
            Step::Write { bytes, more, zero_copy: true } => {
                let sent = sink.send_zero_copy(&bufs, more);
                drop(bufs);
                self.settle_zero_copy(sent, bytes)
            }
            Step::Write { bytes, more, .. } => {
                self.stats.writes += 1;
                self.stats.entries += bufs.len() as u64;
                let written = sink.write(&bufs, more)?;
                drop(bufs);
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.take_sent(written as u64, bytes as u64)?;
                self.stats.written_bytes += written as u64;
                Ok(())
            }
            Step::SendFile { bytes, more } => {
                drop(bufs);
                self.send_file(sink, bytes, more)
            }
            Step::ReadFile { at } => {
                drop(bufs);
                match self.read_file(at) {
                    // Send the parts in front first. The next read fails again and reports the error.
                    Err(_) if at > 0 => self.step(sink, at, left),
                    other => other,
                }
            }
        }
    }

    /// Returns the number of bytes that one call may send.
    #[inline]
    fn allowance(&self, left: u64, max_call: usize) -> Allowance {
        let bytes = clip(left, max_call);
        let exact = self.budget < MIN_BUDGET_TO_OVERRUN;
        let overrun = if exact { 0 } else { clip(self.budget / OVERRUN_SHARE, MAX_OVERRUN) };
        let overrun = overrun.min(max_call - bytes);
        Allowance { bytes, overrun }
    }

    fn send_file<S: Sink>(&mut self, sink: &mut S, bytes: usize, more: More) -> io::Result<()> {
        self.stats.sendfiles += 1;
        let send = |front: &mut Part| match front {
            Part::File(region) => sink.send_file(region, bytes, more),
            _ => unreachable!("a file is in front"),
        };
        // After `None` the region must be read, and the next step does so.
        if let Some(sent) = self.parts.edit(0, send)? {
            self.stats.sendfile_bytes += sent;
            self.take_sent(sent, bytes as u64)?;
        }
        Ok(())
    }

    /// Reads the front of the file at index `at` into memory.
    pub(super) fn read_file(&mut self, at: usize) -> io::Result<()> {
        let len = self.parts.get(at).map_or(0, Part::len);
        self.stats.reads += 1;
        let (mut block, continues) = self.block_for_file(at, clip(len, SCRATCH))?;
        let Some(Part::File(region)) = self.parts.get(at) else { unreachable!("`at` is a file") };
        let read = region.read_at(0, &mut block);
        let block = Part::Block(block.freeze());
        if continues {
            let joined = self.parts.edit(at - 1, |before| mem::replace(before, block));
            self.pin_before(at - 1, &joined);
            let read = read? as u64;
            self.stats.read_bytes += read;
            if read == len {
                self.parts.remove(at);
            } else {
                self.parts.edit(at, |file| file.advance(read));
            }
        } else {
            let read = read? as u64;
            self.stats.read_bytes += read;
            if read == len {
                self.parts.edit(at, |file| *file = block);
            } else {
                self.parts.edit(at, |file| file.advance(read));
                self.parts.insert(at, block);
            }
        }
        Ok(())
    }

    /// Returns the block to read the file at index `at` into, and whether it already holds the bytes of the
    /// part before. It does if that part is a block with enough spare capacity. It also does if that part is
    /// small and its pool and budget have memory for a larger block, to which the part is copied.
    fn block_for_file(&mut self, at: usize, len: usize) -> io::Result<(ByteBuf, bool)> {
        let Some(before) = at.checked_sub(1) else { return Ok((scratch::block(len)?, false)) };
        if let Some(block) = self.parts.edit(before, |part| part.reopen(len)) {
            return Ok((block, true));
        }
        if let Some(few) = self.parts.get(before).and_then(Part::memory)
            && few.len() <= SMALL
            && let Ok(mut block) = ByteBuf::try_in_pool_of(few.block(), few.len() + len)
        {
            block.put_slice(few);
            self.stats.merged_bytes += few.len() as u64;
            return Ok((block, true));
        }
        Ok((scratch::block(len)?, false))
    }
}
