//! [`BlockExt`]: the data of a budget and a tracker about a block, until the block returns to the pool.
//!
//! Rules:
//!
//! * **N1** The [`ext`](HeaderRef::ext) of a header is null, or a leaked boxed slice of one [`BlockExt`] that the
//!   header owns. Only the exclusive owner of a block sets or takes it (H2). It is null while the block is free.
#![allow(unsafe_code, reason = "a box behind the header's untyped pointer (N1)")]

use crate::memory::header::{ExtHead, HeaderRef};
use crate::pool::budget::{Budget, Charge};
use crate::pool::shared::central::pool_of;
use std::sync::Arc;

/// The data of a budget and a tracker about one allocation of a block.
#[repr(C)]
pub(crate) struct BlockExt {
    /// The start of every extension (H6).
    pub(crate) head: ExtHead,
    /// The charge for the block.
    pub(crate) charge: Option<Charge>,
    /// The tracker's number for the block.
    pub(crate) tracked: Option<u64>,
}

/// Attaches an extension to a block that has none. The caller owns the block exclusively. Returns the extension
/// if there is no memory for it.
pub(crate) fn attach(block: HeaderRef, ext: BlockExt) -> Result<(), BlockExt> {
    debug_assert!(block.ext().is_null());
    let mut one = Vec::new();
    if one.try_reserve_exact(1).is_err() {
        return Err(ext);
    }
    one.push(ext);
    // SAFETY: a leaked box whose first field is a head (`repr(C)`), valid until `take`; the caller owns the block
    // exclusively.
    unsafe { block.set_ext(Box::into_raw(one.into_boxed_slice()).cast()) };
    Ok(())
}

/// Returns the budget that is charged for a block.
pub(crate) fn budget(block: HeaderRef) -> Option<Arc<Budget>> {
    let ext = block.ext().cast::<BlockExt>();
    // SAFETY: null, or an extension that exists until the block is free (N1); the caller's handle keeps it in use.
    let ext = unsafe { ext.as_ref() }?;
    ext.charge.as_ref().map(|charge| Arc::clone(charge.budget()))
}

/// Returns whether the same budget is charged for both blocks, or none.
pub(crate) fn share_budget(a: HeaderRef, b: HeaderRef) -> bool {
    let address = |block| budget(block).map(|budget| Arc::as_ptr(&budget));
    address(a) == address(b)
}

/// Takes the extension of a block that the caller owns exclusively. Its charge ends when the result is dropped. The
/// caller returns the block to the pool before that, so that the next waiter finds the block there.
pub(crate) fn take(block: HeaderRef) -> Option<Taken> {
    let ext = block.ext().cast::<BlockExt>();
    if ext.is_null() {
        return None;
    }
    // SAFETY: the caller owns the block exclusively.
    unsafe { block.set_ext(std::ptr::null_mut()) };
    let slice = std::ptr::slice_from_raw_parts_mut(ext, 1);
    // SAFETY: N1; the caller owns the block exclusively, and the extension was just removed from it.
    let ext = unsafe { Box::from_raw(slice) };
    for BlockExt { tracked, .. } in &ext {
        if let (Some(id), Some(tracker)) = (tracked, &pool_of(block).tracker) {
            tracker.forget(*id);
        }
    }
    Some(Taken(ext))
}

/// An extension that was taken from its block. Its charge ends when this is dropped.
pub(crate) struct Taken(#[expect(dead_code, reason = "held to be dropped")] Box<[BlockExt]>);
