//! The purger: one thread of the process, which returns the idle memory of all pools to the system.
//!
//! The first pool with [`Purge::Background`] starts it, when it is built. Starting a thread allocates, and ends the
//! process if there is no memory, so an allocation, which may fail, must not start it. No lock is held during the
//! start. The purger sleeps until a pool is to be watched. Then it purges the watched pools once per period. If no
//! thread can be started, the threads that use a pool purge it once per period, a bounded step at a time.

use crate::pool::shared::central::{Central, Purge};
use crate::pool::shared::coordination::wakeup;
use crate::pool::tuning::PURGE_PERIOD;
use crate::sys;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

/// The state of the thread.
static STATE: AtomicU8 = AtomicU8::new(NOT_STARTED);
const NOT_STARTED: u8 = 0;
const RUNNING: u8 = 1;
/// The thread could not be started.
const INLINE: u8 = 2;

/// Whether no purger runs. Shuttle and Miri require that no thread is left at the end; with them memory is returned
/// only on request.
const IS_OFF: bool = cfg!(any(miri, shuttle));

#[derive(Default)]
struct Shared {
    pools: Vec<Weak<Central>>,
    /// The number of pools at which those that were dropped are removed from the list.
    prune_at: usize,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { pools: Vec::new(), prune_at: 64 });

fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a new pool to the list of the purger.
pub(crate) fn register(pool: &Arc<Central>) {
    if IS_OFF || pool.config.purge != Purge::Background {
        return;
    }
    let mut shared = shared();
    if shared.pools.len() >= shared.prune_at {
        shared.pools.retain(|pool| pool.strong_count() > 0);
        shared.prune_at = 64.max(2 * shared.pools.len());
    }
    shared.pools.push(Arc::downgrade(pool));
}

/// Starts the thread, if the pool needs it and no start was attempted before. The caller holds no lock.
pub(crate) fn start(pool: &Arc<Central>) {
    if IS_OFF || pool.config.purge != Purge::Background {
        return;
    }
    // One thread tries; the others read `RUNNING`.
    if STATE.compare_exchange(NOT_STARTED, RUNNING, Relaxed, Relaxed).is_err() {
        return;
    }
    let thread = crate::sync::thread::Builder::new().name("bytebuf-purger".into());
    if sys::spawn(thread.stack_size(128 * 1024), run).is_err() {
        STATE.store(INLINE, Relaxed);
    }
}

/// Purges a step if there is no purger thread and a period has passed. The caller holds no lock and is not dropping a
/// buffer.
#[inline]
pub(crate) fn purge_if_inline(pool: &Arc<Central>) {
    if STATE.load(Relaxed) == INLINE {
        purge_inline(pool);
    }
}

fn run() {
    loop {
        wakeup::wait();
        let mut pause = PURGE_PERIOD;
        loop {
            std::thread::sleep(pause);
            let begun = Instant::now();
            if !purge_watched() {
                break;
            }
            // A period lasts from one start to the next. The purger pauses for at least half of it.
            pause = PURGE_PERIOD.saturating_sub(begun.elapsed()).max(PURGE_PERIOD / 2);
        }
    }
}

/// Purges the unused memory of each watched pool. Returns whether a pool must still be watched.
fn purge_watched() -> bool {
    let mut again = false;
    let mut index = 0;
    loop {
        let Some(pool) = shared().pools.get(index).map(Weak::upgrade) else { return again };
        index += 1;
        let Some(pool) = pool.filter(|pool| pool.idle.is_watched()) else { continue };
        // A subscriber of the pool's events may panic: then the pool stays watched.
        let done = catch_unwind(AssertUnwindSafe(|| pool.purge_unused())).unwrap_or(false);
        again |= !done;
    }
}

/// Releases a bounded step of idle memory to the system, once per period.
#[cold]
fn purge_inline(pool: &Arc<Central>) {
    let is_watched = pool.config.purge == Purge::Background && pool.idle() > pool.reserve();
    if is_watched && begins_period(pool) {
        pool.purge_step();
    }
}

/// Releases a bounded step of idle memory to the system. If no purger does it, this first takes the free blocks of threads
/// that have not used their caches since the last period. Returns the number of bytes released.
pub(crate) fn step(pool: &Arc<Central>) -> usize {
    if pool.config.purge == Purge::Manual && begins_period(pool) {
        pool.take_back_idle_caches();
    }
    pool.purge_step()
}

/// Returns whether a period has passed since the last call for this pool that returned `true`.
fn begins_period(pool: &Central) -> bool {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let now = BEGUN.get_or_init(Instant::now).elapsed().as_millis() as u64;
    let last = pool.last_purge.load(Relaxed);
    let is_due = now.wrapping_sub(last) >= PURGE_PERIOD.as_millis() as u64;
    is_due && pool.last_purge.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
}
