//! The outbound queue of one connection: buffers and files in order, and one cursor over both.
//!
//! `outgoing.rs` says what can be queued, this file how it is kept and counted, `flush.rs` how it
//! leaves, `stats.rs` what that cost. What has been sent is decided by `io/progress.rs` alone.
//!
//! Rules of the queue:
//!
//! 1. `pending` is the sum of the lengths of the parts, and no part is empty.
//! 2. `flushed` grows by exactly what leaves `pending` by being sent.
//! 3. Bytes change their place in memory (merging, reading a file), never their order.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use bytes::BufMut;

use crate::buf::ByteBuf;
use crate::io::progress::settle;

mod flush;
mod outgoing;
mod stats;
#[cfg(all(test, unix))]
mod tests;

use outgoing::Part;

pub use flush::Flush;
pub use outgoing::Outgoing;
pub use stats::QueueStats;

/// Neighbours up to this length are copied together. Measured on Linux, copying against an entry
/// of their own: 0.7 to 0.9 of the CPU at 512 bytes, level at 1 KiB for TCP, dearer from 2 KiB on.
const SMALL: usize = 1024;

/// The first block that small parts are copied into; each further one while the queue is not
/// empty is twice as large, up to the second figure.
const BLOCK: (usize, usize) = (4 * 1024, 64 * 1024);

/// What a part costs beyond its bytes, for the watermarks: a peer that reads nothing can't make
/// the queue grow for free.
const PART_OVERHEAD: u64 = 64;

/// Netty's defaults, in bytes.
const WATERMARKS: (u64, u64) = (32 * 1024, 64 * 1024);

/// A megabyte is past the point where longer calls save CPU time, and takes about 0.2 ms.
const BUDGET: u64 = 1024 * 1024;

/// Buffers and file regions on their way to a descriptor, in order.
///
/// Push what a connection has to send, then [`flush`](Self::flush) whenever the descriptor is
/// ready. The queue owns the cursor: whatever a call took, whatever error ended it, the queue
/// holds exactly the rest, and flushing again goes on there.
///
/// It makes few system calls: one gathered write for a run of buffers, small neighbours copied
/// together before it; a small file is read behind what precedes it and leaves in the same
/// write; a large one is sent by the kernel, and its header is told that more follows.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{FileRegion, WriteQueue};
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("index.html");
/// std::fs::write(&path, "<p>hello</p>")?;
/// let body = FileRegion::open(&path)?;
///
/// let mut queue = WriteQueue::new();
/// queue.push(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
/// queue.push(body);
///
/// let (out, mut peer) = UnixStream::pair()?;
/// while !queue.flush(&out)?.is_done() {
///     // A non-blocking `out` would wait for writability here.
/// }
/// drop(out);
///
/// let mut received = String::new();
/// peer.read_to_string(&mut received)?;
/// assert!(received.ends_with("content-length: 12\r\n\r\n<p>hello</p>"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ChannelOutboundBuffer")]
pub struct WriteQueue {
    parts: VecDeque<Part>,
    /// Parts that are files, so that a queue without any skips looking for them.
    files: usize,
    pending: u64,
    flushed: u64,
    /// Room of the next block for small parts.
    block: usize,
    budget: u64,
    low: u64,
    high: u64,
    /// Above `high`, and not yet back at `low`.
    full: bool,
    stats: QueueStats,
}

impl WriteQueue {
    /// An empty queue with the default limits: writable up to 64 KiB pending and again from 32 KiB
    /// down, at most 1 MiB per flush.
    ///
    /// # Cost
    ///
    /// Allocates nothing until the first push.
    pub fn new() -> WriteQueue {
        WriteQueue {
            parts: VecDeque::new(),
            files: 0,
            pending: 0,
            flushed: 0,
            block: BLOCK.0,
            budget: BUDGET,
            low: WATERMARKS.0,
            high: WATERMARKS.1,
            full: false,
            stats: QueueStats::default(),
        }
    }

    /// Sets the bytes at which the queue stops being [writable](Self::is_writable), and at which
    /// it is so again.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new().with_watermarks(0, 1000);
    /// queue.push(vec![0; 2000]);
    /// assert!(!queue.is_writable());
    /// queue.clear();
    /// assert!(queue.is_writable());
    /// ```
    #[must_use]
    #[doc(alias = "WriteBufferWaterMark")]
    pub fn with_watermarks(mut self, low: u64, high: u64) -> WriteQueue {
        assert!(low <= high, "low watermark {low} is above the high one, {high}");
        (self.low, self.high) = (low, high);
        self.update_writable();
        self
    }

    /// Sets the bytes that one flush sends before it gives way to other connections; 0 counts as
    /// 1, and `u64::MAX` means no limit.
    #[must_use]
    pub fn with_budget(mut self, bytes: u64) -> WriteQueue {
        self.budget = bytes.max(1);
        self
    }

    /// Appends something to the stream and gives the stream position of its end: once
    /// [`flushed_bytes`](Self::flushed_bytes) has reached that, all of it is out.
    ///
    /// # Panics
    ///
    /// If the queue would hold 2^64 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// Amortised O(1). Bytes are not copied, but for parts of up to 1 KiB that follow one
    /// another: those are copied into one pooled block, and what they came from is released.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteView, WriteQueue};
    ///
    /// let mut queue = WriteQueue::new();
    /// assert_eq!(queue.push("static"), 6);
    /// assert_eq!(queue.push(vec![1, 2, 3]), 9);
    /// assert_eq!(queue.push(ByteView::new()), 9);
    /// assert_eq!(queue.pending_bytes(), 9);
    /// ```
    pub fn push(&mut self, part: impl Into<Outgoing>) -> u64 {
        match part.into() {
            Outgoing::Bytes(bytes) if bytes.is_empty() => {}
            Outgoing::Bytes(bytes) if bytes.len() <= SMALL && self.absorb(&bytes) => {}
            Outgoing::Bytes(bytes) => self.append(Part::View(bytes)),
            Outgoing::File(region) if region.is_empty() => {}
            Outgoing::File(region) => {
                self.files += 1;
                self.append(Part::File(region));
            }
        }
        self.end_position()
    }

    /// Appends a copy of `bytes` to the stream; otherwise as [`push`](Self::push).
    ///
    /// # Cost
    ///
    /// One copy, into a pooled block that it shares with its small neighbours.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new();
    /// let line = String::from("on the stack or anywhere");
    /// queue.push_copy(line.as_bytes());
    /// assert_eq!(queue.pending_bytes(), 24);
    /// ```
    pub fn push_copy(&mut self, bytes: &[u8]) -> u64 {
        let absorbed = bytes.len() <= SMALL && self.absorb(bytes);
        if !absorbed && !bytes.is_empty() {
            let mut block = self.new_block(bytes.len());
            block.put_slice(bytes);
            self.stats.merged_bytes += bytes.len() as u64;
            self.append(Part::Block(block));
        }
        self.end_position()
    }

    /// The bytes that are queued and not sent, those of files in full.
    #[doc(alias = "totalPendingWriteBytes")]
    pub fn pending_bytes(&self) -> u64 {
        self.pending
    }

    /// The bytes that have been sent: the position in the stream at which the queue stands.
    pub fn flushed_bytes(&self) -> u64 {
        self.flushed
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether more should be pushed: false from the high watermark on, until no more than the
    /// low one is pending.
    ///
    /// A file counts in full, and each part counts 64 bytes more than it holds. The queue takes
    /// what is pushed all the same.
    pub fn is_writable(&self) -> bool {
        !self.full
    }

    /// What the queue has cost so far.
    pub fn stats(&self) -> QueueStats {
        self.stats
    }

    /// Drops what has not been sent and gives the number of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new();
    /// queue.push("never to be sent");
    /// assert_eq!(queue.clear(), 16);
    /// assert!(queue.is_empty());
    /// assert_eq!(queue.flushed_bytes(), 0);
    /// ```
    pub fn clear(&mut self) -> u64 {
        let dropped = self.pending;
        drop(self.take_unsent());
        dropped
    }

    /// Empties the queue and gives what has not been sent, in order: together with the
    /// [`flushed_bytes`](Self::flushed_bytes) before it, exactly the stream that was pushed.
    ///
    /// Small parts come back joined as they were going to be sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Outgoing, WriteQueue};
    ///
    /// let (mut queue, mut other) = (WriteQueue::new(), WriteQueue::new());
    /// queue.push("to whom");
    /// for part in queue.take_unsent() {
    ///     other.push(part);
    /// }
    /// assert_eq!((queue.pending_bytes(), other.pending_bytes()), (0, 7));
    /// ```
    pub fn take_unsent(&mut self) -> Vec<Outgoing> {
        let parts = std::mem::take(&mut self.parts);
        self.files = 0;
        self.pending = 0;
        self.block = BLOCK.0;
        self.update_writable();
        parts.into_iter().map(Outgoing::from).collect()
    }

    /// The stream position behind everything pushed so far.
    fn end_position(&self) -> u64 {
        self.flushed.saturating_add(self.pending)
    }

    fn append(&mut self, part: Part) {
        self.count(part.len());
        self.parts.push_back(part);
        self.update_writable();
    }

    /// Files of made-up length can add up to more than there are numbers; real ones can't.
    fn count(&mut self, bytes: u64) {
        self.pending = self.pending.checked_add(bytes).expect("2^64 bytes in one queue");
    }

    /// Copies small `bytes` into the tail of the queue, if that is a block with room or a small
    /// part that can become one. Says whether it did.
    fn absorb(&mut self, bytes: &[u8]) -> bool {
        let room = match self.parts.back() {
            Some(Part::Block(block)) => block.capacity() - block.len(),
            Some(Part::View(last)) if last.len() <= SMALL => 0,
            _ => return false,
        };
        self.count(bytes.len() as u64);
        if room < bytes.len() {
            let mut block = self.new_block(bytes.len() + SMALL);
            if let Some(Part::View(last)) = self.parts.back() {
                block.put_slice(last);
                self.stats.merged_bytes += last.len() as u64;
                self.parts.pop_back();
            }
            self.parts.push_back(Part::Block(block));
        }
        if let Some(Part::Block(block)) = self.parts.back_mut() {
            block.put_slice(bytes);
        }
        self.stats.merged_bytes += bytes.len() as u64;
        self.update_writable();
        true
    }

    /// A block with room for `least` bytes, and more if the queue is getting long.
    fn new_block(&mut self, least: usize) -> ByteBuf {
        let size = self.block;
        self.block = (size * 2).min(BLOCK.1);
        ByteBuf::with_capacity(size.max(least))
    }

    /// Takes the first `moved` bytes off the queue: they are sent. Fails if no more than `offered`
    /// can have been, and then nothing has changed.
    fn settle(&mut self, moved: u64, offered: u64) -> io::Result<()> {
        let Some(settled) = settle(moved, offered, self.parts.iter().map(Part::len)) else {
            let lie = format!("{moved} bytes reported as written, {offered} were offered");
            return Err(io::Error::new(io::ErrorKind::InvalidData, lie));
        };
        for part in self.parts.drain(..settled.whole) {
            self.files -= usize::from(matches!(part, Part::File(_)));
        }
        if settled.cut > 0
            && let Some(first) = self.parts.front_mut()
        {
            first.advance(settled.cut);
        }
        if self.parts.is_empty() {
            self.block = BLOCK.0;
        }
        self.pending -= moved;
        self.flushed += moved;
        self.update_writable();
        Ok(())
    }

    fn update_writable(&mut self) {
        let overhead = PART_OVERHEAD * self.parts.len() as u64;
        let load = self.pending.saturating_add(overhead);
        self.full = if self.full { load > self.low } else { load > self.high };
    }
}

impl Default for WriteQueue {
    fn default() -> WriteQueue {
        WriteQueue::new()
    }
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteQueue")
            .field("parts", &self.parts.len())
            .field("pending_bytes", &self.pending)
            .field("flushed_bytes", &self.flushed)
            .field("writable", &self.is_writable())
            .finish()
    }
}
