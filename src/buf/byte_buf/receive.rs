//! The memory of a buffer that receives: spare capacity during a read, and memory in proportion to its bytes
//! while it waits for the next one.

use super::alloc::{allocate, source_of};
use super::{ByteBuf, TryReserveError};
use crate::pool::AllocError;

/// Blocks up to this size are kept while the buffer holds a single byte.
const SMALL_BLOCK: usize = 256;

/// The part of a block that its bytes must fill while the buffer waits.
const LEAST_FILLED: usize = 4;

impl ByteBuf {
    /// Runs `read`, which appends to the buffer that it gets, with spare capacity for about `size` bytes or
    /// for as many as the maximum and the pool allow. Returns its result and the spare capacity that it had.
    ///
    /// A buffer that has `size` bytes of capacity is read into until it is full. Otherwise the read goes
    /// to a new block, and the bytes that are held move there only if others came.
    ///
    /// # Errors
    ///
    /// If there is no spare capacity and none can be made. `read` is not run then.
    pub(crate) fn receive_with<R>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut Self) -> R,
    ) -> Result<(R, usize), TryReserveError> {
        let is_roomy = self.len() < self.capacity() && self.capacity() >= size;
        if !self.is_empty()
            && !is_roomy
            && !self.try_reclaim(size)
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
        let wanted = if is_roomy { 1 } else { size };
        let offered = self.reserve_up_to(wanted)?;
        Ok((read(self), offered))
    }

    /// Returns an empty buffer with headroom for the bytes that this one holds, and capacity for `size` more
    /// bytes or as many again; none if the maximum leaves no space for `size`.
    fn successor(&self, size: usize) -> Result<Option<Self>, AllocError> {
        let Some(allowed) = self.max.checked_sub(self.len()).filter(|&most| most >= size) else {
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
            *self = Self { max: self.max, ..Self::new() };
        } else if block.capacity() > SMALL_BLOCK
            && block.capacity() / LEAST_FILLED > self.len()
            && !block.is_adopted()
            && let Ok(fitting) = self.moved(0, self.len())
        {
            *self = fitting;
        }
    }
}
