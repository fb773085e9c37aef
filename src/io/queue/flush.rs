//! How the queue leaves: one step, repeated until something ends it.
//!
//! A step is one transfer from the front: either a gathered write of the buffers there, or one
//! `sendfile`. Whatever it reports is settled before the next one begins, so every way out of
//! the loop leaves the queue exact.

use std::io::{self, IoSlice, Write};
#[cfg(unix)]
use std::os::fd::AsFd;

use bytes::BufMut;
use smallvec::SmallVec;

use super::WriteQueue;
use super::payload::Part;
use super::tail::SMALL;
use crate::io::file::region::FileRegion;
use crate::io::progress::clip;
use crate::io::scratch::{self, SCRATCH};
#[cfg(unix)]
use crate::sys::Target;
use crate::sys::{MAX_BYTES, MAX_SLICES, More};

/// Files up to this length go by way of memory, behind their header and in one write with it.
/// Measured: at 16 KiB the second system call costs as much as the copy saves.
const INLINE_FILE: u64 = 16 * 1024;

/// Files are read only while less than this stands in front of them, so that a peer that does not
/// read can't have its files held in memory.
const READ_AHEAD: u64 = SCRATCH as u64;

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

/// Where the bytes go.
trait Sink {
    /// Whether it is worth asking for [`send_file`](Self::send_file).
    const SENDS_FILES: bool;

    /// Writes the slices in order, or a part of them, and gives the number of bytes.
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize>;

    /// Sends bytes from the front of `region` without reading them; `None` if that can't be done.
    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>>;

    /// The descriptor, if it may be lent memory.
    #[cfg(unix)]
    fn borrower(&self) -> Option<&Target<'_>> {
        None
    }
}

#[cfg(unix)]
impl Sink for Target<'_> {
    const SENDS_FILES: bool = true;

    #[inline(always)]
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        Target::write(self, bufs, more)
    }

    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>> {
        region.send_in_kernel(self.fd(), limit)
    }
}

/// A descriptor that may be lent memory.
#[cfg(unix)]
struct Borrower<'fd>(Target<'fd>);

#[cfg(unix)]
impl Sink for Borrower<'_> {
    const SENDS_FILES: bool = true;

    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.write(bufs, more)
    }

    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>> {
        self.0.send_file(region, limit)
    }

    fn borrower(&self) -> Option<&Target<'_>> {
        Some(&self.0)
    }
}

/// Any writer: files are read for it.
struct Writer<'w, W>(&'w mut W);

impl<W: Write> Sink for Writer<'_, W> {
    const SENDS_FILES: bool = false;

    fn write(&mut self, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        loop {
            match self.0.write_vectored(bufs) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn send_file(&mut self, _: &mut FileRegion, _: usize) -> io::Result<Option<u64>> {
        Ok(None)
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
        zero_copy.begin(target.fd(), &mut self.stats);
        self.drain(&mut Borrower(target))
    }

    /// As [`flush`](Self::flush), without lending memory.
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
        self.full = !self.is_writable();
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

    /// One transfer of up to `limit` bytes.
    fn step<S: Sink>(&mut self, sink: &mut S, limit: usize) -> io::Result<()> {
        let alone = self.parts.len() == 1;
        if let Some(Part::File(region)) = self.parts.front_mut()
            && S::SENDS_FILES
            && !region.must_copy()
            && (alone || region.len() > INLINE_FILE)
        {
            self.stats.sendfiles += 1;
            if let Some(sent) = sink.send_file(region, limit)? {
                self.stats.sendfile_bytes += sent;
                self.settle(sent, limit as u64)?;
            }
            return Ok(());
        }
        #[cfg(unix)]
        if let Some(target) = sink.borrower()
            && self.lend(target, limit)?
        {
            return Ok(());
        }
        if self.files > 0 {
            self.read_files::<S>()?;
        }
        self.write_gathered(sink, limit)
    }

    /// Writes the buffers at the front.
    fn write_gathered<S: Sink>(&mut self, sink: &mut S, limit: usize) -> io::Result<()> {
        let mut bufs = SmallVec::<[IoSlice<'_>; 64]>::new();
        bufs.reserve(self.parts.len().min(MAX_SLICES));
        let mut room = limit;
        let mut more = More::No;
        let (front, back) = self.parts.as_slices();
        for run in [front, back] {
            let run = &run[..run.len().min(MAX_SLICES - bufs.len())];
            bufs.extend(run.iter().map_while(|part| {
                if room == 0 || more == More::Follows {
                    return None;
                }
                // If it is a file, there is room for it, so this flush goes on to it at once.
                more = More::Follows;
                let bytes = part.bytes()?;
                #[cfg(unix)]
                if room < limit
                    && let (Some(target), Some(zero_copy)) = (sink.borrower(), &mut self.zero_copy)
                    && zero_copy.takes(part, target.fd(), &mut self.stats).is_some()
                {
                    return None;
                }
                more = More::No;
                let taken = &bytes[..bytes.len().min(room)];
                room -= taken.len();
                Some(IoSlice::new(taken))
            }));
        }
        self.stats.writes += 1;
        self.stats.entries += bufs.len() as u64;
        let written = sink.write(&bufs, more)?;
        drop(bufs);
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.settle(written as u64, (limit - room) as u64)?;
        self.stats.written_bytes += written as u64;
        Ok(())
    }

    /// Brings files that go by memory into it, as far as they come up in the next write.
    fn read_files<S: Sink>(&mut self) -> io::Result<()> {
        let (mut at, mut ahead) = (0, 0);
        while at < MAX_SLICES && ahead < READ_AHEAD {
            match self.parts.get(at) {
                Some(Part::File(region))
                    if !S::SENDS_FILES || region.must_copy() || region.len() <= INLINE_FILE =>
                {
                    match self.read_file(at) {
                        Ok((bytes, next)) => {
                            ahead += bytes;
                            at = next;
                        }
                        // What stands in front goes out first; then it fails again and is told.
                        Err(_) if at > 0 => return Ok(()),
                        Err(e) => return Err(e),
                    }
                }
                Some(Part::File(_)) | None => return Ok(()),
                Some(bytes) => {
                    ahead += bytes.len();
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads the front of the file at index `at`: behind the bytes before it, if they are few or
    /// have room, else into a block of its own. Gives the number of bytes, and the index of what
    /// follows them.
    fn read_file(&mut self, at: usize) -> io::Result<(u64, usize)> {
        let mut around = self.parts.range_mut(at.saturating_sub(1)..=at);
        let mut before = if at > 0 { around.next() } else { None };
        let Some(Part::File(region)) = around.next() else { unreachable!("`at` is a file") };
        let want = clip(region.len(), SCRATCH);
        self.stats.reads += 1;
        let roomy = before.as_mut().and_then(|part| part.reopen(want));
        let mut block = match (&before, roomy) {
            (_, Some(block)) => block,
            (Some(few), None) if few.len() <= SMALL as u64 => {
                let mut block = scratch::block(few.len() as usize + want)?;
                block.put_slice(few.bytes().unwrap_or_default());
                self.stats.merged_bytes += few.len();
                block
            }
            _ => {
                before = None;
                scratch::block(want)?
            }
        };
        let read = region.read_at(0, &mut block);
        let own_block = match before {
            Some(before) => {
                *before = Part::Block(block.freeze());
                None
            }
            None => Some(Part::Block(block.freeze())),
        };
        let read = read? as u64;
        self.stats.read_bytes += read;
        region.advance(read);
        let exhausted = region.is_empty();
        self.files -= usize::from(exhausted);
        let next = at + usize::from(own_block.is_some());
        match own_block {
            Some(block) if exhausted => self.parts[at] = block,
            Some(block) => self.parts.insert(at, block),
            None if exhausted => drop(self.parts.remove(at)),
            None => {}
        }
        Ok((read, next))
    }
}
