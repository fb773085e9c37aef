//! Pushing parts, and reserving memory for them.

use super::WriteQueue;
use super::payload::{Part, Payload, counts_its_block, uses_less_than_half};
use super::tail::SMALL;
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::{AllocError, Pool};

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
            Payload::Composite(bytes) => self.push_composite(bytes),
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
    pub(super) fn push_view(&mut self, bytes: ByteView) {
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
}

#[cold]
#[track_caller]
fn no_memory(error: &AllocError) -> ! {
    panic!("no memory for a copy: {error}")
}
