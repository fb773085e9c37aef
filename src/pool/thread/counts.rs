//! The numbers of references that threads cache, for the statistics of pools.
//!
//! * **TC1** The counts of a thread are in the list from [`publish`] until [`withdraw`], and do not move in between.
#![allow(unsafe_code, reason = "follows pointers to the counts of other threads (TC1)")]

use crate::memory::ref_cache::CachedCounts;
use core::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

static ALL: Mutex<Vec<CountsRef>> = Mutex::new(Vec::new());

struct CountsRef(NonNull<CachedCounts>);

// SAFETY: `CachedCounts` is `Sync`, and stays as long as it is in the list (TC1).
unsafe impl Send for CountsRef {}

fn all() -> MutexGuard<'static, Vec<CountsRef>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the counts of a thread. Returns whether there was memory for the entry.
///
/// # Safety
///
/// The counts must not move or be dropped until the thread has [withdrawn](withdraw) them.
pub(super) unsafe fn publish(counts: &CachedCounts) -> bool {
    let mut all = all();
    let has_place = all.try_reserve(1).is_ok();
    if has_place {
        all.push(CountsRef(NonNull::from(counts)));
    }
    has_place
}

/// Removes the counts of a thread.
pub(super) fn withdraw(counts: &CachedCounts) {
    all().retain(|other| other.0 != NonNull::from(counts));
}

/// Returns the addresses of the headers to which threads cache references, in ascending order, and the number of these
/// references.
pub(crate) fn cached_references() -> Vec<(usize, u32)> {
    let mut sums = std::collections::HashMap::<usize, u32>::new();
    for counts in all().iter() {
        // SAFETY: TC1: it is in the list, which is locked.
        unsafe { counts.0.as_ref() }.for_each(|address, references| {
            *sums.entry(address).or_default() += references;
        });
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}
