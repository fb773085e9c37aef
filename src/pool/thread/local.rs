//! Thread-local storage: a thread's reference cache, and its caches for the pools that it uses.
//!
//! Rules:
//!
//! * **L1** `LOCAL` has no destructor, so it can be used in all other destructors of the thread, and it costs one address.
//!   `GUARD` has one: it gives back all that the thread holds and closes `LOCAL`.
//! * **L2** The places of `recent` and of `table` have caches that `GUARD` owns, or are vacant. They are cleared before
//!   `GUARD` frees a cache, and set again when the table has changed.
//! * **L3** Only an open `LOCAL` has references or caches. A closed one stays closed: the blocks that the thread frees
//!   later return by atomics and locks.
#![allow(
    unsafe_code,
    reason = "follows the pointers of `recent` and `table`, and owns caches by pointer (L2)"
)]

use crate::memory::count::Remaining;
use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::{CachedCounts, RefCache, Released};
use crate::memory::try_box::try_box;
use crate::pool::error::AllocError;
use crate::pool::observe::track::Tracker;
use crate::pool::shared::central::{Central, pool_of};
use crate::pool::thread::cache::Cache;
use crate::pool::thread::free::free_by;
use crate::pool::thread::table::{self, Place, Table};
use crate::pool::tuning::FOREIGN_FREES_BEFORE_CACHE;
use crate::sync::thread_local;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Closed,
}

/// The places of no table.
const NO_PLACES: *const [Place] = core::ptr::from_ref(&[]);

/// The number of caches that are found without a search in the table.
const RECENT: usize = 4;

/// The number of uses of others than the first, after which one of them takes its place.
const USES_BEFORE_FIRST: u32 = 256;

struct Local {
    /// The caches that were used last, so that pools in turn need no search. The first one is tried without a look at
    /// its pool. Pools in turn do not change places: a load soon after a store to the same place waits for the address of
    /// each store in between (measured: 4.9 ns instead of 4.3 for alloc + drop of two pools in turn).
    recent: [Cell<Place>; RECENT],
    /// Uses of other caches than the first, modulo 2^32.
    uses_of_others: Cell<u32>,
    refs: RefCache<HeaderRef>,
    state: Cell<State>,
    foreign_frees: Cell<u32>,
    /// The places of `GUARD`'s table (L2).
    table: Cell<*const [Place]>,
}

#[cfg(not(shuttle))]
thread_local! {
    static LOCAL: Local = const { Local::new() };
}

// There all have destructors, which run in the order of the first uses (L1).
#[cfg(shuttle)]
thread_local! {
    static LOCAL: Local = {
        GUARD.with(|_| ());
        Local::new()
    };
}

thread_local! {
    static GUARD: Guard = const { Guard { caches: RefCell::new(Caches::new()) } };
}

/// The numbers of cached references of all threads with an open `LOCAL`.
static ALL_COUNTS: Mutex<Vec<CountsRef>> = Mutex::new(Vec::new());

struct CountsRef(NonNull<CachedCounts>);

// SAFETY: `CachedCounts` is `Sync`; a thread removes its own from the list before its storage ends.
unsafe impl Send for CountsRef {}

fn all_counts() -> MutexGuard<'static, Vec<CountsRef>> {
    ALL_COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the addresses of the headers to which threads cache references, in order, and how many.
pub(crate) fn cached_references() -> Vec<(usize, u32)> {
    let mut sums = std::collections::HashMap::<usize, u32>::new();
    for counts in all_counts().iter() {
        // SAFETY: it is in the list, which is locked.
        unsafe { counts.0.as_ref() }.for_each(|address, references| {
            *sums.entry(address).or_default() += references;
        });
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}

/// Lets `f` use the thread's storage.
#[inline(always)]
fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    // `LocalKey::with` is inlined for so small a closure; with `f` itself it would be a call, its captures in memory,
    // for each block that is taken or put.
    let local = LOCAL.with(core::ptr::from_ref);
    // SAFETY: L1: it exists as long as its thread runs, and `f` can't keep it nor give it to another thread.
    f(unsafe { &*local })
}

/// The caches of this thread.
struct Guard {
    caches: RefCell<Caches>,
}

/// Caches, one for each pool.
struct Caches {
    table: Table,
    /// The number of caches at which those of closed pools are freed.
    sweep_at: usize,
}

impl Caches {
    const fn new() -> Self {
        Self { table: Table::new(), sweep_at: 16 }
    }

    /// Takes a cache out for which `is_over` holds, as [`Table::take_next`] does.
    fn take_next(
        &mut self,
        from: &mut usize,
        is_over: &dyn Fn(&Cache) -> bool,
    ) -> Option<NonNull<Cache>> {
        // SAFETY: L2: a cache of the table.
        self.table.take_next(from, |cache| is_over(unsafe { cache.as_ref() }))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        with(|local| {
            local.state.set(State::Closed);
            local.forget_caches();
            local.refs.flush(free_shared);
            all_counts().retain(|counts| counts.0 != NonNull::from(local.refs.counts()));
        });
        let mut from = 0;
        while let Some(cache) = self.caches.get_mut().take_next(&mut from, &|_| true) {
            end(cache);
        }
    }
}

/// Frees a cache to which no place of this thread's storage points.
fn end(cache: NonNull<Cache>) {
    // SAFETY: L2: a leaked box, which only the caller knows.
    let of = unsafe { cache.as_ref() };
    // Another thread takes the blocks back, or looks at them, for a moment at most.
    while !of.flush() {
        crate::sync::thread::yield_now();
    }
    of.central().unregister(&of.magazines);
    // SAFETY: as above; the pool does not know the magazines any more.
    drop(unsafe { Box::from_raw(cache.as_ptr()) });
}

impl Local {
    const fn new() -> Self {
        Self {
            recent: [const { Cell::new(Place::VACANT) }; RECENT],
            uses_of_others: Cell::new(0),
            refs: RefCache::new(),
            state: Cell::new(State::New),
            foreign_frees: Cell::new(0),
            table: Cell::new(NO_PLACES),
        }
    }

    fn forget_caches(&self) {
        self.recent.iter().for_each(|recent| recent.set(Place::VACANT));
        self.table.set(NO_PLACES);
    }

    /// Opens on first use, so that `GUARD` will run.
    fn is_open(&self) -> bool {
        if self.state.get() == State::New && GUARD.try_with(|_| ()).is_ok() && self.publish() {
            self.state.set(State::Open);
        }
        self.state.get() == State::Open
    }

    /// Lets other threads count the references that are cached here. Returns whether there was memory for it.
    fn publish(&self) -> bool {
        let mut all = all_counts();
        if all.try_reserve(1).is_err() {
            return false;
        }
        all.push(CountsRef(NonNull::from(self.refs.counts())));
        true
    }

    /// Returns the cache of a place.
    #[inline(always)]
    fn at(&self, place: Place) -> Option<&Cache> {
        // SAFETY: null, or a cache that `GUARD` owns while a place has it (L2).
        unsafe { place.cache.as_ref() }
    }

    /// Returns the first of the recent caches, of whatever pool.
    #[inline(always)]
    fn first(&self) -> Option<&Cache> {
        self.at(self.recent[0].get())
    }

    /// Returns the cache of a pool, if this thread has one.
    fn of(&self, home: *const ()) -> Option<&Cache> {
        if self.recent[0].get().is_of(home) { self.first() } else { self.of_other(home) }
    }

    /// As [`of`](Self::of), for a pool that is not the first of the recent ones.
    #[inline]
    fn of_other(&self, home: *const ()) -> Option<&Cache> {
        let mut others = self.recent[1..].iter();
        let Some(other) = others.find(|place| place.get().is_of(home)) else {
            return self.find(home);
        };
        let uses = self.uses_of_others.get().wrapping_add(1);
        self.uses_of_others.set(uses);
        if uses.is_multiple_of(USES_BEFORE_FIRST) {
            self.recent[0].swap(other);
            return self.first();
        }
        self.at(other.get())
    }

    /// As [`take`], where the first of the recent caches gave no block.
    #[inline(never)]
    fn take_from_other(&self, home: *const (), class: u8) -> Option<HeaderRef> {
        if self.recent[0].get().is_of(home) {
            return None;
        }
        self.of_other(home)?.magazines.take(home, class)
    }

    /// As [`of`](Self::of), for a pool that is not among the recent ones, and is then the first of them.
    #[cold]
    fn find(&self, home: *const ()) -> Option<&Cache> {
        // SAFETY: L2: `GUARD`'s places, which change only while no reference to them exists.
        let mut place = table::find(unsafe { &*self.table.get() }, home)?;
        let found = self.at(place);
        self.recent.iter().for_each(|recent| place = recent.replace(place));
        found
    }

    /// Gives this thread a cache for a pool. Frees those of closed pools now and then.
    fn get_or_create(&self, central: &Arc<Central>) -> Option<&Cache> {
        let home = Arc::as_ptr(central).cast();
        if let Some(cache) = self.of(home) {
            return Some(cache);
        }
        if central.is_closed() || !self.is_open() {
            return None;
        }
        let cache = NonNull::from(Box::leak(try_box(Cache::new(Arc::clone(central)))?));
        // SAFETY: just leaked; `end` unregisters it before it is freed.
        let of = unsafe { cache.as_ref() };
        // SAFETY: as above.
        let registered = unsafe { central.register(&of.magazines) };
        let is_full = |guard: &Guard| {
            let caches = guard.caches.borrow();
            caches.table.len() >= caches.sweep_at
        };
        if GUARD.try_with(is_full).unwrap_or(false) {
            self.end_caches(&|cache| cache.central().is_closed());
        }
        let add = |guard: &Guard| {
            let mut caches = guard.caches.borrow_mut();
            let added = registered && caches.table.add(home, cache);
            self.table.set(caches.table.places());
            added
        };
        if !GUARD.try_with(add).unwrap_or(false) {
            end(cache);
        }
        self.of(home)
    }

    /// Frees the caches for which `is_over` holds.
    fn end_caches(&self, is_over: &dyn Fn(&Cache) -> bool) {
        self.forget_caches();
        let mut from = 0;
        let mut next = |guard: &Guard| guard.caches.borrow_mut().take_next(&mut from, is_over);
        while let Ok(Some(cache)) = GUARD.try_with(&mut next) {
            end(cache);
        }
        let _ = GUARD.try_with(|guard| {
            let mut caches = guard.caches.borrow_mut();
            caches.table.rehash();
            caches.sweep_at = 16.max(2 * caches.table.len());
            self.table.set(caches.table.places());
        });
    }
}

/// Returns a free block of a pool, if this thread's cache has one.
#[inline(always)]
pub(crate) fn take(central: &Arc<Central>, class: u8) -> Option<HeaderRef> {
    let home = Arc::as_ptr(central).cast();
    with(|local| match local.first()?.magazines.take(home, class) {
        Some(block) => Some(block),
        None => local.take_from_other(home, class),
    })
}

/// Returns a free block of a pool, after `take` had none.
#[cold]
pub(crate) fn take_slowly(central: &Arc<Central>, class: u8) -> Result<HeaderRef, AllocError> {
    let home = Arc::as_ptr(central).cast();
    with(|local| {
        let Some(cache) = local.of(home).or_else(|| local.get_or_create(central)) else {
            let block = central.take_one(class)?;
            central.count_allocation();
            return Ok(block);
        };
        if let Some(block) = cache.magazines.take(home, class) {
            return Ok(block);
        }
        // Blocks that only this thread's cached references keep are better than new ones (B2).
        local.refs.flush(free);
        cache.magazines.take(home, class).map_or_else(|| cache.refill(class), Ok)
    })
}

/// Puts a slab's block that has no extension into this thread's cache, or elsewhere.
#[inline(always)]
pub(crate) fn put(block: HeaderRef) {
    with(|local| {
        let home = block.plain_home();
        let rest = match local.first() {
            Some(cache) => cache.magazines.put(home, block),
            None => Err(block),
        };
        if let Err(rest) = rest {
            put_slowly(local, rest);
        }
    });
}

#[inline(never)]
fn put_slowly(local: &Local, block: HeaderRef) {
    let home = block.plain_home();
    let is_first = local.recent[0].get().is_of(home);
    if let Some(cache) = if is_first { local.first() } else { local.of_other(home) } {
        // The magazine of another cache was not tried yet.
        let rest = if is_first { Err(block) } else { cache.magazines.put(home, block) };
        if let Err(rest) = rest {
            cache.put_slowly(rest);
        }
        return;
    }
    let central = pool_of(block);
    let frees = local.foreign_frees.get().wrapping_add(1);
    local.foreign_frees.set(frees);
    if frees.is_multiple_of(FOREIGN_FREES_BEFORE_CACHE)
        && let Some(cache) = local.get_or_create(&central)
    {
        return cache.put_slowly(block);
    }
    put_shared(&central, block);
}

fn put_shared(central: &Arc<Central>, block: HeaderRef) {
    central.count_foreign_free(block);
    central.put_one(block);
}

/// Returns a block to where it came from. The caller owns it exclusively.
#[cold]
pub(crate) fn free(block: HeaderRef) {
    free_by(block, put);
}

/// As [`free`], past this thread's caches.
fn free_shared(block: HeaderRef) {
    free_by(block, |block| put_shared(&pool_of(block), block));
}

/// Acquires one more reference to a block of which the caller holds one.
#[inline]
pub(crate) fn acquire(block: HeaderRef) {
    with(|local| {
        if !local.refs.acquire_local(block) {
            acquire_slowly(local, block);
        }
    });
}

#[cold]
fn acquire_slowly(local: &Local, block: HeaderRef) {
    if block.flags.is_ref_cached() && local.is_open() {
        if let Some(evicted) = local.refs.acquire_batch(block) {
            free(evicted);
        }
    } else {
        block.count.acquire(1);
    }
}

/// Releases one reference, if that needs no atomic read-modify-write; otherwise call [`release_slowly`].
#[inline]
pub(crate) fn release(block: HeaderRef) -> Released {
    with(|local| local.refs.release_local(block))
}

/// Releases one reference for which `release` found no slot. On `Remaining::None` the caller owns the block exclusively, and
/// frees it.
pub(crate) fn release_slowly(block: HeaderRef) -> Remaining {
    with(|local| {
        if block.flags.is_ref_cached() && local.is_open() {
            if let Some(evicted) = local.refs.insert(block) {
                free(evicted);
            }
            Remaining::Some
        } else {
            block.count.release(1)
        }
    })
}

/// Returns whether the caller's handle of a block is the only one.
#[inline]
pub(crate) fn is_unique(block: HeaderRef) -> bool {
    with(|local| local.refs.is_unique(block))
}

/// As [`is_unique`]. The caller has exclusive access to the handle (B3), and on `true` to the block.
#[inline]
pub(crate) fn claim(block: HeaderRef) -> bool {
    with(|local| local.refs.claim(block))
}

/// Returns whether the next allocation of this thread from a pool is to be tracked, or may be: a thread without a cache
/// finds out on the slow path.
#[inline(always)]
pub(crate) fn is_sample_due(central: &Arc<Central>, every: u32) -> bool {
    with(|local| {
        let cache = local.of(Arc::as_ptr(central).cast());
        cache.is_none_or(|cache| cache.is_sample_due(every))
    })
}

/// Counts an allocation from a pool that was not tracked.
#[inline(always)]
pub(crate) fn count_unsampled(central: &Arc<Central>) {
    with(|local| {
        if let Some(cache) = local.of(Arc::as_ptr(central).cast()) {
            cache.count_unsampled();
        }
    });
}

/// Counts an allocation from a pool. Returns whether it is to be tracked.
pub(crate) fn sample(central: &Arc<Central>, tracker: &Tracker) -> bool {
    with(|local| match local.of(Arc::as_ptr(central).cast()) {
        Some(cache) if cache.is_sample_due(tracker.every()) => {
            cache.restart_sampling();
            true
        }
        Some(cache) => {
            cache.count_unsampled();
            false
        }
        None => tracker.sample_without_cache(),
    })
}

/// Gives back this thread's cached references and its cache for a pool.
pub(crate) fn flush(central: &Arc<Central>) {
    flush_references();
    with(|local| {
        if let Some(cache) = local.of(Arc::as_ptr(central).cast()) {
            cache.flush();
        }
    });
}

/// Releases this thread's cached references.
pub(crate) fn flush_references() {
    with(|local| local.refs.flush(free));
}

/// Frees this thread's cache for a pool that is closing.
pub(crate) fn detach(central: &Arc<Central>) {
    flush_references();
    with(|local| {
        if local.of(Arc::as_ptr(central).cast()).is_some() {
            local.end_caches(&|cache| Arc::ptr_eq(cache.central(), central));
        }
    });
}
