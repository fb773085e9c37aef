//! Notes: what a budget and a tracker want to know when a block goes home.
//!
//! Rules:
//!
//! * **N1** `extra` of a header is null, or a leaked `Box<[Note; 1]>` that the header owns; only the sole
//!   owner of a block sets or takes it (H2). It is null whenever the block is free.
#![allow(unsafe_code, reason = "a box behind the header's untyped pointer (N1)")]

use crate::memory::header::HeaderRef;
use crate::pool::budget::Budget;
use crate::pool::thread::local;
use std::sync::Arc;

/// Bytes that a budget has given, and gets back when this is dropped.
pub(crate) struct Charge {
    pub(crate) budget: Arc<Budget>,
    pub(crate) bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

/// What is to be settled when a block goes home.
pub(crate) struct Note {
    /// What a budget is charged for the block.
    pub(crate) charge: Option<Charge>,
    /// The tracker's number of the block.
    pub(crate) tracked: Option<u64>,
}

/// Attaches a note to a block that has none, of which the caller is the sole owner. Gives it back when
/// there is no memory for it.
pub(crate) fn attach(block: HeaderRef, note: Note) -> Result<(), Note> {
    debug_assert!(block.ext().is_null());
    let mut one = Vec::new();
    if one.try_reserve_exact(1).is_err() {
        return Err(note);
    }
    one.push(note);
    block.set_ext(Box::into_raw(one.into_boxed_slice()).cast());
    Ok(())
}

/// The budget of a block, if one is charged.
pub(crate) fn budget(block: HeaderRef) -> Option<Arc<Budget>> {
    let note = block.ext().cast::<Note>();
    // SAFETY: null or a note that stays until the block goes home (N1), which the caller's handle prevents.
    let note = unsafe { note.as_ref() }?;
    note.charge.as_ref().map(|charge| Arc::clone(&charge.budget))
}

/// Takes the note of a block that is on its way home, to be settled when it is there.
pub(crate) fn take(block: HeaderRef) -> Option<Settlement> {
    let note = block.ext().cast::<Note>();
    if note.is_null() {
        return None;
    }
    block.set_ext(std::ptr::null_mut());
    let slice = std::ptr::slice_from_raw_parts_mut(note, 1);
    // SAFETY: N1; the caller owns the block alone, and it is taken once.
    let note = unsafe { Box::from_raw(slice) };
    for Note { tracked, .. } in &note {
        if let (Some(id), Some(tracker)) = (tracked, &local::central_of(block).tracker) {
            tracker.forget(*id);
        }
    }
    Some(Settlement(note))
}

/// A note that is to be dropped, with its charge, after the block has gone home: so that who waits for bytes
/// finds it there.
pub(crate) struct Settlement(#[expect(dead_code, reason = "held to be dropped")] Box<[Note]>);
