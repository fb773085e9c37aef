//! The open end of the queue: the block that small parts are copied into as they come.
//!
//! Nothing is kept beside the block that can be told from it: a push that fits is a comparison, a
//! copy and an addition. The rest of the queue learns of it when the tail is closed.

use super::payload::Part;
use crate::buf::ByteBuf;

/// Parts up to this length are copied behind each other. Measured on Linux, copying against an entry
/// of their own: 0.7 to 0.9 of the CPU at 512 bytes, level at 1 KiB for TCP, dearer from 2 KiB on.
pub(super) const SMALL: usize = 1024;

/// A block that takes small parts; closed, it has neither bytes nor room.
pub(super) struct Tail {
    block: ByteBuf,
    /// So many bytes were there when it was opened.
    before: usize,
}

impl Tail {
    pub(super) const CLOSED: Tail = Tail { block: ByteBuf::new(), before: 0 };

    /// What can take more, with the bytes that are in it already.
    pub(super) fn open(block: ByteBuf) -> Tail {
        let before = block.len();
        Tail { block, before }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.block.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The bytes that were copied here since it was opened.
    pub(super) fn merged(&self) -> u64 {
        (self.block.len() - self.before) as u64
    }

    /// Takes a copy of the bytes if there is room. Says whether it did, which is always if there are
    /// none.
    #[inline]
    pub(super) fn absorb(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.block.capacity() - self.block.len();
        if fits {
            self.block.extend_from_slice(bytes);
        }
        fits
    }

    /// Ends it: what it holds, as a part.
    pub(super) fn close(&mut self) -> Part {
        Part::Block(std::mem::replace(self, Tail::CLOSED).block.freeze())
    }
}
