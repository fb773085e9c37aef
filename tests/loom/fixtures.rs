//! What the models share: a block that detects misuse, and a thread with its cache of references.

use crate::count::{Count, Remaining};
use crate::flags::{Flags, REF_CACHED};
use crate::ref_cache::{Counted, RefCache, Released};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A block of memory. Handles read it; an exclusive owner writes it. Loom fails the model if a read and a write
/// are not ordered.
pub(crate) struct Memory {
    count: Count,
    flags: Flags,
    slot: usize,
    bytes: UnsafeCell<usize>,
    freed: AtomicUsize,
    turn: AtomicUsize,
}

/// A reference to a block, or the pointer to it in a cache.
#[derive(Clone, Copy)]
pub(crate) struct Block(&'static Memory);

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Counted for Block {
    fn count(&self) -> &Count {
        // Loom compares each access with the last one only, and so skips interleavings where a thread loads a
        // word and then changes it. A change before each access makes loom try them; it orders nothing.
        self.0.turn.fetch_add(1, Relaxed);
        &self.0.count
    }

    fn slot(&self) -> usize {
        self.0.slot
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self.0).addr()
    }
}

impl Block {
    /// Returns a block with one reference, which belongs to the caller. Blocks of one slot compete for it.
    pub(crate) fn new(slot: usize) -> Self {
        Self(Box::leak(Box::new(Memory {
            count: Count::one(),
            flags: Flags::new(REF_CACHED),
            slot,
            bytes: UnsafeCell::new(0),
            freed: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
        })))
    }

    pub(crate) fn flags(self) -> &'static Flags {
        &self.0.flags
    }

    pub(crate) fn read(self) {
        self.0.bytes.with(|_| ());
    }

    pub(crate) fn write(self) {
        self.0.bytes.with_mut(|_| ());
    }

    /// Frees the block: no thread may use it any more.
    pub(crate) fn free(self) {
        self.write();
        self.0.count.reset_if_needed();
        assert_eq!(self.0.freed.fetch_add(1, Relaxed), 0, "freed twice");
    }

    /// Allocates the freed block for a new owner.
    pub(crate) fn reallocate(self) {
        assert_eq!(self.0.freed.swap(0, Relaxed), 1, "not free");
        self.write();
    }

    /// Returns whether it was freed, exactly once. Call this after all threads are joined.
    pub(crate) fn is_freed(self) -> bool {
        self.0.freed.load(Relaxed) == 1
    }
}

/// Does what `pool::thread::local` does, with a cache that is a value instead of a thread-local.
pub(crate) struct Thread {
    pub(crate) refs: RefCache<Block>,
    open: bool,
}

impl Thread {
    pub(crate) fn new() -> Self {
        Self { refs: RefCache::new(), open: true }
    }

    /// Returns a thread whose cache can't be used any more: it is in its last destructors.
    pub(crate) fn closed() -> Self {
        Self { refs: RefCache::new(), open: false }
    }

    /// Closes the cache: it can't be used any more.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    /// Clones a handle.
    pub(crate) fn acquire(&self, block: Block) -> Block {
        if !self.refs.acquire_local(block) {
            if self.open {
                if let Some(evicted) = self.refs.acquire_batch(block) {
                    evicted.free();
                }
            } else {
                block.count().acquire(1);
            }
        }
        block
    }

    /// Uses a handle, and drops it.
    pub(crate) fn release(&self, block: Block) {
        self.release_by(block, Block::free);
    }

    /// Does as [`release`](Self::release), and frees the block by `free`.
    pub(crate) fn release_by(&self, block: Block, free: impl FnOnce(Block)) {
        block.read();
        match self.refs.release_local(block) {
            Released::Cached => {}
            Released::Sole | Released::Last => free(block),
            Released::NoSlot if self.open => {
                if let Some(evicted) = self.refs.insert(block) {
                    free(evicted);
                }
            }
            Released::NoSlot => {
                if block.count().release(1) == Remaining::None {
                    free(block);
                }
            }
        }
    }

    /// Flushes the cache, as a thread does that ends.
    pub(crate) fn exit(self) {
        self.refs.flush(Block::free);
    }
}
