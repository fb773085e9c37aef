//! What the models have in common: a block that notices each misuse, and a thread with its bank.

use crate::count::{Count, Remaining};
use crate::flags::{Flags, REF_CACHED};
use crate::ref_cache::{Counted, RefCache, Released};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A block of memory. Reading it is what a handle is for; writing it is what an owner does who has it
/// alone. Loom fails the model when one does not happen before the other.
pub(crate) struct Memory {
    count: Count,
    flags: Flags,
    slot: usize,
    bytes: UnsafeCell<usize>,
    freed: AtomicUsize,
    turn: AtomicUsize,
}

/// A reference of a block, or the pointer that a bank keeps of it.
#[derive(Clone, Copy)]
pub(crate) struct Block(&'static Memory);

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Counted for Block {
    fn count(&self) -> &Count {
        // Loom weighs each access against the last one only, and so passes over interleavings where a
        // thread loads a word and then changes it. A change before each access brings them back; it
        // orders nothing.
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
    /// A block with one reference out: the caller's. Blocks of one slot compete for it.
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

    /// Sends the block home: nobody may use it any more.
    pub(crate) fn home(self) {
        self.write();
        self.0.count.reset_if_needed();
        assert_eq!(self.0.freed.fetch_add(1, Relaxed), 0, "freed twice");
    }

    /// Takes a block that is home for a new owner.
    pub(crate) fn reborn(self) {
        assert_eq!(self.0.freed.swap(0, Relaxed), 1, "not free");
        self.write();
    }

    /// Whether it has gone home, exactly once. Asked after all threads are joined.
    pub(crate) fn is_home(self) -> bool {
        self.0.freed.load(Relaxed) == 1
    }
}

/// What `pool::local` does, with a bank that is a value instead of a thread-local.
pub(crate) struct Thread {
    pub(crate) refs: RefCache<Block>,
    open: bool,
}

impl Thread {
    pub(crate) fn new() -> Self {
        Self { refs: RefCache::new(), open: true }
    }

    /// One whose bank can't be used any more: it is in its last destructors.
    pub(crate) fn closed() -> Self {
        Self { refs: RefCache::new(), open: false }
    }

    /// From here on its bank can't be used.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    /// Clones a handle.
    pub(crate) fn acquire(&self, block: Block) -> Block {
        if !self.refs.acquire_local(block) {
            if self.open {
                if let Some(evicted) = self.refs.acquire_batch(block) {
                    evicted.home();
                }
            } else {
                block.count().acquire(1);
            }
        }
        block
    }

    /// Uses a handle, and drops it.
    pub(crate) fn release(&self, block: Block) {
        self.release_by(block, Block::home);
    }

    /// As [`release`](Self::release), with another way home.
    pub(crate) fn release_by(&self, block: Block, home: impl FnOnce(Block)) {
        block.read();
        match self.refs.release_local(block) {
            Released::Cached => {}
            Released::Sole | Released::Last => home(block),
            Released::NoSlot if self.open => {
                if let Some(evicted) = self.refs.insert(block) {
                    home(evicted);
                }
            }
            Released::NoSlot => {
                if block.count().release(1) == Remaining::None {
                    home(block);
                }
            }
        }
    }

    /// The thread ends.
    pub(crate) fn exit(self) {
        self.refs.flush(Block::home);
    }
}
