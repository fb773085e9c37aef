//! A thread's reference cache, with which `clone` and `drop` avoid atomic read-modify-writes.
//!
//! An atomic read-modify-write costs 5 ns, and 15 ns or more when another core holds the cache line; `Arc` needs
//! one for each clone and one for each drop. A `RefCache` is a small direct-mapped table of (block, number of
//! references) that one thread owns. `clone` takes a reference from the table; if there is none, it acquires
//! [`BATCH`] references at once. `drop` puts the reference into the table. The block is freed when its count
//! equals the references in the table, because then no other handle and no other thread has one. Related:
//! weighted reference counts (Bevan; Watson and Watson, 1987), biased reference counts (Choi, Shull,
//! Torrellas, 2018).
//!
//! Rules, in addition to those of [`count`](super::count):
//!
//! * **B1** A slot with references keeps its block's header alive (C1). A slot without references is stale: its
//!   address may have been reused for another block.
//! * **B2** Cached references never free a block early, but can delay freeing it: a block whose last references
//!   are in several caches is freed when the last of these caches is flushed. So the caches are small, hold
//!   only blocks of at most [`MAX_CACHED_BLOCK`] bytes, and are flushed when the thread refills its cache of
//!   free blocks, when it exits, by `Pool::trim` and by `Pool::flush_thread`.
//! * **B3** [`release_local`](RefCache::release_local) and [`claim`](RefCache::claim) load the count and then
//!   act on its value. The caller must have exclusive access to its handle: through a borrowed handle another
//!   thread could clone between the load and the action. [`is_unique`](RefCache::is_unique) changes nothing, so
//!   it may be called through a borrowed handle.

use super::count::{Count, Remaining};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// The number of slots: one for each bit of a word. A server clones many buffers in turn: with 8 slots, cloning and
/// dropping 64 buffers in turn took 1.6 times as long as with `Bytes`.
pub(crate) const SLOTS: usize = 64;

/// The number of slots for blocks of more than [`MAX_SMALL_BLOCK`] bytes.
#[allow(dead_code, reason = "the models compile this file alone")]
pub(crate) const SLOTS_OF_LARGER: usize = 8;

/// The number of references acquired with one `fetch_add`.
pub(crate) const BATCH: u32 = 16;

/// The size in bytes of the largest block that may use any slot.
#[allow(dead_code, reason = "the models compile this file alone")]
pub(crate) const MAX_SMALL_BLOCK: usize = 8 * 1024;

/// The size in bytes of the largest block whose references are cached. An idle thread delays freeing at most
/// `SLOTS * MAX_SMALL_BLOCK` bytes of small blocks and `SLOTS_OF_LARGER * MAX_CACHED_BLOCK` of larger ones: 1 MiB.
#[allow(dead_code, reason = "the models compile this file alone")]
pub(crate) const MAX_CACHED_BLOCK: usize = 64 * 1024;

/// A block whose references can be cached.
pub(crate) trait Counted: Copy + PartialEq {
    /// Returns the block's count. The caller holds a reference to the block.
    fn count(&self) -> &Count;
    /// Returns a number that selects the slot, modulo [`SLOTS`].
    fn slot(&self) -> usize;
    /// Returns an address that identifies the block to other threads.
    fn address(&self) -> usize;
}

/// The outcome of releasing a reference.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// The cache holds the reference now.
    Cached,
    /// It was the only reference: the caller must return the block.
    Sole,
    /// All other references were in this cache, which has dropped them: the caller must reset the count and
    /// return the block.
    Last,
    /// The cache has no slot for the block: the caller still holds the reference.
    NoSlot,
}

/// One thread's cached references.
pub(crate) struct RefCache<B> {
    blocks: [Cell<Option<B>>; SLOTS],
    /// The slots that may have references: one bit each.
    used: Cell<u64>,
    counts: CachedCounts,
}

/// The numbers of cached references. Other threads may read them, for statistics.
///
/// One thread writes, with plain loads and stores. All accesses are `Relaxed`, as they order no others, and so need
/// no model.
pub(crate) struct CachedCounts {
    references: [AtomicU32; SLOTS],
    addresses: [AtomicUsize; SLOTS],
}

impl CachedCounts {
    /// Calls `f` with the address of each block with cached references, and their number.
    #[allow(dead_code, reason = "the models compile this file alone")]
    pub(crate) fn for_each(&self, mut f: impl FnMut(usize, u32)) {
        for (references, address) in self.references.iter().zip(&self.addresses) {
            let references = references.load(Relaxed);
            if references > 0 {
                f(address.load(Relaxed), references);
            }
        }
    }
}

impl<B: Counted> RefCache<B> {
    /// Returns an empty cache.
    pub(crate) const fn new() -> Self {
        let references = [const { AtomicU32::new(0) }; SLOTS];
        let addresses = [const { AtomicUsize::new(0) }; SLOTS];
        Self {
            blocks: [const { Cell::new(None) }; SLOTS],
            used: Cell::new(0),
            counts: CachedCounts { references, addresses },
        }
    }

    /// Returns the numbers of cached references, for other threads.
    #[allow(dead_code, reason = "the models compile this file alone")]
    pub(crate) fn counts(&self) -> &CachedCounts {
        &self.counts
    }

    #[inline]
    fn slot(&self, block: B) -> Slot<'_, B> {
        let index = block.slot() % SLOTS;
        Slot { block: &self.blocks[index], references: &self.counts.references[index] }
    }

    /// Takes one reference to the block out of the cache. Returns whether there was one.
    #[inline]
    pub(crate) fn acquire_local(&self, block: B) -> bool {
        let slot = self.slot(block);
        let references = slot.references_to(block);
        if references == 0 {
            return false;
        }
        slot.set(references - 1);
        true
    }

    /// Acquires a batch of references: one for the caller, which holds another, and the rest for the cache.
    /// Returns the block evicted from the slot if no other reference to it exists: the caller must return it.
    #[must_use]
    pub(crate) fn acquire_batch(&self, block: B) -> Option<B> {
        block.count().acquire(BATCH);
        self.replace(block, BATCH - 1)
    }

    /// Releases one reference (B3). The cache keeps it if the block has a slot and other references exist.
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
            slot.set(0);
            return Released::Last;
        }
        slot.set(references + 1);
        Released::Cached
    }

    /// Stores a reference for which [`release_local`](Self::release_local) found no slot. Returns the same as
    /// [`acquire_batch`](Self::acquire_batch).
    #[must_use]
    pub(crate) fn insert(&self, block: B) -> Option<B> {
        self.replace(block, 1)
    }

    /// Returns whether the caller's handle is the only one. May return `false` while another thread caches
    /// references to the block.
    #[inline]
    pub(crate) fn is_unique(&self, block: B) -> bool {
        let all = block.count().references();
        all == 1 || all == self.slot(block).references_to(block) + 1
    }

    /// As [`is_unique`](Self::is_unique). On `true` this has also dropped the cached references (B3).
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
        slot.set(0);
        block.count().reset();
        true
    }

    /// Releases all cached references. Calls `free` for each block to which no other reference exists.
    pub(crate) fn flush(&self, mut free: impl FnMut(B)) {
        let mut used = self.used.replace(0);
        while used != 0 {
            if let Some(last) = self.clear(used.trailing_zeros() as usize) {
                free(last);
            }
            used &= used - 1;
        }
    }

    fn replace(&self, block: B, references: u32) -> Option<B> {
        let index = block.slot() % SLOTS;
        let evicted = self.clear(index);
        self.blocks[index].set(Some(block));
        self.counts.addresses[index].store(block.address(), Relaxed);
        self.counts.references[index].store(references, Relaxed);
        self.used.set(self.used.get() | 1 << index);
        evicted
    }

    fn clear(&self, index: usize) -> Option<B> {
        let references = self.counts.references[index].load(Relaxed);
        if references == 0 {
            return None;
        }
        self.counts.references[index].store(0, Relaxed);
        let block = self.blocks[index].get()?;
        match block.count().release(references) {
            Remaining::None => Some(block),
            Remaining::Some => None,
        }
    }
}

/// A slot of a cache.
struct Slot<'a, B> {
    block: &'a Cell<Option<B>>,
    references: &'a AtomicU32,
}

impl<B: Counted> Slot<'_, B> {
    /// Returns the number of references to the block in this slot.
    #[inline]
    fn references_to(&self, block: B) -> u32 {
        if self.block.get() == Some(block) { self.references.load(Relaxed) } else { 0 }
    }

    #[inline]
    fn set(&self, references: u32) {
        self.references.store(references, Relaxed);
    }
}
