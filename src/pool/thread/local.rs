//! What a thread keeps: its bank of references and the caches of the pools it uses.
//!
//! Rules:
//!
//! * **L1** `LOCAL` has no destructor, so that it is there in every other destructor of the thread; it costs
//!   one address. `GUARD` has one: it gives back all that the thread holds and closes `LOCAL`.
//! * **L2** `hot` points to a cache that `GUARD` holds, or is null. It is cleared before `GUARD` lets go of
//!   that cache.
//! * **L3** Only an open `LOCAL` has anything in its bank or caches. A closed one stays so: what this thread
//!   still drops goes home by atomics and locks.
#![allow(unsafe_code, reason = "follows `hot` (L2), and a block's way to its pool (P2)")]

use crate::memory::count::Remaining;
use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::{RefCache, Released};
use crate::pool::error::AllocError;
use crate::pool::observe::track::Tracker;
use crate::pool::shared::central::Central;
use crate::pool::thread::cache::Cache;
use crate::sync::thread_local;
use core::cell::{Cell, RefCell};
use std::sync::Arc;

/// How many blocks a thread frees into a pool that it takes none from before it gets a cache for that.
const FOREIGN_FREES_BEFORE_CACHE: u32 = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Closed,
}

struct Local {
    current: Cell<*const Cache>,
    refs: RefCache<HeaderRef>,
    state: Cell<State>,
    foreign_frees: Cell<u32>,
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
    static GUARD: Guard = const { Guard { caches: RefCell::new(Vec::new()) } };
}

/// Lets `f` use what this thread keeps.
#[inline(always)]
fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    // `LocalKey::with` is inlined for so small a closure; with `f` itself it would be a call, its captures
    // in memory, which is a detour for each block that is taken or put.
    let local = LOCAL.with(core::ptr::from_ref);
    // SAFETY: L1: it is there as long as its thread runs, and `f` can't keep it nor give it to another.
    f(unsafe { &*local })
}

/// The caches of this thread, one for each pool that it uses.
struct Guard {
    caches: RefCell<Vec<Arc<Cache>>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        with(|local| {
            local.state.set(State::Closed);
            local.current.set(core::ptr::null());
            local.refs.flush(send_home_slowly);
        });
        for cache in self.caches.take() {
            retire(&cache);
        }
    }
}

fn retire(cache: &Arc<Cache>) {
    cache.flush();
    cache.central().unregister(cache);
}

impl Local {
    const fn new() -> Self {
        Self {
            current: Cell::new(core::ptr::null()),
            refs: RefCache::new(),
            state: Cell::new(State::New),
            foreign_frees: Cell::new(0),
        }
    }

    /// The cache in use, if it is that pool's.
    #[inline]
    fn current_of(&self, home: *const ()) -> Option<&Cache> {
        // SAFETY: null, or a cache that `GUARD` holds while it is hot (L2).
        unsafe { self.current.get().as_ref() }.filter(|cache| cache.is_of(home))
    }

    /// Opens on first use, so that `GUARD` will run.
    fn is_open(&self) -> bool {
        if self.state.get() == State::New && GUARD.try_with(|_| ()).is_ok() {
            self.state.set(State::Open);
        }
        self.state.get() == State::Open
    }

    /// Makes the cache of a pool hot, if this thread has one.
    fn find(&self, home: *const ()) -> Option<&Cache> {
        if !self.is_open() {
            return None;
        }
        let find = |guard: &Guard| {
            let caches = guard.caches.borrow();
            let found = caches.iter().find(|cache| cache.is_of(home));
            found.map(Arc::as_ptr)
        };
        self.current.set(GUARD.try_with(find).ok()??);
        self.current_of(home)
    }

    /// Gives this thread a cache for a pool. Caches of pools that are gone make room.
    fn get_or_create(&self, central: &Arc<Central>) -> Option<&Cache> {
        let home = Arc::as_ptr(central).cast();
        if central.is_closed() || !self.is_open() {
            return None;
        }
        let cache = Arc::new(Cache::try_new(Arc::clone(central))?);
        let add = |guard: &Guard| {
            self.current.set(core::ptr::null());
            let mut caches = guard.caches.borrow_mut();
            let gone: Vec<_> = caches.extract_if(.., |cache| cache.central().is_closed()).collect();
            caches.push(Arc::clone(&cache));
            gone
        };
        let gone = GUARD.try_with(add).ok()?;
        central.register(&cache);
        for cache in gone {
            retire(&cache);
        }
        self.find(home)
    }
}

/// A free block of a pool, if this thread has one at hand.
#[inline]
pub(crate) fn take(central: &Arc<Central>, class: u16, size: usize) -> Option<HeaderRef> {
    with(|local| local.current_of(Arc::as_ptr(central).cast())?.take(class, size))
}

/// A free block of a pool, after `take` had none.
#[cold]
pub(crate) fn take_slowly(
    central: &Arc<Central>,
    class: u16,
    size: usize,
) -> Result<HeaderRef, AllocError> {
    let home = Arc::as_ptr(central).cast();
    // Blocks that only the bank keeps are better than new ones (B2).
    settle();
    with(|local| match local.find(home).or_else(|| local.get_or_create(central)) {
        Some(cache) => {
            let take =
                || cache.take(class, size).map_or_else(|| cache.take_slowly(class, size), Ok);
            // Under a limit, what this thread keeps of other classes makes room.
            take().or_else(|_| {
                cache.flush();
                take()
            })
        }
        None => {
            let block = central.take_one(class)?;
            central.retired(class).count_shared_alloc(size);
            Ok(block)
        }
    })
}

/// Sends a slab's block home.
#[inline(always)]
pub(crate) fn put(block: HeaderRef) {
    with(|local| match local.current_of(block.home) {
        Some(cache) => cache.put(block),
        None => put_slowly(local, block),
    });
}

#[cold]
fn put_slowly(local: &Local, block: HeaderRef) {
    if let Some(cache) = local.find(block.home) {
        return cache.put(block);
    }
    let central = central_of(block);
    let frees = local.foreign_frees.get().wrapping_add(1);
    local.foreign_frees.set(frees);
    if frees.is_multiple_of(FOREIGN_FREES_BEFORE_CACHE)
        && let Some(cache) = local.get_or_create(&central)
    {
        return cache.put(block);
    }
    put_shared(&central, block);
}

fn put_shared(central: &Arc<Central>, block: HeaderRef) {
    central.count_foreign_free(block);
    central.put_one(block);
}

fn send_home_slowly(block: HeaderRef) {
    crate::pool::block::send_home_by(block, |block| put_shared(&central_of(block), block));
}

/// The pool that a slab's block belongs to.
pub(crate) fn central_of(block: HeaderRef) -> Arc<Central> {
    let central = block.home.cast::<Central>();
    // SAFETY: `home` is the pool's `Arc::as_ptr`, and the block's slab holds a reference (P2).
    unsafe { Arc::increment_strong_count(central) };
    // SAFETY: the reference that was just added.
    unsafe { Arc::from_raw(central) }
}

/// One more handle of a block that the caller holds one of.
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
            crate::pool::block::send_home(evicted);
        }
    } else {
        block.count.acquire(1);
    }
}

/// Drops one handle, if that needs no atomic read-modify-write; else it is for [`release_slowly`].
#[inline]
pub(crate) fn release(block: HeaderRef) -> Released {
    with(|local| local.refs.release_local(block))
}

/// Drops one handle, after `release` had no slot for it: whether the block is the caller's alone now, to
/// send home.
pub(crate) fn release_slowly(block: HeaderRef) -> Remaining {
    with(|local| {
        if block.flags.is_ref_cached() && local.is_open() {
            if let Some(evicted) = local.refs.insert(block) {
                crate::pool::block::send_home(evicted);
            }
            Remaining::Some
        } else {
            block.count.release(1)
        }
    })
}

/// Whether the caller's handle of a block is the only one.
#[inline]
pub(crate) fn is_unique(block: HeaderRef) -> bool {
    with(|local| local.refs.is_unique(block))
}

/// As [`is_unique`]; the caller has the handle to itself (B3), and after a yes the block.
#[inline]
pub(crate) fn claim(block: HeaderRef) -> bool {
    with(|local| local.refs.claim(block))
}

/// Whether the next allocation of this thread from a pool is to be tracked, or may be: a thread whose
/// current cache is another pool's finds out on the slow path.
#[inline(always)]
pub(crate) fn is_sample_due(central: &Arc<Central>, every: u32) -> bool {
    with(|local| {
        let cache = local.current_of(Arc::as_ptr(central).cast());
        cache.is_none_or(|cache| cache.is_sample_due(every))
    })
}

/// Counts an allocation from a pool that was not tracked.
#[inline(always)]
pub(crate) fn count_unsampled(central: &Arc<Central>) {
    with(|local| {
        if let Some(cache) = local.current_of(Arc::as_ptr(central).cast()) {
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

/// Gives back what this thread's bank and its cache for a pool hold.
pub(crate) fn flush(central: &Arc<Central>) {
    settle();
    with(|local| {
        if let Some(cache) = local.find(Arc::as_ptr(central).cast()) {
            cache.flush();
        }
    });
}

/// Gives back the references in this thread's bank.
pub(crate) fn settle() {
    with(|local| local.refs.flush(crate::pool::block::send_home));
}

/// Takes leave of a pool that is closing.
pub(crate) fn detach(central: &Arc<Central>) {
    settle();
    let home = Arc::as_ptr(central).cast();
    with(|local| {
        if local.find(home).is_some() {
            local.current.set(core::ptr::null());
            let remove = |guard: &Guard| {
                let mut caches = guard.caches.borrow_mut();
                let place = caches.iter().position(|cache| cache.is_of(home));
                place.map(|place| caches.swap_remove(place))
            };
            if let Ok(Some(cache)) = GUARD.try_with(remove) {
                retire(&cache);
            }
        }
    });
}
