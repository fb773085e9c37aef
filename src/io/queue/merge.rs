//! Copying small neighbours together: the tail that they are copied to, and the size of its block.

use super::payload::Part;
use super::tail::{SMALL, Tail};
use super::{BLOCK, WriteQueue};
use crate::buf::{ByteBuf, ByteView};
use crate::pool::{AllocError, Block, Pool};

/// No tail is opened behind more bytes than this, so that the sum of both can't overflow: no block holds that
/// many bytes.
const MAX_BEFORE_TAIL: u64 = u64::MAX / 2;

impl WriteQueue {
    #[inline(never)]
    pub(super) fn open_other_block(&mut self, spare: usize) -> Result<(), AllocError> {
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
    pub(super) fn next_block(&self, before: usize, needed: usize, block: Option<&Block>) -> usize {
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

    /// Appends a copy of `bytes`, of any length: to the last block if that has the spare capacity and the same
    /// pool and budget, otherwise to a new block. Returns false if there is no memory.
    pub(super) fn append_copied(&mut self, bytes: &ByteView) -> bool {
        if self.parts.bytes() > MAX_BEFORE_TAIL {
            return false;
        }
        if self.reopen_last(bytes.len(), bytes.block()) {
            return self.tail.try_append(bytes);
        }
        let size = self.next_block(self.parts.len(), bytes.len(), bytes.block());
        let Ok(mut block) = ByteBuf::try_in_pool_of(bytes.block(), size) else { return false };
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
    pub(super) fn open_tail_with(&mut self, bytes: &[u8], from: Option<&Block>) -> bool {
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
        let Ok(block) = ByteBuf::try_in_pool_of(source, size) else { return false };
        self.tail = Tail::open(block);
        self.tail.try_append(joined);
        self.tail.try_append(bytes);
        if !joined.is_empty() {
            self.remove_last();
        }
        true
    }

    /// Removes the last part.
    #[inline]
    pub(super) fn remove_last(&mut self) {
        if let Some(removed) = self.parts.pop_back() {
            self.pin_before(self.parts.len(), &removed);
        }
    }

    /// Makes the part before index `at` pin its block, if `removed`, which was at `at`, pinned it for both.
    pub(super) fn pin_before(&mut self, at: usize, removed: &Part) {
        let Part::Pinning(removed) = removed else { return };
        let Some(before) = at.checked_sub(1) else { return };
        let view = self.parts.get(before).and_then(Part::view);
        if view.is_some_and(|view| view.shares_block(removed)) {
            self.parts.edit(before, Part::pin);
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
