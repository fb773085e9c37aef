//! One thread's free blocks of one pool: a magazine for each size class that the thread uses.
//!
//! The thread takes and puts blocks without an atomic read-modify-write. Another thread can take all blocks out
//! while the owner does not use the magazines: when a limit is reached, when the owner has been idle for a period, and
//! when the pool closes.
//!
//! * **M1** The cells are used only as K1 of `exclusion` requires: by the owner that has entered, or by a thread that
//!   has stopped the owner. Code that has entered never calls into another `Magazines` of the same thread.
//! * **M2** Blocks of a magazine belong to no other place (P1).
#![allow(unsafe_code, reason = "cells that one thread at a time opens (M1)")]

mod open;

pub(crate) use open::Open;

use crate::memory::header::HeaderRef;
use crate::pool::pages::size_class::{self, size_of_class};
use crate::pool::shared::coordination::exclusion::{Exclusion, Stopped};
use crate::pool::tuning::{FIRST_ALLOWANCE, MAX_MAGAZINE, MAX_MAGAZINE_BYTES, SPINS_FOR_CACHE};
use crate::sync::{AtomicPtr, Ordering};
use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Returns the maximum number of blocks of `size` bytes in a magazine.
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

/// A counter with one writer and any number of readers. All accesses are `Relaxed`, as they order no others.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only one thread at a time may call this.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The magazine of one class: a stack of free blocks.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Magazine {
    /// The blocks. The capacity is at least `limit`.
    blocks: UnsafeCell<Vec<HeaderRef>>,
    /// The current maximum number of blocks.
    limit: AtomicU32,
    /// The number of times that the magazine was refused a larger limit.
    pub(crate) refused: Cell<u32>,
    /// The number of blocks given to the shared part since the last refill.
    pub(crate) given_in_a_row: Cell<u32>,
    /// The low bits of `takes` when the magazine last ran empty or full.
    pub(crate) takes_at_miss: Cell<u32>,
    /// The number of blocks that the owner took for allocations.
    pub(crate) takes: Counter,
    /// The numbers of blocks that came from the shared part, and that went there.
    pub(crate) received: Counter,
    pub(crate) given: Counter,
}

// The owner changes a magazine for each block, so each magazine has a separate cache line.
#[cfg(all(target_pointer_width = "64", not(shuttle)))]
static_assertions::const_assert_eq!(size_of::<Magazine>(), 64);

/// The number of classes whose magazines are allocated together: few, as many pools use few classes.
const GROUP: usize = 8;
const GROUPS: usize = size_class::COUNT.div_ceil(GROUP);

type Group = [Magazine; GROUP];

/// A thread's free blocks of one pool.
#[repr(align(64))]
pub(crate) struct Magazines {
    /// Decides which thread may use the cells; the key is the pool's address.
    exclusion: Exclusion,
    /// The block that was freed last, of any class. It serves a thread that repeatedly takes and frees one block,
    /// from a fixed address: with a magazine each step would wait for the stores of the step before.
    last: Cell<Option<HeaderRef>>,
    /// The number of blocks that were taken from `last`.
    hits: Counter,
    groups: [AtomicPtr<Group>; GROUPS],
    /// The number of refills of all classes.
    pub(crate) refills: Counter,
    /// The bytes of the allowance that are in no magazine's limit.
    pub(crate) unassigned: Cell<usize>,
    /// The current maximum bytes of the magazines together.
    pub(crate) allowance: Cell<usize>,
    /// The value of [`activity`](Self::activity) when the purger last read it.
    pub(crate) seen: AtomicU64,
    /// The number of these magazines in the registry of their pool; 0 before they are registered.
    pub(crate) number: AtomicU64,
    pool: *mut (),
    /// The maximum of `allowance`.
    pub(crate) max_allowance: usize,
}

// SAFETY: one thread at a time uses the cells, and its accesses happen before those of the next one (M1, K3); the
// other fields are atomic or never written.
unsafe impl Send for Magazines {}
// SAFETY: as above.
unsafe impl Sync for Magazines {}

/// A use of the cells by the owner. Dropping this ends the use.
struct Entered<'a>(&'a Exclusion);

impl Drop for Entered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Magazines {
    /// Returns empty magazines for a pool, of at most `max_allowance` bytes. The owner must
    /// [`activate`](Self::activate) them.
    pub(crate) fn new(pool: *const (), max_allowance: usize) -> Self {
        Self {
            exclusion: Exclusion::new(),
            last: Cell::new(None),
            hits: Counter::default(),
            groups: [const { AtomicPtr::new(core::ptr::null_mut()) }; GROUPS],
            refills: Counter::default(),
            unassigned: Cell::new(max_allowance.min(FIRST_ALLOWANCE)),
            allowance: Cell::new(max_allowance.min(FIRST_ALLOWANCE)),
            seen: AtomicU64::new(0),
            number: AtomicU64::new(0),
            pool: pool.cast_mut(),
            max_allowance,
        }
    }

    // ---- the owner ----

    /// Begins a use of the cells, if the magazines are active and of the given pool.
    #[inline(always)]
    fn enter(&self, pool: *const ()) -> Option<Entered<'_>> {
        let may = self.exclusion.enter(pool);
        let entered = Entered(&self.exclusion);
        may.then_some(entered)
    }

    /// Lets the owner use the cells again, if no other thread uses them. Returns whether it may. Only the owner may
    /// call this, under the lock of the registry (F3).
    pub(crate) fn activate(&self) -> bool {
        self.exclusion.activate(self.pool)
    }

    /// Returns whether the owner must [`activate`](Self::activate) the magazines before it can use them.
    pub(crate) fn is_dormant(&self) -> bool {
        self.exclusion.is_dormant()
    }

    /// As [`take_all`](Self::take_all), for the owner. Waits for another thread that uses the cells at this moment.
    pub(crate) fn take_own(&self, put: impl FnMut(u8, &mut dyn Iterator<Item = HeaderRef>)) {
        self.take_out(&self.exclusion.stop_own(), put);
    }

    #[inline(always)]
    fn magazine(&self, class: u8) -> Option<&Magazine> {
        // Acquire: pairs with the store in `add_group`, for threads that read the counters.
        let group = self.groups[class as usize / GROUP].load(Ordering::Acquire);
        // SAFETY: null, or a leaked box that exists as long as `self`.
        let group = unsafe { group.as_ref() }?;
        Some(&group[class as usize % GROUP])
    }

    /// Takes a free block for `size` bytes, if there is one, and sets its requested length.
    #[inline(always)]
    pub(crate) fn take(&self, pool: *const (), size: usize) -> Option<HeaderRef> {
        let _entered = self.enter(pool)?;
        let last = self.last.get();
        // For the length that it had before, which is not zero, the block needs no change and no class.
        if let Some(block) = last.filter(|block| block.slab_requested() == size) {
            self.last.set(None);
            self.hits.add(1);
            return Some(block);
        }
        let class = size_class::look_up(size)?;
        let block = match last {
            Some(block) if block.class == class => {
                self.last.set(None);
                self.hits.add(1);
                block
            }
            _ => {
                let magazine = self.magazine(class)?;
                // SAFETY: M1: this thread has entered, and no other borrow of the array exists.
                let block = unsafe { &mut *magazine.blocks.get() }.pop()?;
                magazine.takes.add(1);
                block
            }
        };
        block.set_slab_requested(size);
        Some(block)
    }

    /// Puts a free block. If there is no space, returns a block that does not fit: this one, or the one freed before
    /// it.
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

    /// Takes all blocks out and calls `put` with those of each class. Returns `false`, without a change, if the owner
    /// uses the cells at this moment. The owner must [`activate`](Self::activate) the magazines to use them again.
    pub(crate) fn take_all(
        &self,
        put: impl FnMut(u8, &mut dyn Iterator<Item = HeaderRef>),
    ) -> bool {
        let Some(stopped) = self.exclusion.stop(SPINS_FOR_CACHE) else { return false };
        self.take_out(&stopped, put);
        true
    }

    fn take_out(
        &self,
        _stopped: &Stopped<'_>,
        mut put: impl FnMut(u8, &mut dyn Iterator<Item = HeaderRef>),
    ) {
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
        self.unassigned.set(self.allowance.get());
    }

    /// Prevents the owner from using the magazines again, without waiting for a use that has begun.
    pub(crate) fn retire(&self) {
        self.exclusion.retire();
    }

    /// Returns a number that changes when the owner takes a block, or exchanges blocks with the shared part.
    pub(crate) fn activity(&self) -> u64 {
        let of = |magazine: &Magazine| {
            magazine.takes.get() + magazine.given.get() + magazine.received.get()
        };
        self.all().fold(self.hits.get(), |sum, (_, magazine)| sum.wrapping_add(of(magazine)))
    }

    fn all(&self) -> impl Iterator<Item = (u8, &Magazine)> {
        (0..size_class::COUNT as u8).filter_map(|class| Some((class, self.magazine(class)?)))
    }

    /// Returns the number of blocks that the owner took.
    pub(crate) fn allocations(&self) -> u64 {
        self.all().map(|(_, magazine)| magazine.takes.get()).sum::<u64>() + self.hits.get()
    }

    /// Returns the sum of the magazines' limits in bytes, as an estimate of the bytes of free blocks.
    pub(crate) fn assigned(&self) -> usize {
        self.all().map(|(class, magazine)| magazine.limit() * size_of_class(class)).sum()
    }

    /// Calls `f` with the number of blocks of each class and the sum of their last requested lengths. Does nothing if
    /// the owner uses the magazines at this moment.
    pub(crate) fn read_contents(&self, mut f: impl FnMut(u8, usize, usize)) {
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

    /// Returns the numbers of blocks of a class that came from the shared part, and that went there.
    pub(crate) fn flows(&self, class: u8) -> (u64, u64) {
        self.magazine(class).map_or((0, 0), |m| (m.received.get(), m.given.get()))
    }
}

impl Drop for Magazines {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Some(group) = NonNull::new(group.load(Ordering::Acquire)) {
                // SAFETY: a box that `add_group` leaked, freed only here.
                drop(unsafe { Box::from_raw(group.as_ptr()) });
            }
        }
    }
}

impl Magazine {
    /// Returns the current maximum number of blocks.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed) as usize
    }

    /// Adds a block if the magazine is not full. Returns whether it did. The caller has entered (M1).
    #[inline(always)]
    fn push(&self, block: HeaderRef) -> bool {
        // SAFETY: M1: the caller has entered, and no other borrow of the array exists.
        let blocks = unsafe { &mut *self.blocks.get() };
        if blocks.len() >= self.limit() {
            return false;
        }
        let len = blocks.len();
        // SAFETY: the capacity is at least `limit`, and `len` is less.
        let place = unsafe { blocks.as_mut_ptr().add(len) };
        // SAFETY: as above.
        unsafe { place.write(block) };
        // SAFETY: the place was just written.
        unsafe { blocks.set_len(len + 1) };
        true
    }
}
