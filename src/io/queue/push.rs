//! How parts come into the queue: small neighbours are copied together on the way.

use super::WriteQueue;
use super::payload::{Part, Payload};
use super::tail::{SMALL, Tail};
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::Pool;

/// The least and the most that one block for small parts holds. The first block has room for what
/// was copied before the queue was last empty; each further one is twice as large.
pub(super) const BLOCK: (usize, usize) = (4 * 1024, 64 * 1024);

/// With more than this before it no tail is opened, so that nobody need look whether what it takes
/// can still be counted: no block holds as many bytes again.
const MOST_BEFORE_TAIL: u64 = u64::MAX / 2;

impl WriteQueue {
    /// Appends something to the stream and gives the stream position of its end: once
    /// [`flushed_bytes`](Self::flushed_bytes) has reached that, all of it is out.
    ///
    /// # Panics
    ///
    /// If the queue would hold 2^64 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// Amortised O(1), per component of a composite. Bytes are not copied, but for parts of up to 1
    /// KiB that follow one another: those are copied into one pooled block, and what they came from
    /// is released.
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
        if !self.tail.absorb(bytes) {
            self.push_copy_slowly(bytes);
        }
        self.end_position()
    }

    fn push_copy_slowly(&mut self, bytes: &[u8]) {
        if bytes.len() > SMALL || !self.absorb_slowly(bytes) {
            let mut block = ByteBuf::with_capacity(self.block.max(bytes.len()));
            block.extend_from_slice(bytes);
            self.append(Part::Block(block.freeze()));
            self.stats.merged_bytes += bytes.len() as u64;
        }
    }

    fn push_region(&mut self, region: FileRegion) {
        if !region.is_empty() {
            self.append(Part::File(region));
            self.files += 1;
        }
    }

    // A view that is passed on by memory is read there in wider pieces than it was written in, and
    // stalls: so the usual ways are inlined.
    #[inline]
    fn push_view(&mut self, bytes: ByteView) {
        if bytes.len() > SMALL {
            self.append(Part::View(bytes));
        } else if !self.tail.absorb(&bytes) && !self.absorb_slowly(&bytes) {
            self.append_few(bytes);
        }
    }

    fn append_few(&mut self, bytes: ByteView) {
        self.append(Part::View(bytes));
    }

    /// Appends a part. Files of made-up length can add up to more than there are numbers; then
    /// nothing has changed.
    #[inline(always)]
    fn append(&mut self, part: Part) {
        self.close_tail();
        self.closed = self.closed.checked_add(part.len()).expect("2^64 bytes in one queue");
        self.parts.push_back(part);
    }

    /// Opens a tail with room for `bytes`, which are few, and copies them there, if they follow
    /// others that are few or have room. Else, and where there is no memory, the stream stays in
    /// the parts that it is in.
    #[inline(never)]
    fn absorb_slowly(&mut self, bytes: &[u8]) -> bool {
        debug_assert!(!bytes.is_empty() && bytes.len() <= SMALL);
        if self.closed > MOST_BEFORE_TAIL {
            return false;
        }
        self.close_tail();
        let Some(last) = self.parts.back_mut() else { return false };
        if let Some(block) = last.reopen(bytes.len()) {
            self.parts.pop_back();
            self.closed -= block.len() as u64;
            self.tail = Tail::open(block);
            return self.tail.absorb(bytes);
        }
        let joined: &[u8] = match last {
            Part::Block(_) => &[],
            Part::View(few) if few.len() <= SMALL => few,
            _ => return false,
        };
        let room = self.block.max(joined.len() + bytes.len());
        let Ok(block) = Pool::global().try_alloc(room) else { return false };
        self.block = (self.block * 2).min(BLOCK.1);
        self.tail = Tail::open(block);
        self.tail.absorb(joined);
        self.tail.absorb(bytes);
        if !joined.is_empty() {
            self.closed -= joined.len() as u64;
            self.parts.pop_back();
        }
        true
    }

    /// Makes the tail a part like the others.
    #[inline]
    pub(super) fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.close_tail_with_bytes();
        }
    }

    #[inline(never)]
    fn close_tail_with_bytes(&mut self) {
        self.closed += self.tail.len() as u64;
        self.stats.merged_bytes += self.tail.merged();
        self.parts.push_back(self.tail.close());
    }
}
