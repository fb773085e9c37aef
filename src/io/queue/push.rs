//! How parts come into the queue: small neighbours are copied together on the way.

use super::WriteQueue;
use super::outgoing::{Outgoing, Part};
use crate::buf::{ByteBuf, ByteView};
use crate::io::region::FileRegion;
use crate::io::window;

/// Neighbours up to this length are copied together. Measured on Linux, copying against an entry
/// of their own: 0.7 to 0.9 of the CPU at 512 bytes, level at 1 KiB for TCP, dearer from 2 KiB on.
pub(super) const SMALL: usize = 1024;

/// The least and the most that one block for small parts holds. The first block has room for what
/// was copied before the queue was last empty; each further one is twice as large.
pub(super) const BLOCK: (usize, usize) = (4 * 1024, 64 * 1024);

impl WriteQueue {
    /// Appends something to the stream and gives the stream position of its end: once
    /// [`flushed_bytes`](Self::flushed_bytes) has reached that, all of it is out.
    ///
    /// # Panics
    ///
    /// If the queue would hold 2^64 bytes, which takes files of made-up length.
    ///
    /// # Cost
    ///
    /// Amortised O(1), per component of a composite. Bytes are not copied, but for parts of up to 1
    /// KiB that follow one another: those are copied into one pooled block, and what they came from
    /// is released.
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
    // Inlined, so that the variant is known where it is pushed and nothing is moved around.
    #[inline]
    pub fn push(&mut self, part: impl Into<Outgoing>) -> u64 {
        match part.into() {
            Outgoing::Bytes(bytes) => self.push_view(bytes),
            Outgoing::Composite(bytes) => bytes.into_iter().for_each(|part| self.push_view(part)),
            Outgoing::File(region) => self.push_region(region),
        }
        self.end_position()
    }

    /// Appends a copy of `bytes` to the stream; otherwise as [`push`](Self::push).
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push), and if the global pool gives no memory.
    ///
    /// # Cost
    ///
    /// One copy, into a pooled block that it shares with its small neighbours.
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
    pub fn push_copy(&mut self, bytes: &[u8]) -> u64 {
        if !self.absorb(bytes) {
            let mut block = ByteBuf::with_capacity(self.block.max(bytes.len()));
            block.extend_from_slice(bytes);
            self.stats.merged_bytes += bytes.len() as u64;
            self.append(Part::Block(block));
        }
        self.end_position()
    }

    fn push_region(&mut self, region: FileRegion) {
        if !region.is_empty() {
            self.append(Part::File(region));
            self.files += 1;
        }
    }

    fn push_view(&mut self, bytes: ByteView) {
        if !self.absorb(&bytes) {
            self.append(Part::View(bytes));
        }
    }

    fn append(&mut self, part: Part) {
        self.pending = self.counting(part.len());
        self.parts.push_back(part);
        self.update_writable();
    }

    /// What is pending with so many bytes more. Files of made-up length can add up to more than
    /// there are numbers; then nothing has changed yet.
    fn counting(&self, bytes: u64) -> u64 {
        self.pending.checked_add(bytes).expect("2^64 bytes in one queue")
    }

    /// Copies `bytes` into the tail of the queue, if they are few and it is a block with room or a
    /// small part that can become one. Says whether nothing is left to do.
    #[inline]
    fn absorb(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if bytes.len() > SMALL {
            return false;
        }
        let pending = self.counting(bytes.len() as u64);
        if let Some(Part::Block(block)) = self.parts.back_mut()
            && block.capacity() - block.len() >= bytes.len()
        {
            block.extend_from_slice(bytes);
        } else if !self.begin_block(bytes) {
            return false;
        }
        self.pending = pending;
        self.stats.merged_bytes += bytes.len() as u64;
        self.update_writable();
        true
    }

    /// Begins a block with `bytes` behind a full one, or in the place of a small part and with it.
    /// Where there is neither, or no memory, the parts stay as they are.
    #[cold]
    fn begin_block(&mut self, bytes: &[u8]) -> bool {
        let joined: &[u8] = match self.parts.back() {
            Some(Part::Block(_)) => &[],
            Some(Part::View(last)) if last.len() <= SMALL => last,
            _ => return false,
        };
        let Ok(mut block) = window::block(self.block.max(joined.len() + bytes.len())) else {
            return false;
        };
        block.extend_from_slice(joined);
        if !joined.is_empty() {
            self.stats.merged_bytes += joined.len() as u64;
            self.parts.pop_back();
        }
        block.extend_from_slice(bytes);
        self.parts.push_back(Part::Block(block));
        self.block = (self.block * 2).min(BLOCK.1);
        true
    }
}
