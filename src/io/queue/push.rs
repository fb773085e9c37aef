//! Pushing parts. Small neighbours are copied together.

use super::payload::{Part, Payload, counts_its_block, uses_less_than_half};
use super::tail::{SMALL, Tail};
use super::{BLOCK, WriteQueue};
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::{AllocError, Block, Pool};

/// No tail is opened behind more bytes than this, so that the sum of both can't overflow: no block holds that
/// many bytes.
const MAX_BEFORE_TAIL: u64 = u64::MAX / 2;

impl WriteQueue {
    /// Appends a payload to the stream and returns the stream position of its end. It has been sent completely
    /// when [`flushed_bytes`](Self::flushed_bytes) has reached this position.
    ///
    /// # Panics
    ///
    /// If the queue would hold 2^64 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// Amortised O(1) per component of a composite. Consecutive parts of up to 1 KiB are copied into one block,
    /// and their own memory is released. Larger parts are not copied, except views that pin too much memory: see
    /// [`is_writable`](Self::is_writable).
    ///
    /// The block comes from the pool and budget of the parts, or from the global pool if they have none. Parts of
    /// different pools or budgets are not copied together. If the pool or budget has no memory, the parts stay
    /// separate and the push succeeds.
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
    // Inlined, so that the caller knows the variant and the payload is not moved.
    #[inline]
    pub fn push(&mut self, part: impl Into<Payload>) -> u64 {
        match part.into() {
            Payload::Bytes(bytes) => self.push_view(bytes),
            Payload::Composite(bytes) => bytes.into_iter().for_each(|part| self.push_view(part)),
            Payload::File(region) => self.push_region(region),
        }
        self.end_position()
    }

    /// Appends a copy of `bytes` to the stream and returns the stream position of its end, as
    /// [`push`](Self::push) does.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), and if the global pool has no memory. [`try_push_copy`](Self::try_push_copy)
    /// returns an error instead.
    ///
    /// # Cost
    ///
    /// One copy, into a pooled block that small neighbours share.
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

    /// Appends a copy of `bytes`, as [`push_copy`](Self::push_copy) does.
    ///
    /// # Errors
    ///
    /// If the global pool has no memory. The queue does not change then.
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
        if bytes.len() > SMALL || self.is_empty() || !self.open_tail_with(bytes, None) {
            self.close_tail();
            let size = self.next_block(self.parts.len(), bytes.len(), None);
            let mut block = Pool::global().try_alloc(size)?;
            block.extend_from_slice(bytes);
            self.parts.push_back(Part::Block(block.freeze()));
            self.stats.merged_bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Appends a copy of `bytes`: [`push_copy`](Self::push_copy) under the name of the method of `BytesMut`.
    ///
    /// # Panics
    ///
    /// As [`push_copy`](Self::push_copy).
    ///
    /// # Cost
    ///
    /// That of [`push_copy`](Self::push_copy).
    #[track_caller]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.push_copy(bytes);
    }

    /// Reserves spare capacity, so that [`push_copy`](Self::push_copy) or [`BufMut`](bytes::BufMut) copies the
    /// next `additional` bytes into one block. Capacity that is not used wastes memory until the block has been
    /// sent.
    ///
    /// # Panics
    ///
    /// As [`push_copy`](Self::push_copy). [`try_reserve`](Self::try_reserve) returns an error if there is no
    /// memory.
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

    /// Reserves spare capacity, as [`reserve`](Self::reserve) does. Afterwards, pushing a copy of `additional`
    /// bytes can't fail.
    ///
    /// # Errors
    ///
    /// If the global pool has no memory. The pending bytes do not change.
    ///
    /// # Panics
    ///
    /// If the queue holds 2^63 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// At most one block.
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

    /// Returns the block that small parts are copied into, with at least `spare` bytes of spare capacity.
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

    /// Returns the size of the next block for small parts, which is placed behind the first `before` parts. It is
    /// to hold `needed` bytes of `block` first.
    ///
    /// At the front of the queue, the size is that of the bytes merged before the queue was last empty. Behind a
    /// full block, it is twice the length of that block. Behind small parts of another pool or budget, which stay
    /// separate, it is twice `needed`. Otherwise it is the smallest size. So a block wastes no more than the
    /// number of queued bytes, or 4 KiB behind a large part.
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

    // Inlined: a view that is passed in memory is loaded by wider accesses than those that stored it, which
    // stalls the processor. A view stays in registers if no call gets its address, so the calls below take it by
    // value.
    #[inline]
    fn push_view(&mut self, bytes: ByteView) {
        if bytes.len() > SMALL {
            self.append_view(bytes);
        } else if !self.tail.try_append_view(&bytes) {
            self.push_small_view(bytes);
        }
    }

    /// Appends a view that does not fit the tail.
    #[inline(never)]
    fn push_small_view(&mut self, bytes: ByteView) {
        // An empty buffer of another pool than the tail's fits no tail, and is no part.
        if !bytes.is_empty() && (self.is_empty() || !self.open_tail_with(&bytes, bytes.block())) {
            self.append_view(bytes);
        }
    }

    #[inline(always)]
    fn append_view(&mut self, bytes: ByteView) {
        self.close_tail();
        if uses_less_than_half(&bytes) {
            self.append_pinning(bytes);
        } else {
            self.parts.push_back_view(bytes);
        }
    }

    /// Appends a view that uses less than half of its block. Consecutive views of one block count it once, with
    /// the last view. If more memory is pinned than the watermarks allow, the bytes are copied instead.
    #[inline(never)]
    fn append_pinning(&mut self, bytes: ByteView) {
        if !counts_its_block(&bytes) {
            return self.parts.push_back_view(bytes);
        }
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

    /// Appends a copy of `bytes`, of any length: to the last block if that has the spare capacity and the same
    /// pool and budget, otherwise to a new block. Returns false if there is no memory.
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

    /// Makes the last part the tail if it is a block with at least `spare` bytes of spare capacity that may take
    /// bytes of `from`. Returns whether it did.
    #[inline]
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

    /// Opens a tail for at most [`SMALL`] bytes and copies them there, if they follow a small part or a block.
    /// Returns whether it did.
    ///
    /// `from` is the block of `bytes`. All bytes of a tail are from the pool and budget of its block, or from no
    /// pool. Bytes of two pools are not copied together. If the pool or budget has no memory, the parts stay
    /// separate.
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
            self.remove_last();
        }
        true
    }

    /// Removes the last part. If it pinned the block of the part before it, that part pins the block now.
    #[inline]
    pub(super) fn remove_last(&mut self) {
        if let Some(Part::Pinning(removed)) = self.parts.pop_back()
            && self
                .parts
                .back()
                .and_then(Part::view)
                .is_some_and(|view| view.shares_block(&removed))
        {
            self.parts.edit(self.parts.len() - 1, Part::pin);
        }
    }

    /// Appends the tail to the parts, unless it is empty.
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
