//! The blocks of a ring of provided buffers: which of them the kernel may write to (X2), and how completions take
//! bytes out of them (X4).
#![allow(unsafe_code, reason = "the kernel writes to blocks, and says by numbers how far (X2, X4)")]

use std::collections::VecDeque;
use std::mem::MaybeUninit;

use super::completion::Received;
use crate::buf::ByteBuf;

/// The blocks by id. Each id is either offered to the kernel or empty.
pub(super) struct Blocks {
    /// They have no readable bytes: the kernel may write to their capacity.
    blocks: Box<[Option<ByteBuf>]>,
    /// The ids of the offered blocks in the order of the offers, in which the kernel uses them.
    offered: VecDeque<u16>,
    /// The ids that are not offered. Some of them have a block.
    empty: Vec<u16>,
}

impl Blocks {
    /// Creates `count` ids without blocks.
    pub(super) fn new(count: u16) -> Self {
        Self {
            blocks: (0..count).map(|_| None).collect(),
            offered: VecDeque::with_capacity(usize::from(count)),
            empty: (0..count).rev().collect(),
        }
    }

    /// Returns the number of ids.
    pub(super) fn count(&self) -> u16 {
        // The cast is lossless: `new` got the number.
        self.blocks.len() as u16
    }

    /// Returns the ids of the offered blocks, in the order of the offers.
    pub(super) fn offered(&self) -> &VecDeque<u16> {
        &self.offered
    }

    /// Returns the number of ids that are not offered.
    pub(super) fn empty(&self) -> usize {
        self.empty.len()
    }

    /// Returns the size of the blocks, less the bytes that were taken out of them.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().flatten().map(ByteBuf::capacity).sum()
    }

    /// Offers one block, which `allocate` returns if an empty id has none. Returns its id and the memory that the
    /// kernel may write to, or `None` if there is no empty id or no block.
    pub(super) fn offer(
        &mut self,
        allocate: impl FnOnce() -> Option<ByteBuf>,
    ) -> Option<(u16, &mut [MaybeUninit<u8>])> {
        let id = *self.empty.last()?;
        let place = &mut self.blocks[usize::from(id)];
        let block = match place {
            Some(block) => block,
            None => place.insert(allocate()?),
        };
        self.empty.pop();
        self.offered.push_back(id);
        Some((id, block.as_uninit_mut()))
    }

    /// Makes an offered block available to [`offer`](Self::offer) again: the kernel used its place up but wrote
    /// nothing to the block.
    pub(super) fn withdraw(&mut self, id: u16) {
        if let Some(at) = self.offered.iter().position(|offered| *offered == id) {
            self.offered.remove(at);
            self.empty.push(id);
        }
    }

    /// Withdraws all offered blocks, which the kernel no longer knows.
    pub(super) fn withdraw_all(&mut self) {
        self.empty.extend(self.offered.drain(..));
    }

    /// Takes `len` received bytes, at least one. They begin in the block with this id and continue in the blocks
    /// that were offered after it. The last of them is used up, or will be filled further. Returns `None`, and
    /// changes nothing, if the completion contradicts the offered blocks.
    ///
    /// # Safety
    ///
    /// As X4 requires.
    pub(super) unsafe fn take(
        &mut self,
        id: u16,
        len: usize,
        is_used_up: bool,
    ) -> Option<Received> {
        let (first, count) = self.find(id, len, is_used_up)?;
        let mut left = len;
        let mut next = |is_last: bool| {
            let is_filled_further = is_last && !is_used_up;
            let id = self.offered[first];
            if !is_filled_further {
                self.offered.remove(first);
                self.empty.push(id);
            }
            let len = left.min(self.capacity_of(id));
            left -= len;
            // SAFETY: the caller guarantees it; the blocks before the last are filled to their ends (X4).
            unsafe { self.take_front(id, len, is_filled_further) }
        };
        Some(match count {
            1 => Received::Bytes(next(true)),
            _ => Received::Bundle((1..=count).map(|n| next(n == count)).collect()),
        })
    }

    /// Returns the index of the block with this id among the offered ones, and the number of blocks from there on
    /// that `len` bytes fill. Returns `None` if the completion contradicts the offered blocks.
    fn find(&self, id: u16, len: usize, is_used_up: bool) -> Option<(usize, usize)> {
        // Index 0, unless requests complete in another order than that in which they chose blocks.
        let first = self.offered.iter().position(|offered| *offered == id)?;
        let mut left = len;
        for (count, id) in (1..).zip(self.offered.range(first..)) {
            let capacity = self.capacity_of(*id);
            if left < capacity || left == capacity && is_used_up {
                return Some((first, count));
            }
            left = left.checked_sub(capacity).filter(|left| *left > 0)?;
        }
        None
    }

    fn capacity_of(&self, id: u16) -> usize {
        self.blocks[usize::from(id)].as_ref().map_or(0, ByteBuf::capacity)
    }

    /// Takes the first `len` bytes of the block's capacity. Takes the whole block unless the kernel continues to
    /// fill it.
    ///
    /// # Safety
    ///
    /// The kernel has written the bytes and no longer writes to them. If `is_filled_further` is false, it no longer
    /// writes to the block.
    unsafe fn take_front(&mut self, id: u16, len: usize, is_filled_further: bool) -> ByteBuf {
        let place = &mut self.blocks[usize::from(id)];
        let Some(block) = place else { unreachable!("an offered block is there") };
        // SAFETY: the bytes are within the capacity, and the caller guarantees that they are written.
        unsafe { block.set_len(len) };
        if is_filled_further { block.split_to(len) } else { place.take().unwrap_or_default() }
    }
}
