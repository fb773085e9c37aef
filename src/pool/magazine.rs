//! Magazines: arrays of free blocks of one class that change hands as a whole.
//!
//! After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001).

use crate::memory::header::HeaderRef;

/// The most blocks in a magazine.
const ROUNDS: usize = 64;

/// The bytes that a magazine holds at most, if one block is not larger.
const BYTES: usize = 256 * 1024;

/// How many blocks of `size` bytes make a magazine full.
pub(crate) fn rounds(size: usize) -> usize {
    (BYTES / size).clamp(1, ROUNDS)
}

/// An array of free blocks, last in, first out: the warmest is handed out first.
#[derive(Default)]
pub(crate) struct Magazine {
    len: usize,
    blocks: Box<[Option<HeaderRef>]>,
}

impl Magazine {
    /// An empty one for `rounds` blocks. `None` when there is no memory for it.
    pub(crate) fn try_new(rounds: usize) -> Option<Self> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(rounds).ok()?;
        blocks.resize(rounds, None);
        Some(Self { len: 0, blocks: blocks.into_boxed_slice() })
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is one of no size, which takes no block.
    pub(crate) fn is_dummy(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many blocks it takes.
    pub(crate) fn rounds(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == self.blocks.len()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<HeaderRef> {
        let last = self.len.wrapping_sub(1);
        let block = *self.blocks.get(last)?;
        self.len = last;
        block
    }

    /// Adds a block; says no when it is full.
    #[inline]
    #[must_use]
    pub(crate) fn push(&mut self, block: HeaderRef) -> bool {
        let Some(place) = self.blocks.get_mut(self.len) else { return false };
        *place = Some(block);
        self.len += 1;
        true
    }
}
