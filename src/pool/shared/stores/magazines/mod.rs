//! One thread's free blocks of one pool: a magazine for each size class that the thread uses.
//!
//! The thread takes and puts blocks without an atomic read-modify-write. Another thread can take all blocks away
//! while the owner does nothing with them: when a limit is reached, when the thread has been idle for a while, and
//! when the pool closes.
//!
//! * **M1** The cells are used only as K1 of `exclusion` says: the owner has entered, or another thread
//!   has stopped it. Code that has entered never calls into another `Magazines` of the same thread.
//! * **M2** Blocks of a magazine belong to no other place (P1).
#![allow(unsafe_code, reason = "cells that one thread at a time opens (M1)")]

mod open;

pub(crate) use open::Open;

use crate::memory::header::HeaderRef;
use crate::pool::pages::size_class::{self, size_of_class};
use crate::pool::shared::coordination::exclusion::Exclusion;
use crate::pool::tuning::{FIRST_ALLOWANCE, MAX_MAGAZINE, MAX_MAGAZINE_BYTES, SPINS_FOR_CACHE};
use crate::sync::{AtomicPtr, Ordering};
use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Returns the most blocks of `size` bytes that a magazine takes.
pub(crate) const fn most_of(size: usize) -> usize {
    let n = MAX_MAGAZINE_BYTES / size;
    if n < 2 {
        2
    } else if n > MAX_MAGAZINE {
        MAX_MAGAZINE
    } else {
        n
    }
}

/// A counter with one writer; all may read. Nothing is ordered by it, so all is `Relaxed`.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds, where no other thread writes.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The magazine of one class: an array of free blocks, last in, first out.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Magazine {
    /// Has places for `limit` blocks at least.
    blocks: UnsafeCell<Vec<HeaderRef>>,
    /// The number of blocks that it takes for now.
    limit: AtomicU32,
    /// The number of times that it was refused a larger limit.
    pub(crate) refused: Cell<u32>,
    /// The number of blocks that it gave since it last needed one.
    pub(crate) given_in_a_row: Cell<u32>,
    /// The low bits of `takes` when it last ran empty or full.
    pub(crate) takes_at_miss: Cell<u32>,
    /// Blocks that were taken out one by one.
    pub(crate) takes: Counter,
    /// Blocks that came from the shared part, and went there.
    pub(crate) received: Counter,
    pub(crate) given: Counter,
}

// The owner changes it for each block: it has a cache line of its own.
#[cfg(all(target_pointer_width = "64", not(shuttle)))]
static_assertions::const_assert_eq!(size_of::<Magazine>(), 64);

/// The number of classes whose magazines are allocated together: few, for pools that are hardly used.
const GROUP: usize = 8;
const GROUPS: usize = size_class::COUNT.div_ceil(GROUP);

type Group = [Magazine; GROUP];

/// A thread's free blocks of one pool.
#[repr(align(64))]
pub(crate) struct Magazines {
    /// Decides which thread may use the cells; the key is the pool's address.
    exclusion: Exclusion,
    /// The block that was freed last, of whatever class. A thread that takes one and frees it, again and again, has it
    /// here at a fixed address: a magazine would make each step wait for the stores of the one before.
    last: Cell<Option<HeaderRef>>,
    /// Blocks that were taken from `last`.
    hits: Counter,
    groups: [AtomicPtr<Group>; GROUPS],
    /// Refills, summed over all classes.
    pub(crate) refills: Counter,
    /// Bytes that no magazine has been given.
    pub(crate) unassigned: Cell<usize>,
    /// The bytes that the magazines may take for now.
    pub(crate) granted: Cell<usize>,
    /// What [`activity`](Self::activity) was when the purger last looked.
    pub(crate) seen: AtomicU64,
    pool: *mut (),
    /// The most bytes that the magazines may take.
    pub(crate) allowance: usize,
}

// SAFETY: the cells are used by one thread at a time, in an order (M1, K3); the rest is atomic or never written.
unsafe impl Send for Magazines {}
// SAFETY: as above.
unsafe impl Sync for Magazines {}

/// The owner has entered, until this is dropped.
struct Entered<'a>(&'a Exclusion);

impl Drop for Entered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Magazines {
    /// Returns empty magazines of a pool, which may take at most `allowance` bytes. The owner must [`activate`](Self::activate)
    /// them.
    pub(crate) fn new(pool: *const (), allowance: usize) -> Self {
        Self {
            exclusion: Exclusion::new(),
            last: Cell::new(None),
            hits: Counter::default(),
            groups: [const { AtomicPtr::new(core::ptr::null_mut()) }; GROUPS],
            refills: Counter::default(),
            unassigned: Cell::new(allowance.min(FIRST_ALLOWANCE)),
            granted: Cell::new(allowance.min(FIRST_ALLOWANCE)),
            seen: AtomicU64::new(0),
            pool: pool.cast_mut(),
            allowance,
        }
    }

    // ---- the owner ----

    /// Begins to use the cells, if they are active and of the given pool.
    #[inline(always)]
    fn enter(&self, pool: *const ()) -> Option<Entered<'_>> {
        let may = self.exclusion.enter(pool);
        let entered = Entered(&self.exclusion);
        may.then_some(entered)
    }

    /// Lets the owner use the cells again, if no other thread does. Only the owner may call this.
    pub(crate) fn activate(&self) -> bool {
        self.exclusion.activate(self.pool)
    }

    /// Returns whether the owner must [`activate`](Self::activate) them.
    pub(crate) fn is_dormant(&self) -> bool {
        self.exclusion.is_dormant()
    }

    #[inline(always)]
    fn magazine(&self, class: u8) -> Option<&Magazine> {
        // Acquire pairs with the store in `open`, for threads that read the counters.
        let group = self.groups[class as usize / GROUP].load(Ordering::Acquire);
        // SAFETY: null, or a leaked box that lives as long as `self`.
        let group = unsafe { group.as_ref() }?;
        Some(&group[class as usize % GROUP])
    }

    /// Takes a free block of a class, if there is one.
    #[inline(always)]
    pub(crate) fn take(&self, pool: *const (), class: u8) -> Option<HeaderRef> {
        let _entered = self.enter(pool)?;
        match self.last.get() {
            Some(block) if block.class == class => {
                self.last.set(None);
                self.hits.add(1);
                Some(block)
            }
            _ => {
                let magazine = self.magazine(class)?;
                // SAFETY: M1: this thread has entered, and no other borrow of the array exists.
                let block = unsafe { &mut *magazine.blocks.get() }.pop()?;
                magazine.takes.add(1);
                Some(block)
            }
        }
    }

    /// Puts a free block. Returns one that does not fit: this one, or the one that was freed before it.
    #[inline(always)]
    pub(crate) fn put(&self, pool: *const (), block: HeaderRef) -> Result<(), HeaderRef> {
        let Some(_entered) = self.enter(pool) else { return Err(block) };
        let Some(before) = self.last.replace(Some(block)) else { return Ok(()) };
        if let Some(magazine) = self.magazine(before.class)
            && magazine.push(before)
        {
            return Ok(());
        }
        Err(before)
    }

    // ---- other threads ----

    /// Takes all blocks out and calls `put` with those of each class, unless the owner uses the cells at this moment:
    /// returns whether it did. The owner must [`activate`](Self::activate) them afterwards.
    pub(crate) fn take_all(
        &self,
        mut put: impl FnMut(u8, &mut dyn Iterator<Item = HeaderRef>),
    ) -> bool {
        let Some(_stopped) = self.exclusion.stop(SPINS_FOR_CACHE) else { return false };
        for (class, magazine) in self.all() {
            // SAFETY: M1: the owner is stopped.
            let blocks = core::mem::take(unsafe { &mut *magazine.blocks.get() });
            magazine.limit.store(0, Relaxed);
            magazine.given.add(blocks.len() as u64);
            if !blocks.is_empty() {
                put(class, &mut blocks.into_iter());
            }
        }
        if let Some(last) = self.last.take() {
            if let Some(magazine) = self.magazine(last.class) {
                magazine.given.add(1);
            }
            put(last.class, &mut core::iter::once(last));
        }
        self.unassigned.set(self.granted.get());
        true
    }

    /// Keeps the owner from entering for good, without waiting for it to leave: it finds out at its next operation.
    pub(crate) fn retire(&self) {
        self.exclusion.retire();
    }

    /// Returns a number that changes when the owner does something.
    pub(crate) fn activity(&self) -> u64 {
        let of = |magazine: &Magazine| {
            magazine.takes.get() + magazine.given.get() + magazine.received.get()
        };
        self.all().fold(self.hits.get(), |sum, (_, magazine)| sum.wrapping_add(of(magazine)))
    }

    fn all(&self) -> impl Iterator<Item = (u8, &Magazine)> {
        (0..size_class::COUNT as u8).filter_map(|class| Some((class, self.magazine(class)?)))
    }

    /// Returns the number of blocks that were taken.
    pub(crate) fn allocations(&self) -> u64 {
        self.all().map(|(_, magazine)| magazine.takes.get()).sum::<u64>() + self.hits.get()
    }

    /// Returns an estimate of the bytes of free blocks: what the magazines may take.
    pub(crate) fn assigned(&self) -> usize {
        self.all().map(|(class, magazine)| magazine.limit() * size_of_class(class)).sum()
    }

    /// Calls `f` with the number of blocks of each class, and what was last asked for of them; not if the owner uses them
    /// at this moment.
    pub(crate) fn look(&self, mut f: impl FnMut(u8, usize, usize)) {
        let Some(stopped) = self.exclusion.stop(SPINS_FOR_CACHE) else { return };
        for (class, magazine) in self.all() {
            // SAFETY: M1: the owner is stopped.
            let blocks = unsafe { &*magazine.blocks.get() };
            f(class, blocks.len(), blocks.iter().map(|block| block.slab_requested()).sum());
        }
        if let Some(last) = self.last.get() {
            f(last.class, 1, last.slab_requested());
        }
        stopped.undo();
    }

    /// Returns the counters of a class: blocks received and given.
    pub(crate) fn flows(&self, class: u8) -> (u64, u64) {
        self.magazine(class).map_or((0, 0), |m| (m.received.get(), m.given.get()))
    }
}

impl Drop for Magazines {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Some(group) = NonNull::new(group.load(Ordering::Acquire)) {
                // SAFETY: a box that `add_group` leaked.
                drop(unsafe { Box::from_raw(group.as_ptr()) });
            }
        }
    }
}

impl Magazine {
    /// Returns the number of blocks that it takes.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed) as usize
    }

    /// Adds a block if it takes one more. The caller has entered (M1).
    #[inline(always)]
    fn push(&self, block: HeaderRef) -> bool {
        // SAFETY: M1: the callers have entered, and no other borrow of the array exists.
        let blocks = unsafe { &mut *self.blocks.get() };
        if blocks.len() >= self.limit() {
            return false;
        }
        let len = blocks.len();
        // SAFETY: there are places for `limit` blocks.
        let place = unsafe { blocks.as_mut_ptr().add(len) };
        // SAFETY: as above.
        unsafe { place.write(block) };
        // SAFETY: the place was just written.
        unsafe { blocks.set_len(len + 1) };
        true
    }
}
