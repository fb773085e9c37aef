//! The memory of a buffer that receives: spare capacity during a read, and memory in proportion to its bytes
//! while it waits for the next one.

use super::alloc::{allocate, source_of};
use super::fields::MadeWith;
use super::{ByteBuf, TryReserveError};
use crate::pool::AllocError;

/// Blocks up to this size are kept while the buffer holds a single byte.
const SMALL_BLOCK: usize = 256;

/// The bytes of a waiting buffer move to a smaller block if they fill less than one part in this number of their block.
const MIN_FILLED_SHARE: usize = 4;

/// A read takes no new block if the spare capacity, or the bytes that are held, are at least the preferred size divided
/// by this.
const ENOUGH_SHARE: usize = 4;

impl ByteBuf {
    /// Runs `read`, which appends to the buffer that it gets, with spare capacity for about `size` bytes or
    /// for as many as the maximum and the pool allow. Returns its result and the spare capacity that it had.
    ///
    /// A buffer that has `size` bytes of capacity is read into until it is full. So is one that has a quarter of
    /// that as spare capacity, or holds a quarter of it: a block that received bytes keep alive is filled, and
    /// what a decoder has reserved is used. Otherwise the read goes to a new block, and the bytes that are held
    /// move there only if others came.
    ///
    /// # Errors
    ///
    /// If there is no spare capacity and none can be made. `read` is not run then.
    pub(crate) fn receive_with<R>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut Self) -> R,
    ) -> Result<(R, usize), TryReserveError> {
        let is_filled_first = self.is_filled_first(size);
        if !is_filled_first
            && !self.is_empty()
            && let Ok(Some(mut next)) = self.successor(size)
        {
            let offered = next.capacity();
            let result = read(&mut next);
            // It has the headroom: nothing is allocated.
            if !next.is_empty() && next.try_prepend(self).is_ok() {
                next.max = self.max;
                *self = next;
            }
            return Ok((result, offered));
        }
        let wanted = if is_filled_first { 1 } else { size };
        let offered = self.reserve_up_to(wanted)?;
        Ok((read(self), offered))
    }

    /// Returns whether bytes are received into the spare capacity that is there, or that a reclaim makes.
    fn is_filled_first(&mut self, size: usize) -> bool {
        let has_spare = self.len() < self.capacity();
        if (has_spare && self.capacity() >= size) || self.try_reclaim(size) {
            return true;
        }
        let enough = size / ENOUGH_SHARE;
        has_spare && (self.capacity() - self.len() >= enough || self.len() >= enough)
    }

    /// Returns whether other handles keep the block alive.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_shared(&self) -> bool {
        self.block.as_ref().is_some_and(|block| !block.is_unique())
    }

    /// Replaces the block by one of `size` bytes from the same pool, if nothing is readable and the block has more
    /// than twice that.
    #[cfg(feature = "tokio")]
    pub(crate) fn replace_larger(&mut self, size: usize) {
        let is_larger = self.block.as_ref().is_some_and(|block| block.capacity() / 2 > size);
        if self.is_empty()
            && is_larger
            && let Ok(fitting) = self.moved(0, size)
        {
            *self = fitting;
        }
    }

    /// Makes capacity for `length` readable bytes in all. If that takes another block, it is not larger.
    ///
    /// # Errors
    ///
    /// If the pool has no memory, or `length` is above the maximum.
    #[cfg(feature = "tokio")]
    pub(crate) fn reserve_whole(&mut self, length: usize) -> Result<(), TryReserveError> {
        let additional = length.saturating_sub(self.len());
        if self.try_reclaim(additional) {
            return Ok(());
        }
        if let Some(whole) =
            (length <= self.max.get()).then(|| self.moved(0, length).ok()).flatten()
        {
            *self = whole;
            return Ok(());
        }
        self.try_reserve(additional)
    }

    /// Returns an empty buffer with headroom for the bytes that this one holds, and capacity for `size` more
    /// bytes or as many again; none if the maximum leaves no space for `size`.
    fn successor(&self, size: usize) -> Result<Option<Self>, AllocError> {
        let Some(allowed) = self.max.get().checked_sub(self.len()).filter(|&most| most >= size)
        else {
            return Ok(None);
        };
        let capacity = size.max(self.len()).min(allowed);
        let mut next = allocate(&source_of(self.block.as_ref()), self.len(), capacity)?;
        next.made_with = self.remembered();
        Ok(Some(next))
    }

    /// Releases memory before a wait: the block if nothing is readable. Replaces a block of more than
    /// [`SMALL_BLOCK`] bytes, of which less than a quarter is readable, by a smaller one, unless the pool has no
    /// memory for that.
    pub(crate) fn release_excess(&mut self) {
        let Some(block) = &self.block else { return };
        if self.is_empty() {
            // Keeps the pool and budget, unless the system has no memory for that.
            if block.capacity() > 0
                && let Ok(empty) = self.moved(0, 0)
            {
                *self = Self { made_with: MadeWith::BLOCK, ..empty };
            }
        } else if block.capacity() > SMALL_BLOCK
            && block.capacity() / MIN_FILLED_SHARE > self.len()
            && !block.is_adopted()
            && let Ok(fitting) = self.moved(0, self.len())
        {
            *self = fitting;
        }
    }
}
