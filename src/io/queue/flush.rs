//! How a queue is sent: one step, repeated until something ends it.
//!
//! `gather.rs` says what the step is: one gathered write of the buffers in front, or one `sendfile`, or
//! reading a file for one of them. What the call reports is settled before the next step begins, so the
//! queue is exact on every way out of the loop.

use std::io::{self, IoSlice, Write};
#[cfg(unix)]
use std::os::fd::AsFd;

use bytes::BufMut;
use smallvec::SmallVec;

use super::WriteQueue;
use super::gather::{Allowance, Gather, Shape, Step};
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

/// A flush may exceed its budget by one part in so many, and at most by so much, to send a part to its end:
/// otherwise the last bytes of a file would cost a system call, or a read and a write, of their own.
const OVERRUN_SHARE: u64 = 16;
const MAX_OVERRUN: usize = 64 * 1024;
/// Smaller budgets are kept exactly.
const MIN_BUDGET_TO_OVERRUN: u64 = 64 * 1024;

/// How a flush ended, with the number of bytes that it sent.
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
    /// The descriptor takes no more now: flush again when it is writable.
    WouldBlock(u64),
    /// The budget of one call is spent, there is more to send, and the descriptor may take it: flush
    /// again after other connections had their turn.
    BudgetSpent(u64),
}

impl Flush {
    /// The bytes that this call sent.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let (Self::Done(bytes) | Self::WouldBlock(bytes) | Self::BudgetSpent(bytes)) = self;
        bytes
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl WriteQueue {
    /// Sends what the descriptor takes, up to the budget of one call.
    ///
    /// On a non-blocking descriptor it never waits for the peer; on a blocking one it does. To
    /// send everything over a blocking one, flush until [`Flush::is_done`].
    ///
    /// # Errors
    ///
    /// Whatever the kernel reports, except for a full descriptor, which is
    /// [`Flush::WouldBlock`], and for signals, which are not seen. If a file ends before its
    /// region does, the source of the error is [`FileTruncated`](crate::FileTruncated), once everything
    /// in front of the missing bytes is out. After any error the queue holds exactly what has not
    /// been sent: [`flushed_bytes`](Self::flushed_bytes) counts what went before the error, and a
    /// flush again goes on from there. While an operation of `begin` (feature `io-uring`) is out, it is
    /// [`io::ErrorKind::ResourceBusy`].
    ///
    /// A peer that is gone gives [`io::ErrorKind::BrokenPipe`]. For buffers on a socket that needs
    /// nothing from the program (`MSG_NOSIGNAL`); `sendfile`, pipes and files raise SIGPIPE as
    /// well, which Rust programs ignore from their start.
    ///
    /// # Cost
    ///
    /// One system call for up to 1024 buffers with the small files among them, one per large
    /// file. Files of up to 16 KiB are read into memory (a system call and a copy each), as are
    /// those that the kernel can't send to this descriptor, 64 KiB at a time. Reading or sending a
    /// file that is not in memory blocks on the disk; see
    /// [`FileRegion::prefetch`](crate::FileRegion::prefetch). Buffers are copied by the kernel, unless
    /// [`with_zero_copy`](Self::with_zero_copy) asks for more.
    #[cfg(unix)]
    pub fn flush(&mut self, dst: impl AsFd) -> io::Result<Flush> {
        let target = Target::new(dst.as_fd());
        let Some(zero_copy) = &mut self.zero_copy else { return self.flush_copying(target) };
        zero_copy.begin(target.fd(), &self.parts, &mut self.stats);
        self.drain(&mut ZeroCopyTarget(target))
    }

    /// As [`flush`](Self::flush), but the kernel copies all memory.
    #[cfg(unix)]
    pub(crate) fn flush_copying(&mut self, mut target: Target<'_>) -> io::Result<Flush> {
        self.drain(&mut target)
    }

    /// Sends to any writer what it takes, up to the budget of one call: for TLS streams, for
    /// compression, for tests.
    ///
    /// The writer's own `flush` is not called.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), with what the writer reports. A writer that reports more than it was
    /// offered gives [`io::ErrorKind::InvalidData`], and the queue does not change.
    ///
    /// A writer that takes nothing (`Ok(0)`) is full: that is [`Flush::WouldBlock`], as is an error of the
    /// kind [`io::ErrorKind::WouldBlock`]. So it is with the writer of a rustls connection whose buffer is
    /// at its limit: send what it has buffered, then flush again. A writer that can never take more, such as
    /// a full `&mut [u8]`, gives `WouldBlock(0)` each time.
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

    /// As [`drain`](Self::drain), but makes no further call once `is_done`.
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

    /// Makes one transfer from the front of the first `parts` parts, or reads one file for it. `left` is
    /// what the budget leaves.
    #[inline]
    fn step<S: Sink>(&mut self, sink: &mut S, parts: usize, left: u64) -> io::Result<()> {
        #[cfg(unix)]
        let zero_copy = if S::SENDS_ZERO_COPY { self.zero_copy.as_deref() } else { None };
        let shape = |part: &Part| match part.shape() {
            Shape::File(len) if !S::SENDS_FILES => Shape::Read(len),
            #[cfg(unix)]
            Shape::Copied(len) if zero_copy.is_some_and(|zero_copy| zero_copy.takes(part)) => {
                Shape::ZeroCopy(len)
            }
            shape => shape,
        };
        let mut gather = Gather::new(self.allowance(left, S::MAX_CALL));
        let mut bufs = SmallVec::<[IoSlice<'_>; 64]>::new();
        let slices = parts.min(MAX_SLICES);
        bufs.reserve(slices);
        let (front, back) = self.parts.as_slices(slices);
        // A loop over each: an iterator over both is not inlined.
        'gather: for run in [front, back] {
            for part in run {
                let (Some(taken), Some(bytes)) = (gather.take(shape(part)), part.bytes()) else {
                    break 'gather;
                };
                bufs.push(IoSlice::new(&bytes[..taken]));
            }
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
                    // What stands in front leaves first; then the read fails again, and is reported.
                    Err(_) if at > 0 => self.step(sink, at, left),
                    other => other,
                }
            }
        }
    }

    /// What one call may send.
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
        // After `None` the region is one that has to be read, as the next step finds.
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
            self.parts.edit(at - 1, |before| *before = block);
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

    /// The block that the file at index `at` is read into, and whether it holds the bytes of the part
    /// before it: if those leave enough capacity in their block, or are few, and so are copied, into a block of
    /// their own pool and budget that has memory for it.
    fn block_for_file(&mut self, at: usize, len: usize) -> io::Result<(ByteBuf, bool)> {
        let Some(before) = at.checked_sub(1) else { return Ok((scratch::block(len)?, false)) };
        if let Some(block) = self.parts.edit(before, |part| part.reopen(len)) {
            return Ok((block, true));
        }
        if let Some(few) = self.parts.get(before).and_then(Part::memory)
            && few.len() <= SMALL
            && let Ok(mut block) = ByteBuf::try_beside(few.block(), few.len() + len)
        {
            block.put_slice(few);
            self.stats.merged_bytes += few.len() as u64;
            return Ok((block, true));
        }
        Ok((scratch::block(len)?, false))
    }
}
