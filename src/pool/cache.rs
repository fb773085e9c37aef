//! One thread's magazines of one pool: where a buffer comes from and goes to without any atomic
//! read-modify-write.
//!
//! Rules:
//!
//! * **K1** `magazines` are used only by the thread that made the cache, and never re-entered: nothing in
//!   this file calls back into a cache while it holds a magazine. Other threads read the tallies only.
//! * **K2** Blocks of a magazine belong to nobody else (S1): they came out of a handle, a slab or the depot
//!   and go to one of these.
#![allow(unsafe_code, reason = "magazines in cells that only their thread opens (K1)")]

use super::central::Central;
use super::error::AllocError;
use super::magazine::{Magazine, rounds};
use super::size_class;
use super::stats::{Tally, Trade};
use crate::memory::header::HeaderRef;
use core::cell::{Cell, UnsafeCell};
use std::sync::Arc;

/// How many exchanges with the depot go by between two looks at the cache's size.
const LOOK: u32 = 8;

/// What each buffer of one class goes through.
#[derive(Default)]
#[repr(align(64))]
struct Row {
    /// The block that was freed last. A thread that takes one and frees it, again and again, has it here
    /// at a fixed address: behind a magazine's length, each step would wait for the last one's stores.
    top: Cell<Option<HeaderRef>>,
    loaded: UnsafeCell<Magazine>,
    tally: Tally,
}

static_assertions::const_assert_eq!(size_of::<Row>(), 64);

/// What is needed of one class now and then: a second magazine, so that a thread that goes back and forth
/// over the border of the first does not trade each time.
#[derive(Default)]
struct Spare {
    previous: UnsafeCell<Magazine>,
    trade: Trade,
}

/// What of a class is handed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Full,
    All,
}

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    central: Arc<Central>,
    rows: Box<[Row; size_class::COUNT]>,
    spares: Box<[Spare]>,
    exchanges: Cell<u32>,
}

// SAFETY: the cells are used by one thread alone (K1); the tallies are atomics.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Cache {
    /// An empty cache. Its magazines are allocated when they are first needed. `None` without memory
    /// for it.
    pub(crate) fn try_new(central: Arc<Central>) -> Option<Self> {
        let rows = default_array(size_class::COUNT)?.try_into().ok()?;
        let spares = default_array(size_class::COUNT)?;
        Some(Self { central, rows, spares, exchanges: Cell::new(0) })
    }

    /// Whether it is the given pool's.
    #[inline]
    pub(crate) fn is_of(&self, home: *const ()) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.central).cast(), home)
    }

    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.central
    }

    pub(crate) fn tally(&self, class: u16) -> &Tally {
        &self.rows[class as usize].tally
    }

    pub(crate) fn trade(&self, class: u16) -> &Trade {
        &self.spares[class as usize].trade
    }

    /// Free blocks of a class that are here.
    pub(crate) fn cached(&self, class: u16) -> usize {
        self.trade(class).cached(self.tally(class))
    }

    /// A free block, if one is loaded.
    #[inline]
    pub(crate) fn take(&self, class: u16) -> Option<HeaderRef> {
        let row = &self.rows[class as usize];
        let block = match row.top.take() {
            Some(block) => block,
            // SAFETY: K1: this thread's, and nothing else looks at it until this borrow is over.
            None => unsafe { &mut *row.loaded.get() }.pop()?,
        };
        row.tally.count_alloc();
        Some(block)
    }

    /// A block that is free now.
    #[inline]
    pub(crate) fn put(&self, block: HeaderRef) {
        let row = &self.rows[block.class as usize];
        row.tally.count_free();
        if row.top.get().is_none() {
            row.top.set(Some(block));
            return;
        }
        // SAFETY: as in `take`.
        if !unsafe { &mut *row.loaded.get() }.push(block) {
            self.put_slowly(block);
        }
    }

    /// Both magazines of a class.
    #[allow(clippy::mut_from_ref, reason = "opens cells that are this thread's alone")]
    fn pair(&self, class: u16) -> (&mut Magazine, &mut Magazine) {
        let (row, spare) = (&self.rows[class as usize], &self.spares[class as usize]);
        // SAFETY: K1: the callers are this file's slow paths, which use one pair at a time and hold
        // nothing of it when they end; what they call never calls a cache.
        let loaded = unsafe { &mut *row.loaded.get() };
        // SAFETY: as above.
        let previous = unsafe { &mut *spare.previous.get() };
        (loaded, previous)
    }

    /// A free block, after `take` had none.
    #[cold]
    pub(crate) fn take_slowly(&self, class: u16) -> Result<HeaderRef, AllocError> {
        let (loaded, previous) = self.pair(class);
        let (trade, size) = (self.trade(class), size_class::size_of_class(class));
        if previous.len() > 0 {
            core::mem::swap(loaded, previous);
            return self.take(class).ok_or_else(|| self.central.refuse(size));
        }
        trade.count_trip();
        if let Some(full) = self.central.swap_empty(class) {
            trade.receive(full.len());
            self.central.recycle(class, core::mem::replace(loaded, full));
        } else {
            ensure(loaded, class);
            // As many again as so far: a size that is seldom asked for is not hoarded.
            let first = self.central.fill(class, loaded, trade.received())?;
            trade.receive(loaded.len() + 1);
            self.tally(class).count_alloc();
            self.look();
            return Ok(first);
        }
        let block = self.take(class).ok_or_else(|| self.central.refuse(size));
        self.look();
        block
    }

    /// Takes a block, counted already, for which the loaded magazine has no room.
    #[cold]
    fn put_slowly(&self, block: HeaderRef) {
        let class = block.class;
        let (loaded, previous) = self.pair(class);
        let trade = self.trade(class);
        if loaded.len() > 0 {
            if previous.len() > 0 {
                let full = core::mem::take(previous);
                trade.give(full.len());
                *previous = self.central.swap_full(class, full);
            }
            core::mem::swap(loaded, previous);
        }
        ensure(loaded, class);
        if !loaded.push(block) {
            // No memory even for a magazine.
            trade.give(1);
            self.central.put_one(block);
        }
        self.look();
    }

    /// Now and then, brings the cache back to its bound: full magazines go first, as that costs one
    /// exchange each; then all that classes have, the largest first.
    fn look(&self) {
        let exchanges = self.exchanges.get().wrapping_add(1);
        self.exchanges.set(exchanges);
        if !exchanges.is_multiple_of(LOOK) {
            return;
        }
        let mut over = self.bytes().saturating_sub(self.central.config.thread_cache);
        let classes = || (0..size_class::COUNT as u16).rev();
        for (class, part) in
            classes().map(|c| (c, Part::Full)).chain(classes().map(|c| (c, Part::All)))
        {
            if over == 0 {
                return;
            }
            over = over.saturating_sub(self.flush_class(class, part));
        }
    }

    fn bytes(&self) -> usize {
        let bytes = |class| {
            let (loaded, previous) = self.pair(class);
            let top = usize::from(self.rows[class as usize].top.get().is_some());
            (top + loaded.len() + previous.len()) * size_class::size_of_class(class)
        };
        (0..size_class::COUNT as u16).map(bytes).sum()
    }

    /// Hands magazines of a class over. Returns the bytes that they held.
    fn flush_class(&self, class: u16, part: Part) -> usize {
        let mut blocks = 0;
        if part == Part::All
            && let Some(top) = self.rows[class as usize].top.take()
        {
            self.central.put_one(top);
            blocks += 1;
        }
        let (loaded, previous) = self.pair(class);
        for magazine in [previous, loaded] {
            if magazine.len() > 0 && (part == Part::All || magazine.is_full()) {
                blocks += magazine.len();
                self.central.put_all(class, core::mem::take(magazine));
            }
        }
        self.trade(class).give(blocks);
        blocks * size_class::size_of_class(class)
    }

    /// Hands everything over. Only its thread may call this (K1).
    pub(crate) fn flush(&self) {
        for class in 0..size_class::COUNT as u16 {
            self.flush_class(class, Part::All);
        }
    }
}

/// An array of defaults, without the abort when there is no memory.
fn default_array<T: Default>(len: usize) -> Option<Box<[T]>> {
    let mut array = Vec::new();
    array.try_reserve_exact(len).ok()?;
    array.resize_with(len, T::default);
    Some(array.into_boxed_slice())
}

/// Gives a dummy magazine its array, if there is memory for it.
fn ensure(magazine: &mut Magazine, class: u16) {
    if magazine.is_dummy() {
        let size = size_class::size_of_class(class);
        if let Some(new) = Magazine::try_new(rounds(size)) {
            *magazine = new;
        }
    }
}
