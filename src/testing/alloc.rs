//! Failing allocations for tests.

use super::LeakGuard;
use crate::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Returns a child of `pool` in which an allocation fails if `fails` returns true for its number, counted from 0.
/// A buffer that grows requests a block with spare capacity first, and if that fails, one of the size that it
/// needs.
///
/// They fail as if the system had no memory left
/// ([`AllocErrorKind::OutOfMemory`](crate::AllocErrorKind::OutOfMemory)).
///
/// # Examples
///
/// ```
/// use bytebuf::{Pool, testing::failing_pool};
///
/// let pool = failing_pool(Pool::global(), |n| n == 1 || n == 2);
/// let mut buf = pool.try_alloc(100).unwrap();
/// buf.extend_from_slice(b"kept");
/// assert!(buf.try_reserve(5000).is_err());
/// assert_eq!(buf, "kept");
/// assert!(buf.try_reserve(5000).is_ok());
/// ```
#[must_use]
pub fn failing_pool(pool: &Pool, fails: impl Fn(u64) -> bool + Send + Sync + 'static) -> Pool {
    // Relaxed: each allocation gets a number of its own, and nothing else depends on it.
    let next = AtomicU64::new(0);
    pool.with_fail_point(Box::new(move || fails(next.fetch_add(1, Ordering::Relaxed))))
}

/// Runs `scenario` with a pool whose first allocation fails, then with one whose second allocation fails, and so
/// on, until a run succeeds without a failing allocation. Returns the number of allocations of that run.
///
/// Each allocation fails twice: once alone, once with all that follow it. Each run has its own pool and must not
/// leak a buffer of it. If a run panics, the number of the allocation that failed is printed.
///
/// # Panics
///
/// As `scenario` does, or if it leaks a buffer.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::each_failing_allocation;
///
/// let allocations = each_failing_allocation(|pool| {
///     let Ok(mut head) = pool.try_alloc(64) else { return };
///     head.extend_from_slice(b"head");
///     let Ok(mut body) = pool.try_alloc(4096) else { return assert_eq!(head, "head") };
///     body.extend_from_slice(b"body");
/// });
/// assert_eq!(allocations, 2);
/// ```
pub fn each_failing_allocation(mut scenario: impl FnMut(&Pool)) -> u64 {
    let mut failing = Failing(0);
    loop {
        let at = failing.0;
        let alone = run(&mut scenario, move |n| n == at);
        run(&mut scenario, move |n| n >= at);
        if alone <= at {
            return alone;
        }
        failing.0 += 1;
    }
}

/// Runs the scenario, and returns the number of its allocations.
fn run(
    scenario: &mut impl FnMut(&Pool),
    fails: impl Fn(u64) -> bool + Send + Sync + 'static,
) -> u64 {
    let guard = LeakGuard::new();
    let made = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&made);
    let pool =
        guard.with_fail_point(Box::new(move || fails(counter.fetch_add(1, Ordering::Relaxed))));
    scenario(&pool);
    guard.check();
    made.load(Ordering::Relaxed)
}

/// Prints during a panic which allocation failed.
struct Failing(u64);

impl Drop for Failing {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("allocation {} failed in this run, counted from 0", self.0);
        }
    }
}
