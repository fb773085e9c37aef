//! Magazines: arrays of free blocks of one class. A thread has one of each class that it uses; the depot has
//! *rounds*, of a fixed number of blocks, which change hands as a whole.
//!
//! After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001).

use crate::memory::header::HeaderRef;

/// The most blocks of a round, and the bytes of them, if one block is not larger.
const ROUND: usize = 64;
const ROUND_BYTES: usize = 128 * 1024;

/// How many blocks of `size` bytes make a round.
pub(crate) const fn round_of(size: usize) -> usize {
    clamp(ROUND_BYTES / size, 1, ROUND)
}

/// The most blocks of `size` bytes that a thread's magazine takes.
pub(crate) const fn most_of(size: usize) -> usize {
    // Two rounds at least, where the allowance has room: then a thread that goes back and forth over the
    // border does not transfers each time.
    clamp(4 * ROUND_BYTES / size, 2, 2 * ROUND)
}

const fn clamp(n: usize, least: usize, most: usize) -> usize {
    if n < least {
        least
    } else if n > most {
        most
    } else {
        n
    }
}

/// An array of free blocks, last in, first out: the warmest is handed out first.
#[derive(Default)]
pub(crate) struct Magazine {
    len: u32,
    /// How many blocks it takes for now, if it has places for so many.
    limit: u32,
    blocks: Box<[Option<HeaderRef>]>,
}

impl Magazine {
    /// An empty one with places for so many blocks. `None` when there is no memory for it.
    fn try_new(places: usize) -> Option<Self> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(places).ok()?;
        blocks.resize(places, None);
        Some(Self { len: 0, limit: places as u32, blocks: blocks.into_boxed_slice() })
    }

    /// An empty one for a thread.
    pub(crate) fn try_for_thread() -> Option<Self> {
        Self::try_new(2 * ROUND)
    }

    /// An empty one for a round of any class.
    pub(crate) fn try_for_round() -> Option<Self> {
        Self::try_new(ROUND)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it is one without places, which takes no block.
    pub(crate) fn is_dummy(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many blocks it takes.
    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit as u32;
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<HeaderRef> {
        let last = self.len.wrapping_sub(1);
        let block = *self.blocks.get(last as usize)?;
        self.len = last;
        block
    }

    /// Adds a block; says no when it takes no more.
    #[inline]
    #[must_use]
    pub(crate) fn push(&mut self, block: HeaderRef) -> bool {
        if self.len >= self.limit {
            return false;
        }
        let Some(place) = self.blocks.get_mut(self.len as usize) else { return false };
        *place = Some(block);
        self.len += 1;
        true
    }

    /// Whether it takes another block.
    pub(crate) fn has_room(&self) -> bool {
        self.len < self.limit && self.len() < self.blocks.len()
    }

    /// Moves blocks to an empty magazine that takes so many: the oldest `n`, or all there are.
    pub(crate) fn move_oldest(&mut self, n: usize, to: &mut Self) {
        let n = n.min(self.len());
        to.blocks[..n].copy_from_slice(&self.blocks[..n]);
        to.len = n as u32;
        self.blocks.copy_within(n..self.len(), 0);
        self.len -= n as u32;
    }

    /// Takes the oldest `n` blocks out, or all there are.
    pub(crate) fn drain_oldest(&mut self, n: usize, mut each: impl FnMut(HeaderRef)) {
        let n = n.min(self.len());
        self.blocks[..n].iter().flatten().for_each(|&block| each(block));
        self.blocks.copy_within(n..self.len(), 0);
        self.len -= n as u32;
    }
}
