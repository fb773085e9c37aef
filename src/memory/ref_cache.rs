//! A thread's cache of references, which lets `clone` and `drop` avoid atomic read-modify-writes.
//!
//! An atomic read-modify-write costs 5 ns, and 15 ns or more when another core holds the cache line; `Arc` needs
//! one for each clone and one for each drop. A `RefCache` is a small direct-mapped table of (block, number of
//! references) that one thread owns. `clone` takes a reference from the table; if it has none, it acquires
//! [`BATCH`] references at once. `drop` puts the reference into the table. The block is freed when its count
//! equals the references in the table, because then no other handle and no other thread has any. Related:
//! weighted reference counts (Bevan; Watson and Watson, 1987), biased reference counts (Choi, Shull,
//! Torrellas, 2018).
//!
//! Rules, in addition to those of [`count`](super::count):
//!
//! * **B1** A slot with references keeps its block's header alive (C1). A slot without references is stale: its
//!   address may have been reused for another block.
//! * **B2** Cached references never free a block early, but they can delay it: a block whose last references
//!   are in several caches is freed when the last of these caches is flushed. So the caches are small, hold
//!   only blocks of at most [`MAX_CACHED_BLOCK`] bytes, and are flushed when the thread refills its cache of
//!   free blocks, when it exits, by `Pool::trim` and by `Pool::flush_thread`.
//! * **B3** [`release_local`](RefCache::release_local) and [`claim`](RefCache::claim) end or reset a count because
//!   of a value that they loaded. The caller must have exclusive access to its handle: through a borrowed
//!   handle another thread could clone between the load and the change. [`is_unique`](RefCache::is_unique)
//!   changes nothing, so it may be called through a borrowed handle.

use super::count::{Count, Remaining};
use core::cell::Cell;

/// The number of slots, a power of two.
pub(crate) const SLOTS: usize = 8;

/// The number of references acquired with one `fetch_add`.
pub(crate) const BATCH: usize = 16;

/// The size in bytes of the largest block whose references are cached. An idle thread can delay freeing at
/// most `SLOTS * MAX_CACHED_BLOCK` bytes.
#[allow(dead_code, reason = "the models compile this file alone")]
pub(crate) const MAX_CACHED_BLOCK: usize = 64 * 1024;

/// A block whose references can be cached.
pub(crate) trait Counted: Copy + PartialEq {
    /// Returns the block's count. The caller holds a reference to the block.
    fn count(&self) -> &Count;
    /// Returns a number that spreads blocks over the slots.
    fn slot(&self) -> usize;
}

/// What happened to a reference that was released.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// The cache holds it now.
    Cached,
    /// It was the only reference: the caller must return the block.
    Sole,
    /// All other references were in this cache, which has dropped them: the caller must reset the count and
    /// return the block.
    Last,
    /// The cache has no slot for the block: the reference is still the caller's.
    NoSlot,
}

/// One thread's cached references.
pub(crate) struct RefCache<B> {
    slots: [Slot<B>; SLOTS],
}

struct Slot<B> {
    block: Cell<Option<B>>,
    references: Cell<usize>,
}

impl<B: Counted> RefCache<B> {
    /// Returns an empty cache.
    pub(crate) const fn new() -> Self {
        Self { slots: [const { Slot { block: Cell::new(None), references: Cell::new(0) } }; SLOTS] }
    }

    #[inline]
    fn slot(&self, block: B) -> &Slot<B> {
        &self.slots[block.slot() % SLOTS]
    }

    /// Takes one reference to the block out of the cache, if there is one.
    #[inline]
    pub(crate) fn acquire_local(&self, block: B) -> bool {
        let slot = self.slot(block);
        let references = slot.references_to(block);
        if references == 0 {
            return false;
        }
        slot.references.set(references - 1);
        true
    }

    /// Acquires a batch of references: one for the caller, who holds another, and the rest for the cache.
    /// Returns the block that was evicted, if no other reference to it exists: the caller must return it.
    #[must_use]
    pub(crate) fn acquire_batch(&self, block: B) -> Option<B> {
        block.count().acquire(BATCH);
        self.slot(block).replace(block, BATCH - 1)
    }

    /// Releases one reference into the cache, if the block has a slot (B3).
    #[inline]
    pub(crate) fn release_local(&self, block: B) -> Released {
        let all = block.count().references();
        if all == 1 {
            return Released::Sole;
        }
        let slot = self.slot(block);
        let references = slot.references_to(block);
        if references == 0 {
            return Released::NoSlot;
        }
        if references + 1 == all {
            slot.references.set(0);
            return Released::Last;
        }
        slot.references.set(references + 1);
        Released::Cached
    }

    /// Stores a reference for which [`release_local`](Self::release_local) found no slot. Returns the same as
    /// [`acquire_batch`](Self::acquire_batch).
    #[must_use]
    pub(crate) fn insert(&self, block: B) -> Option<B> {
        self.slot(block).replace(block, 1)
    }

    /// Returns whether the caller's handle is the only one. May return `false` while another thread caches
    /// references to the block.
    #[inline]
    pub(crate) fn is_unique(&self, block: B) -> bool {
        let all = block.count().references();
        all == 1 || all == self.slot(block).references_to(block) + 1
    }

    /// As [`is_unique`](Self::is_unique). On `true` no reference to the block is cached any more (B3).
    #[inline]
    pub(crate) fn claim(&self, block: B) -> bool {
        let all = block.count().references();
        if all == 1 {
            return true;
        }
        let slot = self.slot(block);
        if all != slot.references_to(block) + 1 {
            return false;
        }
        slot.references.set(0);
        block.count().reset();
        true
    }

    /// Releases all cached references. Calls `free` for each block to which no other reference exists.
    pub(crate) fn flush(&self, mut free: impl FnMut(B)) {
        for slot in &self.slots {
            if let Some(last) = slot.clear() {
                free(last);
            }
        }
    }
}

impl<B: Counted> Slot<B> {
    /// Returns the number of references to the block in this slot.
    #[inline]
    fn references_to(&self, block: B) -> usize {
        if self.block.get() == Some(block) { self.references.get() } else { 0 }
    }

    fn replace(&self, block: B, references: usize) -> Option<B> {
        let evicted = self.clear();
        self.block.set(Some(block));
        self.references.set(references);
        evicted
    }

    fn clear(&self) -> Option<B> {
        let references = self.references.replace(0);
        if references == 0 {
            return None;
        }
        let block = self.block.get()?;
        match block.count().release(references) {
            Remaining::None => Some(block),
            Remaining::Some => None,
        }
    }
}
