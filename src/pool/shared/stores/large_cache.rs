//! The cache of free large blocks of a pool, and the figures of the large blocks in use.

use crate::memory::header::HeaderRef;
use crate::pool::tuning::LARGE_CACHED;

/// The cached blocks, the most recent last, and the figures of the large blocks in use.
#[derive(Default)]
pub(crate) struct LargeCache {
    list: Vec<HeaderRef>,
    pub(crate) pinned: usize,
    pub(crate) requested: usize,
    pub(crate) live_blocks: usize,
}

impl LargeCache {
    /// Returns the bytes of the cached blocks.
    pub(crate) fn bytes(&self) -> usize {
        self.list.iter().map(|&block| capacity(block)).sum()
    }

    /// Takes the most recent block of `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<HeaderRef> {
        let place = self.list.iter().rposition(|&block| capacity(block) == len)?;
        Some(self.list.remove(place))
    }

    /// Takes the block that was put first.
    pub(crate) fn take_oldest(&mut self) -> Option<HeaderRef> {
        if self.list.is_empty() { None } else { Some(self.list.remove(0)) }
    }

    /// Puts a block into the cache. Returns whether there was space for it.
    pub(crate) fn put(&mut self, block: HeaderRef) -> bool {
        let has_place = self.list.len() < LARGE_CACHED && self.list.try_reserve(1).is_ok();
        if has_place {
            self.list.push(block);
        }
        has_place
    }
}

/// Returns the size of a large block in bytes.
pub(crate) fn capacity(block: HeaderRef) -> usize {
    block.long_capacity().unwrap_or(0)
}
