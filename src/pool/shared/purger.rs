//! The purger: gives idle memory back when nobody comes by to do it.
//!
//! A thread that exists only while a pool holds more idle memory than its reserve. Each period it lets
//! the pool give back what stayed idle the whole time.

use crate::pool::shared::central::Central;
use crate::sync::thread;
use crate::sys;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::time::Duration;

/// How long memory stays idle before it goes back: one to two periods.
const PERIOD: Duration = Duration::from_millis(200);

/// Hires a purger for a pool that has none.
#[cold]
pub(crate) fn spawn(pool: &Central) {
    // Miri wants no thread left at the end; there, memory goes back with `trim`.
    if cfg!(miri) || !pool.idle.begin_watch() {
        return;
    }
    let its = pool.this.clone();
    let thread = thread::Builder::new().name("bytebuf-purger".into());
    // Without a thread (a limit, a sandbox) the next who adds tries again.
    if sys::spawn(thread.stack_size(128 * 1024), move || work(&its)).is_err() {
        pool.idle.abandon_watch();
    }
}

fn work(pool: &Weak<Central>) {
    loop {
        thread::sleep(PERIOD);
        let Some(pool) = pool.upgrade() else { return };
        // Who listens to the pool's events may panic: then the next who adds hires another purger.
        let Ok(enough) = catch_unwind(AssertUnwindSafe(|| pool.purge_unused())) else {
            return pool.idle.abandon_watch();
        };
        if pool.idle.bytes() <= enough && pool.idle.end_watch(enough) {
            return;
        }
    }
}
