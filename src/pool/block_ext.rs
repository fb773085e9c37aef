//! [`BlockExt`]: what a block carries for a budget and a tracker, until it returns to the pool.
//!
//! Rules:
//!
//! * **N1** The `ext` of a header is null, or a leaked `Box<[BlockExt; 1]>` that the header owns. Only the
//!   sole owner of a block sets or takes it (H2). It is null whenever the block is free.
#![allow(unsafe_code, reason = "a box behind the header's untyped pointer (N1)")]

use crate::memory::header::{ExtHead, HeaderRef};
use crate::pool::budget::{Budget, Charge};
use crate::pool::shared::central::pool_of;
use std::sync::Arc;

/// What a budget and a tracker know of a block.
#[repr(C)]
pub(crate) struct BlockExt {
    /// The start of every extension (H6).
    pub(crate) head: ExtHead,
    /// What a budget is charged for the block.
    pub(crate) charge: Option<Charge>,
    /// The tracker's number of the block.
    pub(crate) tracked: Option<u64>,
}

/// Attaches an extension to a block that has none, of which the caller is the sole owner. Gives it back
/// when there is no memory for it.
pub(crate) fn attach(block: HeaderRef, ext: BlockExt) -> Result<(), BlockExt> {
    debug_assert!(block.ext().is_null());
    let mut one = Vec::new();
    if one.try_reserve_exact(1).is_err() {
        return Err(ext);
    }
    one.push(ext);
    // SAFETY: a leaked box whose first field is a head (`repr(C)`), valid until `take`; the caller is the sole owner.
    unsafe { block.set_ext(Box::into_raw(one.into_boxed_slice()).cast()) };
    Ok(())
}

/// Returns the budget that is charged for a block.
pub(crate) fn budget(block: HeaderRef) -> Option<Arc<Budget>> {
    let ext = block.ext().cast::<BlockExt>();
    // SAFETY: null or an extension that stays until the block is free (N1), which the caller's handle
    // prevents.
    let ext = unsafe { ext.as_ref() }?;
    ext.charge.as_ref().map(|charge| Arc::clone(charge.budget()))
}

/// Returns whether the same budget is charged for both blocks, or none.
pub(crate) fn share_budget(a: HeaderRef, b: HeaderRef) -> bool {
    let address = |block| budget(block).map(|budget| Arc::as_ptr(&budget));
    address(a) == address(b)
}

/// Takes the extension of a block that the caller owns alone. Its charge ends when the result is dropped:
/// after the block has returned to the pool, where the next waiter finds it.
pub(crate) fn take(block: HeaderRef) -> Option<Taken> {
    let ext = block.ext().cast::<BlockExt>();
    if ext.is_null() {
        return None;
    }
    // SAFETY: the caller owns the block alone.
    unsafe { block.set_ext(std::ptr::null_mut()) };
    let slice = std::ptr::slice_from_raw_parts_mut(ext, 1);
    // SAFETY: N1; the caller owns the block alone, and it is taken once.
    let ext = unsafe { Box::from_raw(slice) };
    for BlockExt { tracked, .. } in &ext {
        if let (Some(id), Some(tracker)) = (tracked, &pool_of(block).tracker) {
            tracker.forget(*id);
        }
    }
    Some(Taken(ext))
}

/// An extension that ends when this is dropped.
pub(crate) struct Taken(#[expect(dead_code, reason = "held to be dropped")] Box<[BlockExt]>);
