//! How parts are pushed: small neighbours are copied together.

use super::payload::{Part, Payload, is_small_beside_its_block};
use super::tail::{SMALL, Tail};
use super::{BLOCK, WriteQueue};
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::{AllocError, Block, Pool};

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
    /// copied into one block, and their own memory is released. Other bytes are not copied.
    ///
    /// The block is from the pool and the budget of the parts, and from the global pool if they are from none.
    /// Parts of different pools or budgets are not copied together, nor are those whose pool or budget has no
    /// memory: they stay apart, and the push succeeds.
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
    /// As [`push`](Self::push), and if the global pool gives no memory;
    /// [`try_push_copy`](Self::try_push_copy) doesn't.
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
    #[track_caller]
    pub fn push_copy(&mut self, bytes: &[u8]) -> u64 {
        match self.try_push_copy(bytes) {
            Ok(end) => end,
            Err(error) => no_memory(&error),
        }
    }

    /// Does as [`push_copy`](Self::push_copy).
    ///
    /// # Errors
    ///
    /// If the global pool gives no memory. The queue is unchanged then.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    ///
    /// # Cost
    ///
    /// That of [`push_copy`](Self::push_copy).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new();
    /// assert_eq!(queue.try_push_copy(b"PONG\r\n"), Ok(6));
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_push_copy(&mut self, bytes: &[u8]) -> Result<u64, AllocError> {
        if !self.tail.try_append(bytes) {
            self.push_copy_slowly(bytes)?;
        }
        Ok(self.end_position())
    }

    #[track_caller]
    fn push_copy_slowly(&mut self, bytes: &[u8]) -> Result<(), AllocError> {
        if bytes.len() > SMALL || !self.open_tail_with(bytes, None) {
            self.close_tail();
            let size = self.next_block(self.parts.len(), bytes.len(), None);
            let mut block = Pool::global().try_alloc(size)?;
            block.extend_from_slice(bytes);
            self.parts.push_back(Part::Block(block.freeze()));
            self.stats.merged_bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Appends a copy of `bytes`; [`push_copy`](Self::push_copy) under the name that `BytesMut` has for it.
    ///
    /// # Panics
    ///
    /// As [`push_copy`](Self::push_copy).
    #[track_caller]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.push_copy(bytes);
    }

    /// Makes spare capacity, so that the next `additional` bytes are copied into one block: by
    /// [`push_copy`](Self::push_copy), or as by [`BufMut`](bytes::BufMut). Larger numbers than are then written
    /// waste memory until they are sent.
    ///
    /// # Panics
    ///
    /// As [`push_copy`](Self::push_copy); [`try_reserve`](Self::try_reserve) doesn't for want of memory.
    ///
    /// # Cost
    ///
    /// At most one block.
    #[track_caller]
    pub fn reserve(&mut self, additional: usize) {
        if let Err(error) = self.try_reserve(additional) {
            no_memory(&error);
        }
    }

    /// Does as [`reserve`](Self::reserve). After it, a copy of this number of bytes can't fail.
    ///
    /// # Errors
    ///
    /// If the global pool gives no memory. The queue holds what it held.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    /// use bytes::BufMut;
    ///
    /// # fn main() -> Result<(), bytebuf::AllocError> {
    /// let mut queue = WriteQueue::new();
    /// queue.try_reserve(4 + 7)?;
    /// queue.put_u32(7);
    /// queue.put_slice(b"message");
    /// assert_eq!(queue.pending_bytes(), 11);
    /// assert!(queue.try_reserve(usize::MAX).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), AllocError> {
        self.open_block(additional).map(drop)
    }

    /// Returns the block that small parts are copied into, with spare capacity for `spare` bytes or more.
    ///
    /// # Panics
    ///
    /// If the queue holds 2^63 bytes, which takes files of made-up length.
    #[inline]
    pub(crate) fn open_block(&mut self, spare: usize) -> Result<&mut ByteBuf, AllocError> {
        if self.tail.spare() < spare {
            self.open_other_block(spare)?;
        }
        Ok(self.tail.block())
    }

    #[inline(never)]
    fn open_other_block(&mut self, spare: usize) -> Result<(), AllocError> {
        assert!(self.parts.bytes() <= MAX_BEFORE_TAIL, "the queue holds 2^63 bytes");
        self.close_tail();
        if !self.reopen_last(spare, None) {
            let size = self.next_block(self.parts.len(), spare, None);
            self.tail = Tail::open(Pool::global().try_alloc(size)?);
        }
        Ok(())
    }

    /// The size of the next block for small parts, of which `needed` bytes are there, behind the first `before`
    /// parts. The bytes are from `block`.
    ///
    /// In front of all parts it is what was merged before the queue was last empty; behind a full block twice as
    /// much as in that; behind small parts that have to stay apart, because they are from another pool or budget,
    /// twice what is needed; else the smallest. So a block wastes no more than what is queued, or 4 KiB behind
    /// what is large itself.
    fn next_block(&self, before: usize, needed: usize, block: Option<&Block>) -> usize {
        let twice = |len: usize| len.saturating_mul(2).min(BLOCK.1).next_power_of_two();
        let size = match before.checked_sub(1).and_then(|last| self.parts.get(last)) {
            None => self.first_block,
            Some(Part::Block(full)) if full.may_be_followed_by(block) => {
                twice(full.len()).max(full.pinned().min(BLOCK.0))
            }
            Some(Part::Block(_)) => twice(needed),
            Some(Part::View(few) | Part::Pinning(few)) if few.len() <= SMALL => twice(needed),
            Some(_) => BLOCK.0,
        };
        size.max(needed)
    }

    fn push_region(&mut self, region: FileRegion) {
        if !region.is_empty() {
            self.close_tail();
            self.parts.push_back(Part::File(region));
        }
    }

    // Inlined: a view that is passed in memory is loaded in wider pieces than it was stored in, which
    // stalls the processor.
    #[inline]
    fn push_view(&mut self, bytes: ByteView) {
        if bytes.len() > SMALL {
            self.append_view(bytes);
        } else if !self.tail.try_append_view(&bytes) && !self.open_tail_with(&bytes, bytes.block())
        {
            self.append_small_view(bytes);
        }
    }

    fn append_small_view(&mut self, bytes: ByteView) {
        self.append_view(bytes);
    }

    #[inline(always)]
    fn append_view(&mut self, bytes: ByteView) {
        self.close_tail();
        if is_small_beside_its_block(&bytes) {
            self.append_pinning(bytes);
        } else {
            self.parts.push_back_view(bytes);
        }
    }

    /// Appends a view that is small beside its block. A run of views of one block counts that once, with the
    /// last of them. Where more is pinned than the watermarks allow, the bytes are copied instead.
    #[inline(never)]
    fn append_pinning(&mut self, bytes: ByteView) {
        let last = self.parts.back();
        if last.and_then(Part::view).is_some_and(|last| last.shares_block(&bytes)) {
            self.parts.edit(self.parts.len() - 1, Part::unpin);
        } else if self.parts.held().pinned + bytes.pinned() as u64 > self.max_pinned()
            && self.append_copied(&bytes)
        {
            return;
        }
        self.parts.push_back(Part::Pinning(bytes));
    }

    /// Appends a copy of bytes that may be many: to the block in front of them if that has the capacity and is of
    /// their own pool and budget, else to a new one of these. Returns false where there is no memory.
    fn append_copied(&mut self, bytes: &ByteView) -> bool {
        if self.parts.bytes() > MAX_BEFORE_TAIL {
            return false;
        }
        if self.reopen_last(bytes.len(), bytes.block()) {
            return self.tail.try_append(bytes);
        }
        let size = self.next_block(self.parts.len(), bytes.len(), bytes.block());
        let Ok(mut block) = ByteBuf::try_beside(bytes.block(), size) else { return false };
        block.extend_from_slice(bytes);
        self.stats.merged_bytes += bytes.len() as u64;
        self.tail = Tail::open(block);
        true
    }

    /// Makes the last part the tail, if it is a block with so much spare capacity that may take bytes of `from`.
    fn reopen_last(&mut self, spare: usize, from: Option<&Block>) -> bool {
        let Some(Part::Block(last)) = self.parts.back() else { return false };
        if !last.may_be_followed_by(from) {
            return false;
        }
        let last = self.parts.len() - 1;
        let Some(block) = self.parts.edit(last, |part| part.reopen(spare)) else { return false };
        self.parts.pop_back();
        self.tail = Tail::open(block);
        true
    }

    /// Opens a tail for `bytes`, which are few, and copies them there, if they follow others that are few
    /// or whose block has spare capacity. Returns whether it did.
    ///
    /// `from` is the block that they are in. All that a tail holds is of one pool and budget, which its memory is
    /// from, or of no pool. Bytes of two pools are not copied together, and neither are those of a pool or budget
    /// that has no memory: then they stay apart.
    #[inline(never)]
    fn open_tail_with(&mut self, bytes: &[u8], from: Option<&Block>) -> bool {
        debug_assert!(!bytes.is_empty() && bytes.len() <= SMALL);
        if self.parts.bytes() > MAX_BEFORE_TAIL {
            return false;
        }
        self.close_tail();
        if self.reopen_last(bytes.len(), from) {
            return self.tail.try_append(bytes);
        }
        let (joined, source): (&[u8], _) = match self.parts.back() {
            Some(Part::Block(full)) if full.may_be_followed_by(from) => (&[], from),
            Some(Part::View(few) | Part::Pinning(few)) if few.len() <= SMALL => {
                match few.block().filter(|block| !block.is_adopted()) {
                    Some(block) if few.may_be_followed_by(from) => (few, Some(block)),
                    Some(_) => return false,
                    None => (few, from),
                }
            }
            _ => return false,
        };
        let before = self.parts.len() - usize::from(!joined.is_empty());
        let size = self.next_block(before, joined.len() + bytes.len(), source);
        let Ok(block) = ByteBuf::try_beside(source, size) else { return false };
        self.tail = Tail::open(block);
        self.tail.try_append(joined);
        self.tail.try_append(bytes);
        if !joined.is_empty() {
            self.remove_joined();
        }
        true
    }

    /// Removes the last part, whose bytes were copied. If it counted the block of the part before it, that
    /// counts it now.
    #[inline]
    fn remove_joined(&mut self) {
        if let Some(Part::Pinning(joined)) = self.parts.pop_back()
            && self.parts.back().and_then(Part::view).is_some_and(|view| view.shares_block(&joined))
        {
            self.parts.edit(self.parts.len() - 1, Part::pin);
        }
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

#[cold]
#[track_caller]
fn no_memory(error: &AllocError) -> ! {
    panic!("no memory for a copy: {error}")
}
