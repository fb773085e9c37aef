//! Returns a block to where it came from, after its last reference was released.
#![allow(unsafe_code, reason = "ends blocks to which no other reference exists")]

use crate::memory::header::{HeaderRef, Kind};
use crate::memory::{hooks, owned};
use crate::pool::block_ext;
use crate::pool::pages::size_class::size_of_class;
use crate::pool::shared::central::large;
use crate::sys::memory;

/// Returns a block that the caller owns exclusively. `put` takes those of slabs.
#[cold]
pub(crate) fn free_by(block: HeaderRef, put: impl FnOnce(HeaderRef)) {
    block.count.reset_if_needed();
    // It ends when the block has returned, where the next waiter finds it.
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

/// Does to a slab's block, which the caller owns exclusively, what its flags ask for. Returns whether it is free now: not
/// if the kernel may be sending from its pages and they can't be replaced, as in a process that locks all its memory. Then
/// it stays out for ever.
#[cold]
fn prepare(block: HeaderRef) -> bool {
    if block.flags.is_in_flight() {
        // Fresh pages are zero (V2). Only the kernel uses the old ones now.
        // SAFETY: whole pages of a mapping of the pool's, as `has_pages_of_its_own` has found, and the caller owns the
        // block exclusively.
        let replaced = unsafe { memory::discard(block.data(), size_of_class(block.class)) };
        if replaced {
            block.flags.clear_in_flight();
        }
        return replaced;
    }
    if block.flags.is_zeroed() {
        // SAFETY: the caller owns the block exclusively, so its bytes are its to write (H3).
        unsafe { block.data().write_bytes(0, block.requested()) };
    }
    true
}
