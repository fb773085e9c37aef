//! Pushes all parts of a composite or a frame, or none.

use std::convert::Infallible;

use super::WriteQueue;
use super::payload::Part;
use crate::buf::CompositeByteBuf;

impl WriteQueue {
    /// Runs `push`. If it returns an error or panics, drops the bytes that it appended and that are not sent.
    ///
    /// # Cost
    ///
    /// O(dropped parts) after an error; otherwise none.
    #[inline]
    pub(crate) fn push_all_or_none<R, E>(
        &mut self,
        push: impl FnOnce(&mut Self) -> Result<R, E>,
    ) -> Result<R, E> {
        let undo =
            Undo { removed: self.removed_bytes(), pending: self.pending_bytes(), queue: self };
        let result = push(undo.queue);
        if result.is_ok() {
            std::mem::forget(undo);
        }
        result
    }

    /// Appends all components. If one can't be appended, because its copy panics or the queue would hold too many bytes,
    /// none of them is in the queue.
    pub(super) fn push_composite(&mut self, bytes: CompositeByteBuf) {
        let pushed = self.push_all_or_none(|queue| {
            bytes.into_iter().for_each(|part| queue.push_view(part));
            Ok::<_, Infallible>(())
        });
        let Ok(()) = pushed;
    }

    /// Drops all but the first `pending` bytes.
    fn truncate(&mut self, pending: u64) {
        self.close_tail();
        while let Some(excess @ 1..) = self.parts.bytes().checked_sub(pending) {
            match self.parts.back() {
                // Bytes were appended to the block.
                Some(Part::Block(bytes)) if bytes.len() as u64 > excess => {
                    let (last, len) = (self.parts.len() - 1, bytes.len() as u64 - excess);
                    self.parts.edit(last, |part| part.truncate_block(len));
                }
                _ => self.remove_last(),
            }
        }
    }
}

/// Truncates the queue when it is dropped.
struct Undo<'q> {
    queue: &'q mut WriteQueue,
    /// The number of removed and of pending bytes before.
    removed: u64,
    pending: u64,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        // A queue that `push` has put in place of this one may have removed less: then the difference is huge.
        let removed = self.queue.removed_bytes().wrapping_sub(self.removed);
        self.queue.truncate(self.pending.saturating_sub(removed));
    }
}
