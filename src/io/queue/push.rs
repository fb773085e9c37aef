//! How parts are pushed: small neighbours are copied together.

use super::WriteQueue;
use super::payload::{Part, Payload};
use super::tail::{SMALL, Tail};
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::Pool;

/// The smallest and the largest block for small parts. The first block has the size of what was copied
/// before the queue was last empty; each further one is twice as large.
pub(super) const BLOCK: (usize, usize) = (4 * 1024, 64 * 1024);

/// No tail is opened behind more bytes than this, so that the sum of both can't overflow: no block holds
/// as many bytes again.
const MAX_BEFORE_TAIL: u64 = u64::MAX / 2;

impl WriteQueue {
    /// Appends something to the stream and returns the stream position of its end: all of it has been
    /// sent once [`flushed_bytes`](Self::flushed_bytes) has reached that.
    ///
    /// # Panics
    ///
    /// If the queue would hold 2^64 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// Amortised O(1), per component of a composite. Parts of up to 1 KiB that follow one another are
    /// copied into one pooled block, and their own memory is released. Other bytes are not copied.
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
    // Inlined, so that the variant is known where it is pushed and nothing is moved around.
    #[inline]
    pub fn push(&mut self, part: impl Into<Payload>) -> u64 {
        match part.into() {
            Payload::Bytes(bytes) => self.push_view(bytes),
            Payload::Composite(bytes) => bytes.into_iter().for_each(|part| self.push_view(part)),
            Payload::File(region) => self.push_region(region),
        }
        self.end_position()
    }

    /// Appends a copy of `bytes` to the stream; otherwise as [`push`](Self::push).
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), and if the global pool gives no memory.
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
    #[inline]
    pub fn push_copy(&mut self, bytes: &[u8]) -> u64 {
        if !self.tail.try_append(bytes) {
            self.push_copy_slowly(bytes);
        }
        self.end_position()
    }

    fn push_copy_slowly(&mut self, bytes: &[u8]) {
        if bytes.len() > SMALL || !self.open_tail_with(bytes) {
            let mut block = ByteBuf::with_capacity(self.block.max(bytes.len()));
            block.extend_from_slice(bytes);
            self.append(Part::Block(block.freeze()));
            self.stats.merged_bytes += bytes.len() as u64;
        }
    }

    fn push_region(&mut self, region: FileRegion) {
        if !region.is_empty() {
            self.append(Part::File(region));
        }
    }

    // Inlined: a view that is passed in memory is loaded in wider pieces than it was stored in, which
    // stalls the processor.
    #[inline]
    fn push_view(&mut self, bytes: ByteView) {
        if bytes.len() > SMALL {
            self.append(Part::View(bytes));
        } else if !self.tail.try_append(&bytes) && !self.open_tail_with(&bytes) {
            self.append_small_view(bytes);
        }
    }

    fn append_small_view(&mut self, bytes: ByteView) {
        self.append(Part::View(bytes));
    }

    #[inline(always)]
    fn append(&mut self, part: Part) {
        self.close_tail();
        self.parts.push_back(part);
    }

    /// Opens a tail for `bytes`, which are few, and copies them there, if they follow others that are few
    /// or whose block has spare capacity. Returns whether it did; it does not where there is no memory.
    #[inline(never)]
    fn open_tail_with(&mut self, bytes: &[u8]) -> bool {
        debug_assert!(!bytes.is_empty() && bytes.len() <= SMALL);
        if self.parts.bytes() > MAX_BEFORE_TAIL {
            return false;
        }
        self.close_tail();
        let Some(last) = self.parts.len().checked_sub(1) else { return false };
        if let Some(block) = self.parts.edit(last, |part| part.reopen(bytes.len())) {
            self.parts.pop_back();
            self.tail = Tail::open(block);
            return self.tail.try_append(bytes);
        }
        let joined: &[u8] = match self.parts.back() {
            Some(Part::Block(_)) => &[],
            Some(Part::View(few)) if few.len() <= SMALL => few,
            _ => return false,
        };
        let size = self.block.max(joined.len() + bytes.len());
        let Ok(block) = Pool::global().try_alloc(size) else { return false };
        self.block = (self.block * 2).min(BLOCK.1);
        self.tail = Tail::open(block);
        self.tail.try_append(joined);
        self.tail.try_append(bytes);
        if !joined.is_empty() {
            self.parts.pop_back();
        }
        true
    }

    /// Makes the tail one of the parts.
    #[inline]
    pub(super) fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.close_tail_with_bytes();
        }
    }

    #[inline(never)]
    fn close_tail_with_bytes(&mut self) {
        self.stats.merged_bytes += self.tail.merged();
        self.parts.push_back(self.tail.close());
    }
}
