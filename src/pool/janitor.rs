//! The janitor: gives idle memory back when nobody comes by to do it.
//!
//! A thread that exists only while a pool holds more idle memory than its reserve. Each period it lets
//! the pool give back what stayed idle the whole time.

use super::central::Central;
use crate::sys;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long memory stays idle before it goes back: one to two periods.
const PERIOD: Duration = Duration::from_millis(200);

/// The janitor of one pool, at work or not.
#[derive(Default)]
pub(crate) struct Janitor {
    at_work: AtomicBool,
}

impl Janitor {
    /// Sees to it that a janitor is at work.
    #[inline]
    pub(crate) fn wake(&self, pool: &Weak<Central>) {
        if !self.at_work.load(Ordering::SeqCst) {
            self.hire(pool);
        }
    }

    #[cold]
    fn hire(&self, pool: &Weak<Central>) {
        // Miri wants no thread left at the end; there, memory goes back with `trim`.
        if cfg!(miri) || self.at_work.swap(true, Ordering::Relaxed) {
            return;
        }
        let pool = pool.clone();
        let thread = std::thread::Builder::new().name("bytebuf-janitor".into());
        // Without a thread (a limit, a sandbox) the next wake tries again.
        if sys::spawn(thread.stack_size(128 * 1024), move || work(&pool)).is_err() {
            self.at_work.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the work unless there is more: whether it ended.
    fn leave(&self, is_done: impl Fn() -> bool) -> bool {
        self.at_work.store(false, Ordering::SeqCst);
        // Who made more idle before the store saw a janitor at work, and relied on it.
        is_done() || self.at_work.swap(true, Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(super) fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::SeqCst)
    }
}

fn work(pool: &Weak<Central>) {
    loop {
        std::thread::sleep(PERIOD);
        let Some(pool) = pool.upgrade() else { return };
        // Who listens to the pool's events may panic: then the next wake hires another janitor.
        let Ok(enough) = catch_unwind(AssertUnwindSafe(|| pool.tick())) else {
            return pool.janitor().at_work.store(false, Ordering::SeqCst);
        };
        let is_done = || pool.idle() <= enough;
        if is_done() && pool.janitor().leave(is_done) {
            return;
        }
    }
}
