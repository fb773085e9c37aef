//! Thread-local storage: a thread's reference cache, and its caches for the pools that it uses.
//!
//! Rules:
//!
//! * **L1** `LOCAL` has no destructor, so it can be used in all other destructors of the thread, and it costs one address.
//!   `GUARD` has one: it gives back all that the thread holds and closes `LOCAL`.
//! * **L2** `current` and the entries of `table` point to caches that `GUARD` owns, or are null. They are cleared before
//!   `GUARD` frees a cache.
//! * **L3** Only an open `LOCAL` has references or caches. A closed one stays closed: the blocks that the thread frees
//!   later return by atomics and locks.
#![allow(
    unsafe_code,
    reason = "follows `current` and `table` (L2), and owns caches by pointer (L2)"
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

struct Local {
    /// The cache of the pool that was used last.
    current: Cell<*const Cache>,
    refs: RefCache<HeaderRef>,
    state: Cell<State>,
    foreign_frees: Cell<u32>,
    /// The caches by their pools' addresses: `GUARD`'s table (L2).
    table: Cell<*const [Place]>,
}

/// A place of the table: a cache, or none.
type Place = Option<NonNull<Cache>>;

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

/// Returns the addresses of the headers to which threads cache references, and how many.
pub(crate) fn cached_references() -> Vec<(usize, u32)> {
    let mut sums = std::collections::HashMap::<usize, u32>::new();
    for counts in all_counts().iter() {
        // SAFETY: it is in the list, which is locked.
        unsafe { counts.0.as_ref() }.for_each(|address, references| {
            *sums.entry(address).or_default() += references;
        });
    }
    sums.into_iter().collect()
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

/// Caches, one for each pool, in a hash table with open addressing.
struct Caches {
    table: Vec<Place>,
    len: usize,
    /// The number of caches at which those of closed pools are freed.
    sweep_at: usize,
}

impl Drop for Guard {
    fn drop(&mut self) {
        with(|local| {
            local.state.set(State::Closed);
            local.forget_caches();
            local.refs.flush(free_shared);
            all_counts().retain(|counts| counts.0 != NonNull::from(local.refs.counts()));
        });
        for cache in self.caches.get_mut().table.drain(..).flatten() {
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

impl Caches {
    const fn new() -> Self {
        Self { table: Vec::new(), len: 0, sweep_at: 16 }
    }

    /// Takes a cache out for which `is_over` holds. Call [`rehash`](Self::rehash) after the last one.
    fn take_next(&mut self, is_over: &dyn Fn(&Cache) -> bool) -> Option<NonNull<Cache>> {
        // SAFETY: L2.
        let is_over = |cache: &mut NonNull<Cache>| is_over(unsafe { cache.as_ref() });
        let over = self.table.iter_mut().find_map(|place| place.take_if(|cache| is_over(cache)));
        self.len -= usize::from(over.is_some());
        over
    }

    /// Puts all caches where a search finds them, in the table as it is.
    fn rehash(&mut self) {
        // Each move brings a cache nearer to its home, so this ends.
        let mut moved = true;
        while moved {
            moved = false;
            for place in 0..self.table.len() {
                if let Some(cache) = self.table[place].take() {
                    moved |= self.insert_at_home(cache) != place;
                }
            }
        }
    }

    /// Puts a cache into the first place from its home on that is free.
    fn insert_at_home(&mut self, cache: NonNull<Cache>) -> usize {
        // SAFETY: L2.
        let home = Arc::as_ptr(unsafe { cache.as_ref() }.central()).cast();
        let mask = self.table.len() - 1;
        let mut place = hash(home) & mask;
        while self.table[place].is_some() {
            place = (place + 1) & mask;
        }
        self.table[place] = Some(cache);
        place
    }

    /// Adds a cache. Returns whether there was memory for it.
    fn add(&mut self, cache: NonNull<Cache>) -> bool {
        if self.table.len() <= 2 * self.len + 1 {
            let mut table = Vec::new();
            if table.try_reserve_exact(4 * (self.len + 2).next_power_of_two()).is_err() {
                return false;
            }
            table.resize(4 * (self.len + 2).next_power_of_two(), None);
            let old = core::mem::replace(&mut self.table, table);
            for cache in old.into_iter().flatten() {
                self.insert_at_home(cache);
            }
        }
        self.insert_at_home(cache);
        self.len += 1;
        true
    }
}

/// Spreads addresses over a table.
#[inline]
fn hash(home: *const ()) -> usize {
    let mixed = (home.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize
}

impl Local {
    const fn new() -> Self {
        Self {
            current: Cell::new(core::ptr::null()),
            refs: RefCache::new(),
            state: Cell::new(State::New),
            foreign_frees: Cell::new(0),
            table: Cell::new(core::ptr::slice_from_raw_parts(core::ptr::null(), 0)),
        }
    }

    fn forget_caches(&self) {
        self.current.set(core::ptr::null());
        self.table.set(core::ptr::slice_from_raw_parts(core::ptr::null(), 0));
    }

    /// Returns the current cache, if there is one.
    #[inline(always)]
    fn current(&self) -> Option<&Cache> {
        // SAFETY: null, or a cache that `GUARD` owns while it is current (L2).
        unsafe { self.current.get().as_ref() }
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

    /// Makes the cache of a pool current, if this thread has one.
    fn find(&self, home: *const ()) -> Option<&Cache> {
        let table = self.table.get();
        let mask = table.len().wrapping_sub(1);
        let mut place = hash(home);
        while !table.is_empty() {
            // SAFETY: L2: the table is `GUARD`'s, and `place & mask` is within it.
            let entry = unsafe { table.cast::<Place>().add(place & mask) };
            // SAFETY: as above.
            let cache = unsafe { *entry }?;
            // SAFETY: L2.
            let found = unsafe { cache.as_ref() };
            if found.is_of(home) {
                self.current.set(cache.as_ptr());
                return Some(found);
            }
            place += 1;
        }
        None
    }

    /// Gives this thread a cache for a pool. Frees those of closed pools now and then.
    fn get_or_create(&self, central: &Arc<Central>) -> Option<&Cache> {
        let home = Arc::as_ptr(central).cast();
        if let Some(cache) = self.find(home) {
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
            caches.len >= caches.sweep_at
        };
        if GUARD.try_with(is_full).unwrap_or(false) {
            self.end_caches(&|cache| cache.central().is_closed());
        }
        let add = |guard: &Guard| {
            let mut caches = guard.caches.borrow_mut();
            let added = registered && caches.add(cache);
            self.table.set(caches.table.as_slice());
            added
        };
        if !GUARD.try_with(add).unwrap_or(false) {
            end(cache);
        }
        self.find(home)
    }

    /// Frees the caches for which `is_over` holds.
    fn end_caches(&self, is_over: &dyn Fn(&Cache) -> bool) {
        self.forget_caches();
        let next = |guard: &Guard| guard.caches.borrow_mut().take_next(is_over);
        while let Ok(Some(cache)) = GUARD.try_with(next) {
            end(cache);
        }
        let _ = GUARD.try_with(|guard| {
            let mut caches = guard.caches.borrow_mut();
            caches.rehash();
            caches.sweep_at = 16.max(2 * caches.len);
            self.table.set(caches.table.as_slice());
        });
    }
}

/// Returns a free block of a pool, if this thread's cache has one.
#[inline(always)]
pub(crate) fn take(central: &Arc<Central>, class: u8) -> Option<HeaderRef> {
    let home = Arc::as_ptr(central).cast();
    with(|local| local.current()?.magazines.take(home, class))
}

/// Returns a free block of a pool, after `take` had none.
#[cold]
pub(crate) fn take_slowly(central: &Arc<Central>, class: u8) -> Result<HeaderRef, AllocError> {
    let home = Arc::as_ptr(central).cast();
    with(|local| {
        let Some(cache) = local.find(home).or_else(|| local.get_or_create(central)) else {
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
        let rest = match local.current() {
            Some(cache) => cache.magazines.put(block.plain_home(), block),
            None => Err(block),
        };
        if let Err(rest) = rest {
            put_slowly(local, rest);
        }
    });
}

#[cold]
fn put_slowly(local: &Local, block: HeaderRef) {
    let home = block.plain_home();
    let current = local.current().filter(|cache| cache.is_of(home));
    let is_new = current.is_none();
    if let Some(cache) = current.or_else(|| local.find(home)) {
        // Not yet tried, if another pool's cache was current.
        let rest = if is_new { cache.magazines.put(home, block) } else { Err(block) };
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

/// Returns whether the next allocation of this thread from a pool is to be tracked, or may be: a thread whose current
/// cache is another pool's finds out on the slow path.
#[inline(always)]
pub(crate) fn is_sample_due(central: &Arc<Central>, every: u32) -> bool {
    with(|local| {
        let cache = local.current().filter(|cache| cache.is_of(Arc::as_ptr(central).cast()));
        cache.is_none_or(|cache| cache.is_sample_due(every))
    })
}

/// Counts an allocation from a pool that was not tracked.
#[inline(always)]
pub(crate) fn count_unsampled(central: &Arc<Central>) {
    with(|local| {
        if let Some(cache) = local.current().filter(|c| c.is_of(Arc::as_ptr(central).cast())) {
            cache.count_unsampled();
        }
    });
}

/// Counts an allocation from a pool. Returns whether it is to be tracked.
pub(crate) fn sample(central: &Arc<Central>, tracker: &Tracker) -> bool {
    with(|local| match local.find(Arc::as_ptr(central).cast()) {
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
        if let Some(cache) = local.find(Arc::as_ptr(central).cast()) {
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
        if local.find(Arc::as_ptr(central).cast()).is_some() {
            local.end_caches(&|cache| Arc::ptr_eq(cache.central(), central));
        }
    });
}
