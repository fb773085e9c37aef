//! One thread's magazines of one pool: where a buffer comes from and goes to without any atomic
//! read-modify-write.
//!
//! A magazine of each size class that the thread uses. How many blocks it takes adapts: each trip to the
//! shared part doubles it, as long as the thread's allowance of bytes has room. When it has not, now and then
//! a class that has little takes half of others' parts. A magazine that takes a round or more trades rounds
//! with the depot; smaller ones go to the slabs, where free memory is of use to all classes.
//!
//! Rules:
//!
//! * **K1** The cells are used only by the thread that made the cache, and never re-entered: nothing in
//!   this file calls back into a cache while it holds a magazine. Other threads read the tallies only.
//! * **K2** Blocks of a magazine belong to nobody else (S1): they came out of a handle, a slab or the depot
//!   and go to one of these.
//! * **K3** `room` and what the limits of all classes amount to make the pool's `thread_cache`: the cache
//!   never holds more than that, and the one block that was freed last.
#![allow(unsafe_code, reason = "magazines in cells that only their thread opens (K1)")]

use crate::memory::header::HeaderRef;
use crate::pool::error::AllocError;
use crate::pool::observe::stats::{Counters, Transfers};
use crate::pool::observe::track::Tracker;
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::thread::magazine::{Magazine, most_of, round_of};
use core::cell::{Cell, UnsafeCell};
use std::sync::Arc;

/// The bytes that a magazine takes at first, if one block is not larger.
const FIRST: usize = 2048;

/// How often a class that takes less than a round is refused a larger part of the allowance before others
/// lose half of theirs. A class that has more waits longer: others may need it as much.
const PATIENCE: u32 = 16;

/// What each buffer of one class goes through.
#[derive(Default)]
#[repr(align(64))]
struct Row {
    loaded: UnsafeCell<Magazine>,
    counters: Counters,
}

static_assertions::const_assert_eq!(size_of::<Row>(), 64);

/// What is needed of one class now and then.
#[derive(Default)]
struct Spare {
    transfers: Transfers,
    /// How often its magazine was refused more blocks.
    refused: Cell<u32>,
}

/// More rows than there are classes, so that a class needs no check to be an index.
const ROWS: usize = size_class::COUNT.next_power_of_two();

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    /// The pool's address, as its blocks know it.
    home: *const (),
    central: Arc<Central>,
    /// The block that was freed last, of whatever class. A thread that takes one and frees it, again and
    /// again, has it here at a fixed address: behind a magazine's length, or an address that depends on the
    /// block's class, each step would wait for the last one's stores.
    last: Cell<Option<HeaderRef>>,
    rows: Box<[Row; ROWS]>,
    spares: Box<[Spare]>,
    /// Bytes that no class has been given yet (K3).
    room: Cell<usize>,
    /// The class that loses its part next.
    next_victim: Cell<u16>,
    /// Allocations since the last one that was tracked.
    unsampled: Cell<u32>,
}

// SAFETY: the cells are used by one thread alone (K1); the tallies are atomics, `home` is only compared.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Cache {
    /// An empty cache. Its magazines are allocated when they are first needed. `None` without memory
    /// for it.
    pub(crate) fn try_new(central: Arc<Central>) -> Option<Self> {
        let rows = default_array(ROWS)?.try_into().ok()?;
        let spares = default_array(size_class::COUNT)?;
        let (last, next_victim) = (Cell::new(None), Cell::new(0));
        let room = Cell::new(central.config.thread_cache);
        let unsampled = Cell::new(central.tracker.as_ref().map_or(0, Tracker::first_count));
        let home = Arc::as_ptr(&central).cast();
        Some(Self { home, central, last, rows, spares, room, next_victim, unsampled })
    }

    /// Whether it is the given pool's.
    #[inline]
    pub(crate) fn is_of(&self, home: *const ()) -> bool {
        core::ptr::eq(self.home, home)
    }

    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.central
    }

    /// Whether the next allocation is the one in `every` that is tracked.
    #[inline(always)]
    pub(crate) fn is_sample_due(&self, every: u32) -> bool {
        self.unsampled.get() + 1 >= every
    }

    /// Counts an allocation that was not tracked.
    #[inline(always)]
    pub(crate) fn count_unsampled(&self) {
        self.unsampled.set(self.unsampled.get() + 1);
    }

    /// Counts an allocation that was tracked.
    pub(crate) fn restart_sampling(&self) {
        self.unsampled.set(0);
    }

    #[inline]
    fn row(&self, class: u16) -> &Row {
        &self.rows[class as usize % ROWS]
    }

    #[inline]
    pub(crate) fn counters(&self, class: u16) -> &Counters {
        &self.row(class).counters
    }

    pub(crate) fn transfers(&self, class: u16) -> &Transfers {
        &self.spares[class as usize].transfers
    }

    /// Free blocks of a class that are here.
    pub(crate) fn cached(&self, class: u16) -> usize {
        self.transfers(class).cached(self.counters(class))
    }

    /// A free block for `size` bytes, if there is one.
    #[inline]
    pub(crate) fn take(&self, class: u16, size: usize) -> Option<HeaderRef> {
        let row = self.row(class);
        let block = match self.last.get() {
            Some(block) if block.class == class => {
                self.last.set(None);
                block
            }
            // SAFETY: K1: this thread's, and nothing else looks at it until this borrow is over.
            _ => unsafe { &mut *row.loaded.get() }.pop()?,
        };
        row.counters.count_alloc(size);
        Some(block)
    }

    /// A block that is free now.
    #[inline]
    pub(crate) fn put(&self, block: HeaderRef) {
        self.counters(block.class).count_free(block.requested());
        if let Some(before) = self.last.replace(Some(block)) {
            // SAFETY: as in `take`.
            if !unsafe { &mut *self.row(before.class).loaded.get() }.push(before) {
                self.put_slowly(before);
            }
        }
    }

    /// The magazine of a class.
    #[allow(clippy::mut_from_ref, reason = "opens a cell that is this thread's alone")]
    fn loaded(&self, class: u16) -> &mut Magazine {
        // SAFETY: K1: the callers are this file's slow paths, which use one magazine at a time and hold
        // nothing of it when they end; what they call never calls a cache.
        unsafe { &mut *self.row(class).loaded.get() }
    }

    /// A free block, after `take` had none.
    #[cold]
    pub(crate) fn take_slowly(&self, class: u16, size: usize) -> Result<HeaderRef, AllocError> {
        let transfers = self.transfers(class);
        transfers.count_refill();
        let limit = self.grow(class);
        let loaded = self.loaded(class);
        let before = loaded.len();
        let first = if limit >= round_of(size_class::size_of_class(class))
            && let Some(first) = self.central.take_round(class, loaded)
        {
            first
        } else {
            // As many again as so far: a size that is seldom asked for is not hoarded. To the half at most,
            // so that there is room to free into.
            let more = transfers.received().min(limit / 2);
            self.central.fill(class, loaded, more)?
        };
        transfers.receive(loaded.len() - before + 1);
        self.counters(class).count_alloc(size);
        Ok(first)
    }

    /// Takes a block, counted already, for which the magazine has no room.
    #[cold]
    fn put_slowly(&self, block: HeaderRef) {
        let class = block.class;
        let limit = self.grow(class);
        self.give(class, limit.div_ceil(2));
        if !self.loaded(class).push(block) {
            // The class has no part of the allowance, or there is no memory for a magazine.
            self.transfers(class).give(1);
            self.central.put_one(block);
        }
    }

    /// Makes room in a full magazine: gives a round to the depot, or up to `few` blocks to the slabs if it
    /// takes less than a round.
    fn give(&self, class: u16, few: usize) {
        let loaded = self.loaded(class);
        if loaded.has_room() || loaded.len() == 0 {
            return;
        }
        let before = loaded.len();
        let round = round_of(size_class::size_of_class(class));
        if loaded.limit() < round || !self.central.put_round(class, loaded) {
            self.central.put_oldest(class, loaded, few);
        }
        self.transfers(class).give(before - loaded.len());
    }

    /// Lets the magazine of a class take more blocks, if the allowance has room for them (K3). Returns how
    /// many it takes.
    fn grow(&self, class: u16) -> usize {
        let size = size_class::size_of_class(class);
        let loaded = self.loaded(class);
        if loaded.is_dummy() {
            *loaded = Magazine::try_for_thread().unwrap_or_default();
            loaded.set_limit(0);
        }
        let (limit, most) = (loaded.limit(), most_of(size));
        if limit == most || loaded.is_dummy() {
            return limit;
        }
        let next = (limit * 2).max(FIRST / size).clamp(1, most);
        let more = (next - limit) * size;
        if more > self.room.get() {
            let refused = &self.spares[class as usize].refused;
            let patience = if limit < round_of(size) { PATIENCE } else { 64 * PATIENCE };
            refused.set((refused.get() + 1) % patience);
            if refused.get() > 0 || !self.displace(class, more) {
                return limit;
            }
        }
        self.room.set(self.room.get() - more);
        self.loaded(class).set_limit(next);
        next
    }

    /// Takes half of the parts of other classes away, in turn, until there is room for so many bytes:
    /// whether there is. Takes nothing where that would not do.
    fn displace(&self, class: u16, bytes: usize) -> bool {
        let others = || (0..size_class::COUNT as u16).filter(|&other| other != class);
        let half = |class: u16| self.loaded(class).limit() / 2;
        let part =
            |class| (self.loaded(class).limit() - half(class)) * size_class::size_of_class(class);
        if bytes > self.room.get() + others().map(part).sum::<usize>() {
            return false;
        }
        while bytes > self.room.get() {
            let victim = self.next_victim.get();
            self.next_victim.set((victim + 1) % size_class::COUNT as u16);
            if victim != class {
                self.shrink(victim, half(victim));
            }
        }
        true
    }

    /// Lets the magazine of a class take no more than `limit` blocks, and hands over what is beyond that.
    fn shrink(&self, class: u16, limit: usize) {
        let loaded = self.loaded(class);
        let freed = (loaded.limit() - limit) * size_class::size_of_class(class);
        self.room.set(self.room.get() + freed);
        loaded.set_limit(limit);
        let beyond = loaded.len().saturating_sub(limit);
        self.transfers(class).give(beyond);
        self.central.put_oldest(class, loaded, beyond);
    }

    /// Hands everything over. Only its thread may call this (K1).
    pub(crate) fn flush(&self) {
        if let Some(last) = self.last.take() {
            self.transfers(last.class).give(1);
            self.central.put_one(last);
        }
        for class in 0..size_class::COUNT as u16 {
            self.shrink(class, 0);
            *self.loaded(class) = Magazine::default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;

    /// A class whose blocks have no room in the allowance costs the others nothing.
    #[test]
    fn a_part_that_can_not_be_had_is_taken_from_nobody() {
        let pool = Pool::builder().thread_cache(64 * 1024).build();
        let cache = Cache::try_new(Arc::clone(pool.central())).unwrap();
        let (small, large) = (size_class::class_of(1000), size_class::class_of(70_000));
        let take = |class, size| {
            cache.take(class, size).unwrap_or_else(|| cache.take_slowly(class, size).unwrap())
        };
        let transfers = |class, size| {
            let held: Vec<_> = (0..60).map(|_| take(class, size)).collect();
            held.into_iter().for_each(|block| cache.put(block));
        };
        let few = if cfg!(miri) { 1 } else { 5 };
        (0..2 * few).for_each(|_| transfers(small, 1000));
        let limit = cache.loaded(small).limit();
        assert!(limit >= 16, "{limit}");
        (0..2 * few).for_each(|_| transfers(large, 70_000));
        assert_eq!(cache.loaded(small).limit(), limit);
        assert_eq!(cache.loaded(large).limit(), 0);
        // One that can be had is.
        (0..4 * few).for_each(|_| transfers(size_class::class_of(4000), 4000));
        assert!(cache.loaded(size_class::class_of(4000)).limit() > 0);
        cache.flush();
    }
}
