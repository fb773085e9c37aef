//! The tail of the queue: the block that small parts are copied into when they are pushed.
//!
//! No derived state is cached: a push that fits takes a comparison, a copy and an addition. The totals of the
//! queue are updated when the tail is closed.

use super::payload::Part;
use crate::buf::{ByteBuf, ByteView};

/// Parts up to this length are copied together. Measured on Linux: at 512 bytes a copy takes 0.7 to 0.9 of the
/// CPU time of a separate slice, at 1 KiB over TCP the same, from 2 KiB on more.
pub(super) const SMALL: usize = 1024;

/// A block for small parts. A closed tail has no bytes and no spare capacity.
pub(super) struct Tail {
    block: ByteBuf,
    /// The number of bytes in the block when the tail was opened.
    before: usize,
}

impl Tail {
    pub(super) const CLOSED: Self = Self { block: ByteBuf::new(), before: 0 };

    /// Opens a tail that appends to the bytes of `block`.
    pub(super) fn open(block: ByteBuf) -> Self {
        let before = block.len();
        Self { block, before }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.block.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Returns the number of bytes that were copied to the tail since it was opened.
    pub(super) fn merged(&self) -> u64 {
        (self.block.len() - self.before) as u64
    }

    /// Appends a copy of the bytes if the spare capacity suffices, and returns whether it did.
    #[inline]
    pub(super) fn try_append(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.spare();
        if fits {
            self.block.extend_from_slice(bytes);
        }
        fits
    }

    /// Appends as [`try_append`](Self::try_append) does, if the tail's block may take bytes of the view's pool
    /// and budget.
    #[inline]
    pub(super) fn try_append_view(&mut self, view: &ByteView) -> bool {
        view.len() <= self.spare()
            && self.block.may_take_from(view.block())
            && self.try_append(view)
    }

    /// Returns the spare capacity in bytes.
    #[inline]
    pub(super) fn spare(&self) -> usize {
        self.block.capacity() - self.block.len()
    }

    /// Returns the block. The caller may append within its spare capacity.
    pub(super) fn block(&mut self) -> &mut ByteBuf {
        &mut self.block
    }

    /// Closes the tail and returns its bytes as a part.
    pub(super) fn close(&mut self) -> Part {
        Part::Block(std::mem::replace(self, Self::CLOSED).block.freeze())
    }
}
