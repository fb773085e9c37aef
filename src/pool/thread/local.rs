//! Thread-local storage: a thread's reference cache, and its caches for the pools that it uses.
//!
//! Rules:
//!
//! * **L1** `LOCAL` has no destructor, so all destructors of the thread can use it, and an access needs no check.
//!   `GUARD` has a destructor: it returns all blocks and references of the thread and closes `LOCAL`.
//! * **L2** `first` and each entry of `others` and of `table` has a cache that `GUARD` owns, or is vacant. All are cleared
//!   before `GUARD` frees a cache. `table` is set again after the change.
//! * **L3** Only an open `LOCAL` has references or caches. A closed one stays closed: blocks that the thread frees
//!   later return through the shared part of the pool.
#![allow(
    unsafe_code,
    reason = "follows the pointers of `first`, `others` and `table`, and owns caches by pointer (L2)"
)]

use crate::memory::count::Remaining;
use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::{CachedCounts, RefCache, Released};
use crate::memory::try_box::try_box;
use crate::pool::error::AllocError;
use crate::pool::observe::track::Tracker;
use crate::pool::pages::size_class::class_of;
use crate::pool::shared::central::{Central, pool_of};
use crate::pool::thread::cache::Cache;
use crate::pool::thread::free::free_by;
use crate::pool::thread::table::{self, CacheEntry, Table};
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

/// The entries of an empty table.
const NO_ENTRIES: *const [CacheEntry] = core::ptr::from_ref(&[]);

/// The number of caches besides the first that are found without a search in the table, as a power of two.
const OTHERS_BITS: u32 = 4;

/// After this number of blocks taken from other caches than the first, the one in use becomes the first.
const TAKES_BEFORE_FIRST: u32 = 256;

struct Local {
    /// The cache that is tried without a check of its pool. A use of another one does not replace it: a load soon after
    /// a store to the same place waits for the address of each store in between (measured: 4.9 ns instead of 4.3 for
    /// alloc + drop of two pools in turn).
    first: Cell<CacheEntry>,
    /// Other caches, each at the index of its pool: a thread that uses several pools in turn needs no search.
    others: [Cell<CacheEntry>; 1 << OTHERS_BITS],
    /// The number of blocks taken from other caches since the first one changed.
    takes_of_others: Cell<u32>,
    refs: RefCache<HeaderRef>,
    state: Cell<State>,
    foreign_frees: Cell<u32>,
    /// The entries of `GUARD`'s table (L2).
    table: Cell<*const [CacheEntry]>,
}

#[cfg(not(shuttle))]
thread_local! {
    static LOCAL: Local = const { Local::new() };
}

// With shuttle all have destructors, which run in the order of first use (L1).
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

/// Returns the addresses of the headers to which threads cache references, in ascending order, and the number of these
/// references.
pub(crate) fn cached_references() -> Vec<(usize, u32)> {
    let mut sums = std::collections::HashMap::<usize, u32>::new();
    for counts in all_counts().iter() {
        // SAFETY: it is in the list, which is locked: its thread has not removed it.
        unsafe { counts.0.as_ref() }.for_each(|address, references| {
            *sums.entry(address).or_default() += references;
        });
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}

/// Calls `f` with the thread's storage.
#[inline(always)]
fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    // SAFETY: `f` cannot keep the reference.
    f(unsafe { current() })
}

/// Returns the thread's storage.
///
/// Functions that are inlined for each block that is taken or put call this instead of [`with`]: the compiler makes a
/// call of a large closure, with the captures in memory.
///
/// # Safety
///
/// The caller does not keep the reference after it returns. No other thread can get it: `Local` is not `Sync`.
#[inline(always)]
unsafe fn current<'a>() -> &'a Local {
    let local = LOCAL.with(core::ptr::from_ref);
    // SAFETY: L1: it exists as long as its thread runs.
    unsafe { &*local }
}

/// The owner of this thread's caches.
struct Guard {
    caches: RefCell<Caches>,
}

/// Caches, one for each pool.
struct Caches {
    table: Table,
    /// The number of caches at which a new one first frees those of closed pools.
    sweep_at: usize,
}

impl Caches {
    const fn new() -> Self {
        Self { table: Table::new(), sweep_at: 16 }
    }

    /// Takes out the next cache for which `is_over` returns `true`, as [`Table::take_next`].
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
            local.clear_lookups();
            local.refs.flush(free_shared);
            all_counts().retain(|counts| counts.0 != NonNull::from(local.refs.counts()));
        });
        let mut from = 0;
        while let Some(cache) = self.caches.get_mut().take_next(&mut from, &|_| true) {
            end(cache);
        }
    }
}

/// Frees a cache to which no entry of this thread's storage points.
fn end(cache: NonNull<Cache>) {
    // SAFETY: L2: a leaked box to which only the caller has a pointer.
    let of = unsafe { cache.as_ref() };
    // Another thread may be taking the blocks or reading them; it does so for a moment.
    while !of.flush() {
        crate::sync::thread::yield_now();
    }
    of.central().unregister(&of.magazines);
    // SAFETY: as above; the magazines are unregistered from the pool.
    drop(unsafe { Box::from_raw(cache.as_ptr()) });
}

impl Local {
    const fn new() -> Self {
        Self {
            first: Cell::new(CacheEntry::VACANT),
            others: [const { Cell::new(CacheEntry::VACANT) }; 1 << OTHERS_BITS],
            takes_of_others: Cell::new(0),
            refs: RefCache::new(),
            state: Cell::new(State::New),
            foreign_frees: Cell::new(0),
            table: Cell::new(NO_ENTRIES),
        }
    }

    fn clear_lookups(&self) {
        self.first.set(CacheEntry::VACANT);
        self.others.iter().for_each(|other| other.set(CacheEntry::VACANT));
        self.table.set(NO_ENTRIES);
    }

    /// Returns whether the storage is open. The first use opens it and initialises `GUARD`, so that its destructor
    /// runs.
    fn is_open(&self) -> bool {
        if self.state.get() == State::New && GUARD.try_with(|_| ()).is_ok() && self.publish() {
            self.state.set(State::Open);
        }
        self.state.get() == State::Open
    }

    /// Lets other threads count the references that this thread caches. Returns whether there was memory for the entry.
    fn publish(&self) -> bool {
        let mut all = all_counts();
        if all.try_reserve(1).is_err() {
            return false;
        }
        all.push(CountsRef(NonNull::from(self.refs.counts())));
        true
    }

    /// Returns the cache of an entry.
    #[inline(always)]
    fn at(&self, entry: CacheEntry) -> Option<&Cache> {
        // SAFETY: null, or a cache that `GUARD` owns as long as an entry has it (L2).
        unsafe { entry.cache.as_ref() }
    }

    /// Returns the first cache, of any pool.
    #[inline(always)]
    fn first(&self) -> Option<&Cache> {
        self.at(self.first.get())
    }

    /// Returns the entry of `others` for a pool.
    #[inline(always)]
    fn other(&self, home: *const ()) -> &Cell<CacheEntry> {
        // The multiplier is 2^32 divided by the golden ratio. The pools of a process differ in the low half of their
        // addresses.
        let mixed = (home.addr() as u32).wrapping_mul(0x9e37_79b1);
        &self.others[(mixed >> (u32::BITS - OTHERS_BITS)) as usize]
    }

    /// Returns the cache of a pool, if this thread has one.
    fn of(&self, home: *const ()) -> Option<&Cache> {
        let other = self.other(home).get();
        if self.first.get().is_of(home) {
            self.first()
        } else if other.is_of(home) {
            self.at(other)
        } else {
            self.find(home)
        }
    }

    /// As [`take`], after the first cache gave no block.
    #[inline(never)]
    fn take_from_other(&self, home: *const (), size: usize) -> Option<HeaderRef> {
        let entry = self.other(home).get();
        let takes = self.takes_of_others.get().wrapping_add(1);
        if !entry.is_of(home) || takes.is_multiple_of(TAKES_BEFORE_FIRST) {
            return self.find_and_take(home, size);
        }
        self.takes_of_others.set(takes);
        self.at(entry)?.magazines.take(home, size)
    }

    /// As [`take_from_other`](Self::take_from_other), if the cache of the pool is not among the others, or is to become
    /// the first.
    #[cold]
    fn find_and_take(&self, home: *const (), size: usize) -> Option<HeaderRef> {
        if self.first.get().is_of(home) {
            return None;
        }
        self.takes_of_others.set(0);
        self.find(home)?.magazines.take(home, size)
    }

    /// As [`of`](Self::of), by a search in the table. The cache becomes the first; that one becomes one of the others.
    #[cold]
    fn find(&self, home: *const ()) -> Option<&Cache> {
        // SAFETY: L2: the entries of `GUARD`'s table, which change only while no reference to them exists.
        let entry = table::find(unsafe { &*self.table.get() }, home)?;
        let other = self.other(home);
        if other.get().is_of(home) {
            other.set(CacheEntry::VACANT);
        }
        let before = self.first.replace(entry);
        self.other(before.home).set(before);
        self.first()
    }

    /// Returns this thread's cache for a pool; creates one if there is none. Each time that the number of caches has
    /// doubled, this first frees those of closed pools.
    fn get_or_create(&self, central: &Arc<Central>) -> Option<&Cache> {
        let home = Arc::as_ptr(central).cast();
        if let Some(cache) = self.of(home) {
            return Some(cache);
        }
        if central.is_closed() || !self.is_open() {
            return None;
        }
        let cache = NonNull::from(Box::leak(try_box(Cache::new(Arc::clone(central)))?));
        // SAFETY: just leaked; `end` unregisters the magazines before it frees the cache.
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
            self.table.set(caches.table.entries());
            added
        };
        if !GUARD.try_with(add).unwrap_or(false) {
            end(cache);
        }
        self.of(home)
    }

    /// Frees the caches for which `is_over` returns `true`.
    fn end_caches(&self, is_over: &dyn Fn(&Cache) -> bool) {
        self.clear_lookups();
        let mut from = 0;
        let mut next = |guard: &Guard| guard.caches.borrow_mut().take_next(&mut from, is_over);
        while let Ok(Some(cache)) = GUARD.try_with(&mut next) {
            end(cache);
        }
        let _ = GUARD.try_with(|guard| {
            let mut caches = guard.caches.borrow_mut();
            caches.table.rehash();
            caches.sweep_at = 16.max(2 * caches.table.len());
            self.table.set(caches.table.entries());
        });
    }
}

/// Takes a free block of a pool for `size` bytes from this thread's cache, if it has one, and sets its requested
/// length.
#[inline(always)]
pub(crate) fn take(central: &Arc<Central>, size: usize) -> Option<HeaderRef> {
    let home = Arc::as_ptr(central).cast();
    // SAFETY: not kept.
    let local = unsafe { current() };
    match local.first()?.magazines.take(home, size) {
        Some(block) => Some(block),
        None => local.take_from_other(home, size),
    }
}

/// Takes a free block of a pool for `size` bytes, after `take` found none in this thread's cache. The caller sets the
/// requested length.
#[cold]
pub(crate) fn take_slowly(central: &Arc<Central>, size: usize) -> Result<HeaderRef, AllocError> {
    let class = class_of(size);
    let home = Arc::as_ptr(central).cast();
    with(|local| {
        let Some(cache) = local.of(home).or_else(|| local.get_or_create(central)) else {
            let block = central.take_one(class)?;
            central.count_allocation();
            return Ok(block);
        };
        if let Some(block) = cache.magazines.take(home, size) {
            return Ok(block);
        }
        // First frees the blocks that only this thread's cached references keep in use (B2).
        local.refs.flush(free);
        cache.magazines.take(home, size).map_or_else(|| cache.refill(class), Ok)
    })
}

/// Returns a slab's block that has no extension to this thread's cache, or to its slab.
#[inline(always)]
pub(crate) fn put(block: HeaderRef) {
    // SAFETY: not kept.
    let local = unsafe { current() };
    let rest = match local.first() {
        Some(cache) => cache.magazines.put(block.plain_home(), block),
        None => Err(block),
    };
    if let Err(rest) = rest {
        put_to_other(local, rest);
    }
}

#[inline(never)]
fn put_to_other(local: &Local, block: HeaderRef) {
    let home = block.plain_home();
    let entry = local.other(home).get();
    match local.at(entry) {
        // `put` has tried the first cache only.
        Some(cache) if entry.is_of(home) => {
            if let Err(rest) = cache.magazines.put(home, block) {
                cache.put_slowly(rest);
            }
        }
        _ => put_slowly(local, block),
    }
}

/// As [`put`], after the caches that are found without a search gave the block back.
#[cold]
fn put_slowly(local: &Local, block: HeaderRef) {
    if let Some(cache) = local.of(block.plain_home()) {
        return cache.put_slowly(block);
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

/// Returns a block to its origin. The caller owns it exclusively.
#[cold]
pub(crate) fn free(block: HeaderRef) {
    free_by(block, put);
}

/// As [`free`], without this thread's caches.
fn free_shared(block: HeaderRef) {
    free_by(block, |block| put_shared(&pool_of(block), block));
}

/// Acquires another reference to a block. The caller holds one.
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

/// Releases one reference without an atomic read-modify-write. On [`Released::NoSlot`] the reference is not released:
/// call [`release_slowly`].
#[inline]
pub(crate) fn release(block: HeaderRef) -> Released {
    with(|local| local.refs.release_local(block))
}

/// Releases one reference for which `release` found no slot. On [`Remaining::None`] the caller owns the block
/// exclusively, and must free it.
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

/// As [`is_unique`], for a caller with exclusive access to its handle (B3). On `true` it owns the block exclusively.
#[inline]
pub(crate) fn claim(block: HeaderRef) -> bool {
    with(|local| local.refs.claim(block))
}

/// Returns whether the next allocation of this thread from a pool may have to be tracked. For a thread without a cache
/// this is `true`, and [`sample`] decides.
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

/// Releases this thread's cached references, and returns the blocks of its cache for a pool to their slabs.
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
