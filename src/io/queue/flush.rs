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
use super::gather::{self, Gather, Shape, Step};
use super::payload::Part;
#[cfg(unix)]
use super::sink::ZeroCopyTarget;
use super::sink::{Sink, Writer};
use super::tail::SMALL;
use crate::buf::{ByteBuf, ByteView};
use crate::io::progress::clip;
use crate::io::scratch::{self, SCRATCH};
#[cfg(unix)]
use crate::sys::Target;
use crate::sys::{MAX_BYTES, MAX_SLICES};

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
    /// The budget of one call is spent, there is more to send, and the descriptor may take it:
    /// flush again after the others had their turn.
    BudgetSpent(u64),
}

impl Flush {
    /// The bytes that this call sent.
    pub fn bytes(self) -> u64 {
        let (Flush::Done(bytes) | Flush::WouldBlock(bytes) | Flush::BudgetSpent(bytes)) = self;
        bytes
    }

    /// Whether the queue is empty.
    pub fn is_done(self) -> bool {
        matches!(self, Flush::Done(_))
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
    /// flush again goes on from there.
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
    /// As [`flush`](Self::flush), with what the writer reports. A writer that takes nothing gives
    /// [`io::ErrorKind::WriteZero`], one that says it took more than it was offered
    /// [`io::ErrorKind::InvalidData`]; neither changes the queue.
    ///
    /// # Cost
    ///
    /// Files are read into memory, 64 KiB at a time.
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

    fn drain<S: Sink>(&mut self, sink: &mut S) -> io::Result<Flush> {
        let start = self.flushed;
        self.above_high = !self.is_writable();
        self.close_tail();
        loop {
            let moved = self.flushed - start;
            if self.parts.is_empty() {
                return Ok(Flush::Done(moved));
            }
            let left = self.budget - moved;
            if left == 0 {
                return Ok(Flush::BudgetSpent(moved));
            }
            match self.step(sink, clip(left, MAX_BYTES)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flush::WouldBlock(moved));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Makes one transfer of up to `limit` bytes, or reads one file for it.
    fn step<S: Sink>(&mut self, sink: &mut S, limit: usize) -> io::Result<()> {
        match self.next_step::<S>(MAX_SLICES, limit) {
            Step::SendFile { bytes } => self.send_file(sink, bytes),
            Step::Write(gather) => self.write(sink, gather),
            Step::ReadFile { at } => match self.read_file(at) {
                // What stands in front leaves first; then the read fails again, and is reported.
                Err(_) if at > 0 => match self.next_step::<S>(at, limit) {
                    Step::Write(gather) => self.write(sink, gather),
                    _ => unreachable!("the first file is at {at}"),
                },
                other => other,
            },
        }
    }

    /// What to send next, of the first `most` parts.
    #[inline]
    fn next_step<S: Sink>(&self, most: usize, limit: usize) -> Step {
        #[cfg(unix)]
        let takes = |view: &ByteView| self.zero_copy.as_ref().is_some_and(|own| own.takes(view));
        #[cfg(not(unix))]
        let takes = |_: &ByteView| false;
        let shapes = self.parts.iter().take(most).map(|part| match part {
            Part::View(view) if S::SENDS_ZERO_COPY && takes(view) => Shape::ZeroCopy(view.len()),
            Part::View(bytes) | Part::Block(bytes) => Shape::Copied(bytes.len()),
            Part::File(region) if S::SENDS_FILES && !region.must_copy() => {
                Shape::File(region.len())
            }
            Part::File(region) => Shape::Read(region.len()),
        });
        gather::next(shapes, self.parts.len().min(most), limit)
    }

    fn send_file<S: Sink>(&mut self, sink: &mut S, bytes: usize) -> io::Result<()> {
        self.stats.sendfiles += 1;
        let send = |front: &mut Part| match front {
            Part::File(region) => sink.send_file(region, bytes),
            _ => unreachable!("a file is in front"),
        };
        // After `None` the region is one that has to be read, as the next step finds.
        if let Some(sent) = self.parts.edit(0, send)? {
            self.stats.sendfile_bytes += sent;
            self.settle(sent, bytes as u64)?;
        }
        Ok(())
    }

    #[inline]
    fn write<S: Sink>(&mut self, sink: &mut S, gather: Gather) -> io::Result<()> {
        let mut bufs = SmallVec::<[IoSlice<'_>; 64]>::new();
        let mut left = gather.bytes;
        let parts = self.parts.iter().take(gather.parts).filter_map(Part::bytes);
        bufs.reserve(gather.parts);
        bufs.extend(parts.map(|bytes| {
            let taken = &bytes[..bytes.len().min(left)];
            left -= taken.len();
            IoSlice::new(taken)
        }));
        #[cfg(unix)]
        if S::SENDS_ZERO_COPY && gather.zero_copy {
            let sent = sink.send_zero_copy(&bufs, gather.more);
            drop(bufs);
            return self.settle_zero_copy(sent, gather.bytes);
        }
        self.stats.writes += 1;
        self.stats.entries += bufs.len() as u64;
        let written = sink.write(&bufs, gather.more)?;
        drop(bufs);
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.settle(written as u64, gather.bytes as u64)?;
        self.stats.written_bytes += written as u64;
        Ok(())
    }

    /// Reads the front of the file at index `at` into memory.
    fn read_file(&mut self, at: usize) -> io::Result<()> {
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
    /// before it: if those leave enough capacity in their block, or are few, and so are copied.
    fn block_for_file(&mut self, at: usize, len: usize) -> io::Result<(ByteBuf, bool)> {
        let Some(before) = at.checked_sub(1) else { return Ok((scratch::block(len)?, false)) };
        if let Some(block) = self.parts.edit(before, |part| part.reopen(len)) {
            return Ok((block, true));
        }
        match self.parts.get(before).and_then(Part::bytes) {
            Some(few) if few.len() <= SMALL => {
                let mut block = scratch::block(few.len() + len)?;
                block.put_slice(few);
                self.stats.merged_bytes += few.len() as u64;
                Ok((block, true))
            }
            _ => Ok((scratch::block(len)?, false)),
        }
    }
}
