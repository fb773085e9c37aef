//! The alarm that wakes the purger: a pool asks to be watched.

use std::sync::{Condvar, Mutex, PoisonError};

/// A pool has asked since the purger last looked.
static RUNG: Mutex<bool> = Mutex::new(false);
static BELL: Condvar = Condvar::new();

/// Notifies the purger that a pool asks to be watched. Does nothing without a purger.
pub(crate) fn ring() {
    *RUNG.lock().unwrap_or_else(PoisonError::into_inner) = true;
    BELL.notify_one();
}

/// Waits until a pool asks.
pub(crate) fn wait() {
    let mut rung = RUNG.lock().unwrap_or_else(PoisonError::into_inner);
    while !std::mem::take(&mut *rung) {
        rung = BELL.wait(rung).unwrap_or_else(PoisonError::into_inner);
    }
}
