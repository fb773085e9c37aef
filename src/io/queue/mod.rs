//! The outbound queue of one connection: buffers and files in order, and one cursor over both.
//!
//! `payload.rs` says what can be queued, `push.rs` how it comes in, `tail.rs` how small parts are
//! copied together, this file how all is kept and counted, `flush.rs` how it leaves, `stats.rs` what
//! that cost. What has been sent is decided by `io/progress.rs` alone. `zero_copy.rs` decides which
//! memory is lent to the kernel instead of being copied, `lease.rs` holds it meanwhile.
//!
//! Rules of the queue:
//!
//! 1. `closed` is the sum of the lengths of the parts, and no part is empty. What is pending is that
//!    and the tail, which stands behind all parts; while bytes leave, it is closed.
//! 2. `flushed` grows by exactly what leaves `closed` by being sent.
//! 3. Bytes change their place in memory (merging, reading a file), never their order.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use crate::io::progress::{clip, settle};

mod flush;
#[cfg(unix)]
mod lease;
mod payload;
#[cfg(all(test, unix))]
mod plans;
mod push;
mod stats;
mod tail;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod zero_copy;

use payload::Part;
use push::BLOCK;
use tail::Tail;

pub use flush::Flush;
#[cfg(all(unix, feature = "testing"))]
pub(crate) use lease::open as open_leases;
pub use payload::Payload;
pub use stats::QueueStats;

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
    tail: Tail,
    /// Parts that are files, so that a queue without any skips looking for them.
    files: usize,
    closed: u64,
    flushed: u64,
    /// Room of the next block for small parts.
    block: usize,
    /// How much had been merged when the queue was empty last.
    merged_before: u64,
    budget: u64,
    low: u64,
    high: u64,
    /// Whether it was above `high` when bytes left last, and is not yet back at `low`. Pushing can
    /// only make it full, so that nobody weighs what is pushed until somebody asks.
    full: bool,
    stats: QueueStats,
    /// If memory may be lent to the kernel.
    #[cfg(unix)]
    zero_copy: Option<Box<zero_copy::ZeroCopy>>,
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
            tail: Tail::CLOSED,
            files: 0,
            closed: 0,
            flushed: 0,
            block: BLOCK.0,
            merged_before: 0,
            budget: BUDGET,
            low: WATERMARKS.0,
            high: WATERMARKS.1,
            full: false,
            stats: QueueStats::default(),
            #[cfg(unix)]
            zero_copy: None,
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
        self.full = !self.is_writable();
        (self.low, self.high) = (low, high);
        self.weigh(self.entries());
        self
    }

    /// Sets the bytes that one flush sends before it gives way to other connections; 0 counts as
    /// 1, and `u64::MAX` means no limit.
    #[must_use]
    pub fn with_budget(mut self, bytes: u64) -> WriteQueue {
        self.budget = bytes.max(1);
        self
    }

    /// The bytes that are queued and not sent, those of files in full.
    #[doc(alias = "totalPendingWriteBytes")]
    #[inline]
    pub fn pending_bytes(&self) -> u64 {
        self.closed + self.tail.len() as u64
    }

    /// The bytes that have been sent: the position in the stream at which the queue stands.
    pub fn flushed_bytes(&self) -> u64 {
        self.flushed
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// Whether more should be pushed: false from the high watermark on, until no more than the
    /// low one is pending.
    ///
    /// A file counts in full, and each part counts 64 bytes more than it holds. The queue takes
    /// what is pushed all the same.
    pub fn is_writable(&self) -> bool {
        !self.full && self.load(self.entries()) <= self.high
    }

    /// What the queue has cost so far.
    pub fn stats(&self) -> QueueStats {
        let merged_bytes = self.stats.merged_bytes + self.tail.merged();
        QueueStats { merged_bytes, ..self.stats }
    }

    /// Drops what has not been sent and gives the number of bytes. O(parts).
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
        let dropped = self.pending_bytes();
        drop(self.take_unsent());
        dropped
    }

    /// Empties the queue and gives what has not been sent, in order: together with the
    /// [`flushed_bytes`](Self::flushed_bytes) before it, exactly the stream that was pushed.
    ///
    /// Small parts come back joined as they were going to be sent. O(parts), no byte is copied.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Payload, WriteQueue};
    ///
    /// let (mut queue, mut other) = (WriteQueue::new(), WriteQueue::new());
    /// queue.push("to whom");
    /// for part in queue.take_unsent() {
    ///     other.push(part);
    /// }
    /// assert_eq!((queue.pending_bytes(), other.pending_bytes()), (0, 7));
    /// ```
    pub fn take_unsent(&mut self) -> Vec<Payload> {
        self.close_tail();
        let parts = std::mem::take(&mut self.parts);
        self.files = 0;
        self.closed = 0;
        self.block = BLOCK.0;
        self.merged_before = self.stats.merged_bytes;
        self.full = false;
        parts.into_iter().map(Payload::from).collect()
    }

    /// The stream position behind everything pushed so far.
    #[inline]
    fn end_position(&self) -> u64 {
        self.flushed.saturating_add(self.pending_bytes())
    }

    /// The parts and the tail.
    fn entries(&self) -> usize {
        self.parts.len() + usize::from(!self.tail.is_empty())
    }

    /// Takes the first `moved` bytes off the queue: they are sent. Fails if no more than `offered`
    /// can have been, and then nothing has changed.
    fn settle(&mut self, moved: u64, offered: u64) -> io::Result<()> {
        let Some(settled) = settle(moved, offered, self.parts.iter().map(Part::len)) else {
            let lie = format!("{moved} bytes reported as written, {offered} were offered");
            return Err(io::Error::new(io::ErrorKind::InvalidData, lie));
        };
        if self.files > 0 {
            let sent = self.parts.range(..settled.whole);
            self.files -= sent.filter(|part| matches!(part, Part::File(_))).count();
        }
        if settled.cut > 0
            && let Some(first) = self.parts.get_mut(settled.whole)
        {
            first.advance(settled.cut);
        }
        let left = self.parts.len() - settled.whole;
        if left == 0 {
            // One block takes as much as this time, so that it leaves in one piece.
            let merged = clip(self.stats.merged_bytes - self.merged_before, BLOCK.1);
            self.block = merged.next_power_of_two().max(BLOCK.0);
            self.merged_before = self.stats.merged_bytes;
        }
        self.closed -= moved;
        self.flushed += moved;
        self.weigh(left);
        // Last: the owner of a part may panic as it is dropped, and what is sent must be counted then.
        if left == 0 {
            self.parts.clear();
        } else {
            self.parts.drain(..settled.whole);
        }
        Ok(())
    }

    /// What the watermarks are compared with, with so many parts.
    fn load(&self, parts: usize) -> u64 {
        self.pending_bytes().saturating_add(PART_OVERHEAD * parts as u64)
    }

    /// Decides whether the queue is full, with so many parts.
    fn weigh(&mut self, parts: usize) {
        let load = self.load(parts);
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
            .field("parts", &self.entries())
            .field("pending_bytes", &self.pending_bytes())
            .field("flushed_bytes", &self.flushed)
            .field("writable", &self.is_writable())
            .finish()
    }
}
