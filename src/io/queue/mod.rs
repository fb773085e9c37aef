//! The outbound queue of one connection: buffers and files in order, and one cursor over both.
//!
//! `payload.rs` has what can be queued, `parts.rs` keeps it in order with its totals, `push.rs` and
//! `tail.rs` append to it and copy small parts together. `gather.rs` decides what to send next, `flush.rs`
//! does it, `sink.rs` is where it goes, `stats.rs` counts what that cost. `zero_copy/` decides which memory
//! the kernel sends from without copying it, and holds that memory meanwhile. `begin.rs` hands the front to a
//! completion ring as an `operation.rs`, and settles that. What a partial write means is decided by
//! `io/progress.rs` alone.
//!
//! Rules of the queue:
//!
//! * **WQ1** The pending bytes are those of the parts, none of which is empty, followed by the tail, which is
//!   closed while a flush runs.
//! * **WQ2** `flushed` grows by exactly the bytes of the parts that were sent.
//! * **WQ3** Merging or reading a file may move bytes in memory, but never changes their order.

use std::fmt;
use std::io;

use crate::io::progress::clip;

// First, so that the page of the type begins with its constructors and main methods.
mod create;
mod flush;
mod push;

#[cfg(all(target_os = "linux", feature = "io-uring"))]
mod begin;
mod gather;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
mod operation;
mod parts;
mod payload;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod poll;
mod sink;
mod stats;
mod tail;
#[cfg(all(test, unix))]
mod tests;
#[cfg(unix)]
mod zero_copy;

use parts::Parts;
use payload::Held;
use tail::Tail;

#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use begin::Settled;
pub use flush::Flush;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use operation::{InFlightSend, SendMethod, SendOperation};
pub use payload::Payload;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) use poll::PollWriter;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) use sink::MAX_WRITER_CALL;
pub use stats::QueueStats;
#[cfg(all(unix, feature = "testing"))]
pub(crate) use zero_copy::sends_in_flight;

/// The smallest and the largest block for small parts.
const BLOCK: (usize, usize) = (4 * 1024, 64 * 1024);

/// The bytes that a part counts in addition to its length, so that a peer that reads nothing can't make
/// the queue grow without limit by empty or small messages.
const PART_OVERHEAD: u64 = 64;

/// The same for a part that holds a descriptor open: 64 of them reach the default high watermark.
const FILE_OVERHEAD: u64 = 1024;

/// Blocks of which the queue holds a small part count from so many times the high watermark on.
const PINNED_PER_HIGH: u64 = 4;

/// Netty's defaults, in bytes.
const WATERMARKS: (u64, u64) = (32 * 1024, 64 * 1024);

/// The default budget of a flush. Longer calls save no more CPU time; sending it takes about 0.2 ms.
const BUDGET: u64 = 1024 * 1024;

/// Buffers and file regions on their way to a descriptor, in order.
///
/// Push what a connection has to send, then [`flush`](Self::flush) whenever the descriptor is
/// ready. The queue owns the cursor: however much a call took, whatever error ended it, the queue
/// holds exactly the rest, and the next flush continues there.
///
/// It makes few system calls: one gathered write for a run of buffers, of which small neighbours are
/// copied together. A small file is read behind the bytes before it and leaves in the same write. A large
/// one is sent by the kernel.
///
/// # TCP
///
/// Within one flush nothing waits for an acknowledgement of the peer: buffers in front of a file are sent
/// with `MSG_MORE`, and what Nagle's algorithm keeps back behind a file is pushed at the end: by setting and
/// clearing `TCP_NODELAY`, unless it is set already, or the caller has set `TCP_CORK`. From one flush to the next, that algorithm keeps a small message back until the peer has acknowledged the one
/// before, which may take 40 ms. Set `TCP_NODELAY` ([`set_nodelay`](std::net::TcpStream::set_nodelay)) on
/// sockets that carry more than one answer.
///
/// # Datagrams
///
/// A queue is one stream of bytes: it joins and cuts what is pushed, and keeps no boundaries. On a datagram
/// socket, send each message by a separate call.
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
    parts: Parts,
    tail: Tail,
    flushed: u64,
    /// The size of the first block for small parts.
    first_block: usize,
    /// The merged bytes of the statistics when the queue was last empty.
    merged_before: u64,
    budget: u64,
    low: u64,
    high: u64,
    /// Whether the weight was above `high` when bytes were last sent, and is not yet down to `low`.
    /// Evaluated lazily: a push only adds weight, so `is_writable` compares it then.
    above_high: bool,
    stats: QueueStats,
    /// Where the kernel may send from memory without copying it.
    #[cfg(unix)]
    zero_copy: Option<Box<zero_copy::ZeroCopy>>,
    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    operations: begin::Operations,
}

impl WriteQueue {
    /// Returns the number of bytes that are queued and not sent. Files count in full.
    #[doc(alias = "totalPendingWriteBytes")]
    #[inline]
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.parts.bytes() + self.tail.len() as u64
    }

    /// Returns the number of bytes that have been sent: the position of the queue in the stream.
    #[must_use]
    pub fn flushed_bytes(&self) -> u64 {
        self.flushed
    }

    /// Returns whether everything has been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// Returns whether more should be pushed: false above the high watermark, until the queue is down to the
    /// low one. The queue accepts what is pushed in either case.
    ///
    /// The watermarks bound what the queue holds, not only what it sends. Its weight is the bytes that are
    /// pending, those of files in full, and in addition 64 bytes for each part and 1024 for each file, which
    /// holds a descriptor open. A view that uses less than half of a block of more than 512 bytes keeps all of
    /// that block from being freed. Such blocks weigh nothing up to four times the high watermark in sum;
    /// from there on these views are copied instead, and where there is no memory for the copy their blocks
    /// weigh what they hold. A run of views of one block counts the block once, and views of a mapped file
    /// count none.
    ///
    /// So with the default watermarks, and whatever is pushed until the queue is not writable, it holds at
    /// most 64 descriptors and 1 MiB of memory, plus what the last push holds if that is above 64 KiB.
    /// What owns the memory behind a `Bytes`, and how much that is, can't be seen and does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, WriteQueue};
    ///
    /// let mut queue = WriteQueue::new();
    /// while queue.is_writable() {
    ///     // 1 KiB and a bit of each 256 KiB that were received
    ///     let mut received = ByteBuf::with_capacity(256 * 1024);
    ///     received.resize(256 * 1024, 0);
    ///     queue.push(received.split_to(1100).freeze());
    /// }
    /// assert!(queue.pending_bytes() > 60_000);
    /// let pinned = |part: &bytebuf::Payload| match part {
    ///     bytebuf::Payload::Bytes(view) => view.pinned(),
    ///     _ => 0,
    /// };
    /// assert!(queue.take_unsent().iter().map(pinned).sum::<usize>() < 512 * 1024);
    /// ```
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.above_high && self.weight(self.entries()) <= self.high
    }

    /// Returns what the queue has cost so far.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let merged_bytes = self.stats.merged_bytes + self.tail.merged();
        QueueStats { merged_bytes, ..self.stats }
    }

    /// Drops what has not been sent and returns the number of bytes. O(parts).
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
        let before = self.pending_bytes();
        let unsent = self.take_unsent();
        let dropped = before - self.pending_bytes();
        drop(unsent);
        dropped
    }

    /// Empties the queue and returns what has not been sent, in order: the first
    /// [`flushed_bytes`](Self::flushed_bytes) bytes of the stream and these are what was pushed.
    ///
    /// Small parts are returned joined, as they would have been sent. What an operation of `begin` (feature `io-uring`)
    /// may be sending stays until it is settled. O(parts), no byte is copied.
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
        #[cfg(all(target_os = "linux", feature = "io-uring"))]
        let parts = self.parts.take_behind(self.operations.bytes());
        #[cfg(not(all(target_os = "linux", feature = "io-uring")))]
        let parts = self.parts.take();
        self.first_block = BLOCK.0;
        self.merged_before = self.stats.merged_bytes;
        self.above_high = false;
        parts.into_iter().map(Payload::from).collect()
    }

    /// The stream position of the end of everything pushed so far.
    #[inline]
    fn end_position(&self) -> u64 {
        self.flushed.saturating_add(self.pending_bytes())
    }

    /// The parts and the tail.
    fn entries(&self) -> usize {
        self.parts.len() + usize::from(!self.tail.is_empty())
    }

    /// Takes the first `moved` bytes off the queue, which have been sent. Fails if that is more than was
    /// `offered`; nothing changes then.
    fn take_sent(&mut self, moved: u64, offered: u64) -> io::Result<()> {
        let Some(whole) = self.parts.settle(moved, offered) else {
            let lie = format!("{moved} bytes reported as written, {offered} were offered");
            return Err(io::Error::new(io::ErrorKind::InvalidData, lie));
        };
        self.flushed += moved;
        let left = self.parts.len() - whole;
        if left == 0 {
            // One block holds as much as was merged this time, so that it leaves in one piece.
            let merged = clip(self.stats.merged_bytes - self.merged_before, BLOCK.1);
            self.first_block = merged.next_power_of_two().max(BLOCK.0);
            self.merged_before = self.stats.merged_bytes;
        }
        self.update_writability(left);
        // Last: the owner of a part may panic as it is dropped, and what was sent must be counted by then.
        self.parts.drop_front(whole);
        Ok(())
    }

    /// Returns the weight that is compared with the watermarks, if the queue has this number of parts.
    fn weight(&self, parts: usize) -> u64 {
        let Held { files, pinned } = self.parts.held();
        let overhead = PART_OVERHEAD * parts as u64 + FILE_OVERHEAD * files as u64;
        let pinned = pinned.saturating_sub(self.max_pinned());
        self.pending_bytes().saturating_add(overhead).saturating_add(pinned)
    }

    /// The sizes of the blocks that the queue may hold by small parts of them.
    fn max_pinned(&self) -> u64 {
        self.high.saturating_mul(PINNED_PER_HIGH)
    }

    fn update_writability(&mut self, parts: usize) {
        let weight = self.weight(parts);
        self.above_high = weight > if self.above_high { self.low } else { self.high };
    }
}

impl Default for WriteQueue {
    fn default() -> Self {
        Self::new()
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
