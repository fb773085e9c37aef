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

use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::RefCache;
use crate::memory::try_box::try_box;
use crate::pool::shared::central::Central;
use crate::pool::thread::cache::Cache;
use crate::pool::thread::counts;
use crate::pool::thread::free::free_shared;
use crate::pool::thread::table::{self, CacheEntry, Table};
use crate::sync::thread_local;
use crate::sys::barrier;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::sync::Arc;

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

pub(super) struct Local {
    /// The cache that is tried without a check of its pool. A use of another one does not replace it: a load soon after
    /// a store to the same place waits for the address of each store in between (measured: 4.9 ns instead of 4.3 for
    /// alloc + drop of two pools in turn).
    first: Cell<CacheEntry>,
    /// Other caches, each at the index of its pool: a thread that uses several pools in turn needs no search.
    others: [Cell<CacheEntry>; 1 << OTHERS_BITS],
    /// The number of blocks taken from other caches since the first one changed.
    takes_of_others: Cell<u32>,
    pub(super) refs: RefCache<HeaderRef>,
    state: Cell<State>,
    pub(super) foreign_frees: Cell<u32>,
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

/// Calls `f` with the thread's storage.
#[inline(always)]
pub(super) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
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
pub(super) unsafe fn current<'a>() -> &'a Local {
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
            counts::withdraw(local.refs.counts());
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
    of.flush();
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
    pub(super) fn is_open(&self) -> bool {
        // SAFETY: L1: it stays until the thread ends; `GUARD` withdraws the counts before that.
        let publish = || unsafe { counts::publish(self.refs.counts()) };
        if self.state.get() == State::New && GUARD.try_with(|_| ()).is_ok() && publish() {
            self.state.set(State::Open);
        }
        self.state.get() == State::Open
    }

    /// Returns the cache of an entry.
    #[inline(always)]
    pub(super) fn at(&self, entry: CacheEntry) -> Option<&Cache> {
        // SAFETY: null, or a cache that `GUARD` owns as long as an entry has it (L2).
        unsafe { entry.cache.as_ref() }
    }

    /// Returns the first cache, of any pool.
    #[inline(always)]
    pub(super) fn first(&self) -> Option<&Cache> {
        self.at(self.first.get())
    }

    /// Returns the entry of `others` for a pool.
    #[inline(always)]
    pub(super) fn other(&self, home: *const ()) -> &Cell<CacheEntry> {
        // The multiplier is 2^32 divided by the golden ratio. The pools of a process differ in the low half of their
        // addresses.
        let mixed = (home.addr() as u32).wrapping_mul(0x9e37_79b1);
        &self.others[(mixed >> (u32::BITS - OTHERS_BITS)) as usize]
    }

    /// Returns the cache of a pool, if this thread has one.
    pub(super) fn of(&self, home: *const ()) -> Option<&Cache> {
        let other = self.other(home).get();
        if self.first.get().is_of(home) {
            self.first()
        } else if other.is_of(home) {
            self.at(other)
        } else {
            self.find(home)
        }
    }

    /// Takes a free block of a pool for `size` bytes from another cache than the first, and sets its requested length.
    #[inline(never)]
    pub(super) fn take_from_other(&self, home: *const (), size: usize) -> Option<HeaderRef> {
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
    pub(super) fn get_or_create(&self, central: &Arc<Central>) -> Option<&Cache> {
        let home = Arc::as_ptr(central).cast();
        if let Some(cache) = self.of(home) {
            return Some(cache);
        }
        // Without the barrier no other thread could count or take back the blocks of a cache.
        if central.is_closed() || !barrier::is_available() || !self.is_open() {
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
    pub(super) fn end_caches(&self, is_over: &dyn Fn(&Cache) -> bool) {
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
