//! The wake-up of the purger, when a pool is to be watched.

use std::sync::{Condvar, Mutex, PoisonError};

/// Whether a wake-up is pending.
static PENDING: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// Wakes the purger to watch a pool. Without a purger, the wake-up stays pending.
pub(crate) fn notify() {
    *PENDING.lock().unwrap_or_else(PoisonError::into_inner) = true;
    CHANGED.notify_one();
}

/// Waits for a wake-up.
pub(crate) fn wait() {
    let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    while !std::mem::take(&mut *pending) {
        pending = CHANGED.wait(pending).unwrap_or_else(PoisonError::into_inner);
    }
}
