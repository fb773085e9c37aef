//! What a thread does with blocks and references by its thread-local storage.
#![allow(unsafe_code, reason = "gets the thread's storage without a closure where that is faster")]

use crate::memory::count::Remaining;
use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::Released;
use crate::pool::error::AllocError;
use crate::pool::observe::track::Tracker;
use crate::pool::pages::size_class::class_of;
use crate::pool::shared::central::{Central, pool_of};
use crate::pool::thread::free::{free_by, put_shared};
use crate::pool::thread::storage::{Local, current, with};
use crate::pool::tuning::FOREIGN_FREES_BEFORE_CACHE;
use std::sync::Arc;

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

/// Returns a block to its origin. The caller owns it exclusively.
#[cold]
pub(crate) fn free(block: HeaderRef) {
    free_by(block, put);
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
