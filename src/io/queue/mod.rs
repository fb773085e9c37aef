//! The outbound queue of one connection: buffers and files in order.
//!
//! `payload.rs` has the types that can be queued. `parts.rs` keeps them in order, with their totals. `push.rs` appends
//! parts; `merge.rs` and `tail.rs` copy small ones together. `push_all.rs` takes back the parts of a push or an encoder that failed.
//! `gather.rs` decides what to send next, `flush.rs` sends it, `sink.rs` has the destinations, and `stats.rs` has the
//! counters. `zero_copy/` selects the memory that the kernel sends from without a copy, and holds that memory in
//! flight. `begin.rs` passes the front of the queue to a completion ring as an operation (`operation.rs`) and settles
//! it. Only `io/progress.rs` decides the effect of a partial write.
//!
//! Rules of the queue:
//!
//! * **WQ1** The pending bytes are those of the parts, followed by those of the tail. No part is empty. The tail is
//!   closed while a flush runs.
//! * **WQ2** `flushed` grows by exactly the bytes of the parts that were sent.
//! * **WQ3** Merging parts or reading a file may move bytes in memory, but never changes their order.

use std::fmt;
use std::io;

use crate::io::progress::clip;

// These modules come first, so that the page of the type begins with its constructors and main methods.
mod create;
mod flush;
mod push;

#[cfg(all(target_os = "linux", feature = "io-uring"))]
mod begin;
mod gather;
mod merge;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
mod operation;
mod parts;
mod payload;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod poll;
mod push_all;
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

/// The weight of a part in addition to its length. It bounds the number of small messages that a peer that reads
/// nothing can make the queue hold.
const PART_OVERHEAD: u64 = 64;

/// The further weight of a part that holds a descriptor open: 61 files exceed the default high watermark.
const FILE_OVERHEAD: u64 = 1024;

/// Pinned blocks weigh nothing up to this multiple of the high watermark.
const PINNED_PER_HIGH: u64 = 4;

/// The default low and high watermarks in bytes, as in Netty.
const WATERMARKS: (u64, u64) = (32 * 1024, 64 * 1024);

/// The default budget of a flush in bytes. Sending it takes about 0.2 ms; a larger budget saves no CPU time.
const BUDGET: u64 = 1024 * 1024;

/// A queue of buffers and file regions to be sent to a descriptor in order.
///
/// Push the output of a connection, then [`flush`](Self::flush) whenever the descriptor is writable. After each
/// call, short, complete or failed, the queue holds exactly the bytes that have not been sent, and the next flush
/// continues there.
///
/// A queue makes few system calls. It sends a run of buffers with one gathered write, and copies small neighbours
/// together. It reads a small file into memory and sends it in the same write as the bytes before it. The kernel
/// sends a large file by itself.
///
/// # TCP
///
/// Within one flush, no bytes wait for an acknowledgement of the peer. Buffers in front of a file are sent with
/// `MSG_MORE`. At the end, the queue sets `TCP_NODELAY` to push the bytes that the kernel holds back, and clears it
/// unless the caller had set it. If the caller has set `TCP_CORK`, it pushes nothing.
///
/// Between flushes, Nagle's algorithm holds a small message back until the peer has acknowledged the previous one,
/// which may take 40 ms. Set `TCP_NODELAY` ([`set_nodelay`](std::net::TcpStream::set_nodelay)) on sockets that
/// carry more than one response.
///
/// # Datagrams
///
/// A queue is one stream of bytes: it joins and cuts parts and keeps no message boundaries. On a datagram socket,
/// send each message with a separate call.
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
    /// The number of bytes that were dropped or taken back before they were sent; it wraps.
    unsent: u64,
    /// The size of the first block for small parts.
    first_block: usize,
    /// The value of `stats.merged_bytes` when the queue was last empty.
    merged_before: u64,
    budget: u64,
    low: u64,
    high: u64,
    /// Whether the weight was above `high` when bytes were last sent, and has not fallen to `low` since. Evaluated
    /// lazily: a push only adds weight, and `is_writable` compares it.
    above_high: bool,
    stats: QueueStats,
    /// Present if the kernel may send from memory without copying it.
    #[cfg(unix)]
    zero_copy: Option<Box<zero_copy::ZeroCopy>>,
    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    operations: begin::Operations,
}

impl WriteQueue {
    /// Returns the number of bytes that are queued and not yet sent. Files count in full.
    #[doc(alias = "totalPendingWriteBytes")]
    #[inline]
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.parts.bytes() + self.tail.len() as u64
    }

    /// Returns the number of bytes that have been sent, which is the position of the queue in the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new();
    /// let end_of_first = queue.push("first");
    /// queue.push("second");
    /// let mut out = Vec::new();
    /// assert!(queue.flush_into(&mut out)?.is_done());
    /// assert!(queue.flushed_bytes() >= end_of_first); // the first message is on its way
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn flushed_bytes(&self) -> u64 {
        self.flushed
    }

    /// Returns whether all bytes have been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// Returns whether the caller should push more: false above the high watermark, until the queue falls to the
    /// low one. The queue accepts a push in either case.
    ///
    /// The watermarks bound the memory and descriptors that the queue holds. They are compared with its weight: the
    /// pending bytes, with files in full, plus 64 bytes for each part and 1024 for each file, which holds a
    /// descriptor open.
    ///
    /// A view that uses less than half of a block of more than 512 bytes pins the whole block. Pinned blocks weigh
    /// nothing up to four times the high watermark in total. Above that, the queue copies such views instead; if it
    /// has no memory for the copy, the excess adds to the weight. Consecutive views of one block count the block
    /// once. Views of a mapped file pin no block.
    ///
    /// With the default watermarks, a queue that is filled until it is not writable holds at most 64 descriptors
    /// and 1 MiB of memory, plus the memory of the last push if that is more than 64 KiB. The memory behind a
    /// `Bytes` is not visible and does not count.
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
    #[inline]
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.above_high && self.weight(self.entries()) <= self.high
    }

    /// Returns the counters of the queue.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let merged_bytes = self.stats.merged_bytes + self.tail.merged();
        QueueStats { merged_bytes, ..self.stats }
    }

    /// Drops the bytes that have not been sent and returns their number. Bytes that an operation of `begin`
    /// (feature `io-uring`) may be sending stay until it is settled. O(parts).
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

    /// Returns the number of bytes that have left the queue: sent, dropped or taken back. It wraps.
    #[inline]
    fn removed_bytes(&self) -> u64 {
        self.flushed.wrapping_add(self.unsent)
    }

    /// Empties the queue and returns the parts that have not been sent, in order. They continue the stream at
    /// [`flushed_bytes`](Self::flushed_bytes).
    ///
    /// Small parts are returned joined, as they would have been sent. Bytes that an operation of `begin` (feature
    /// `io-uring`) may be sending stay until it is settled. O(parts); no byte is copied.
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
        let before = self.parts.bytes();
        #[cfg(all(target_os = "linux", feature = "io-uring"))]
        let parts = self.parts.take_behind(self.operations.bytes());
        #[cfg(not(all(target_os = "linux", feature = "io-uring")))]
        let parts = self.parts.take();
        self.unsent = self.unsent.wrapping_add(before - self.parts.bytes());
        self.first_block = BLOCK.0;
        self.merged_before = self.stats.merged_bytes;
        self.above_high = false;
        parts.into_iter().map(Payload::from).collect()
    }

    /// Returns the stream position of the end of the queue.
    #[inline]
    fn end_position(&self) -> u64 {
        self.flushed.saturating_add(self.pending_bytes())
    }

    /// Returns the number of parts, with the tail if it has bytes.
    fn entries(&self) -> usize {
        self.parts.len() + usize::from(!self.tail.is_empty())
    }

    /// Removes the first `moved` bytes, which have been sent. Fails and changes nothing if more bytes moved than
    /// were `offered`.
    fn take_sent(&mut self, moved: u64, offered: u64) -> io::Result<()> {
        let Some(whole) = self.parts.advance(moved, offered) else {
            let lie = format!("{moved} bytes reported as written, {offered} were offered");
            return Err(io::Error::new(io::ErrorKind::InvalidData, lie));
        };
        self.flushed += moved;
        let left = self.parts.len() - whole;
        if left == 0 {
            // The next block has space for as many bytes as were merged this time, so that they fit in one block.
            let merged = clip(self.stats.merged_bytes - self.merged_before, BLOCK.1);
            self.first_block = merged.next_power_of_two().max(BLOCK.0);
            self.merged_before = self.stats.merged_bytes;
            // An empty queue weighs nothing.
            self.above_high = false;
        } else {
            self.update_writability(left);
        }
        // Last: the owner of a part may panic when it is dropped, and the sent bytes must be counted before that.
        self.parts.drop_front(whole);
        Ok(())
    }

    /// Returns the weight to compare with the watermarks, for a queue of this number of parts.
    fn weight(&self, parts: usize) -> u64 {
        let Held { files, pinned } = self.parts.held();
        let overhead = PART_OVERHEAD * parts as u64 + FILE_OVERHEAD * files as u64;
        let pinned = pinned.saturating_sub(self.max_pinned());
        self.pending_bytes().saturating_add(overhead).saturating_add(pinned)
    }

    /// Returns the total size up to which pinned blocks weigh nothing.
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
