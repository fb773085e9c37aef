//! Returns a block to its origin after its last reference was released.
#![allow(unsafe_code, reason = "ends blocks to which no other reference exists")]

use crate::memory::header::{HeaderRef, Kind};
use crate::memory::{hooks, owned};
use crate::pool::block_ext;
use crate::pool::pages::size_class::size_of_class;
use crate::pool::shared::central::{Central, large, pool_of};
use crate::sys::memory;
use std::sync::Arc;

/// Returns a block that the caller owns exclusively to its origin. Calls `put` for a block of a slab.
#[cold]
pub(super) fn free_by(block: HeaderRef, put: impl FnOnce(HeaderRef)) {
    block.count.reset_if_needed();
    // Dropped at the end: the next waiter then finds the block in the pool.
    let _ended_last = block_ext::take(block);
    match block.kind {
        Kind::Slab => {
            if block.flags.is_special() && !prepare(block) {
                return;
            }
            hooks::on_release(block, size_of_class(block.class));
            put(block);
        }
        // SAFETY: the caller owns the block exclusively.
        Kind::Large => unsafe { large::release(block) },
        // SAFETY: the caller owns the block exclusively.
        Kind::Owned => unsafe { owned::release(block) },
    }
}

/// As [`free_by`], without the caches of this thread.
pub(super) fn free_shared(block: HeaderRef) {
    free_by(block, |block| put_shared(&pool_of(block), block));
}

/// Returns a free block of a slab to its slab.
pub(super) fn put_shared(central: &Arc<Central>, block: HeaderRef) {
    central.count_foreign_free(block);
    central.put_one(block);
}

/// Does the work that the flags of a slab's block require before it is free. The caller owns the block exclusively.
/// Returns `false` if the kernel may be sending from its pages and they cannot be replaced, as in a process that
/// locks all its memory: the block is then never reused.
#[cold]
fn prepare(block: HeaderRef) -> bool {
    if block.flags.is_in_flight() {
        // New pages are zero (V2). Only the kernel still uses the old ones.
        // SAFETY: whole pages of a mapping of the pool, as `has_pages_of_its_own` has checked, and the caller owns the
        // block exclusively.
        let replaced = unsafe { memory::discard(block.data(), size_of_class(block.class)) };
        if replaced {
            block.flags.clear_in_flight();
        }
        return replaced;
    }
    if block.flags.is_zeroed() {
        // SAFETY: the caller owns the block exclusively, so it may write the bytes (H3).
        unsafe { block.data().write_bytes(0, block.requested()) };
    }
    true
}
