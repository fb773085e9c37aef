//! The wake-up of the purger, when a pool is to be watched.

use std::sync::{Condvar, Mutex, PoisonError};

/// Whether a wake-up is pending.
static RUNG: Mutex<bool> = Mutex::new(false);
static BELL: Condvar = Condvar::new();

/// Wakes the purger to watch a pool. Without a purger, the wake-up stays pending.
pub(crate) fn ring() {
    *RUNG.lock().unwrap_or_else(PoisonError::into_inner) = true;
    BELL.notify_one();
}

/// Waits for a wake-up.
pub(crate) fn wait() {
    let mut rung = RUNG.lock().unwrap_or_else(PoisonError::into_inner);
    while !std::mem::take(&mut *rung) {
        rung = BELL.wait(rung).unwrap_or_else(PoisonError::into_inner);
    }
}
