//! Allocations that fail where a test wants them to.

use super::LeakGuard;
use crate::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A child of `pool` in which those allocations fail that `fails` says so of, by their number, from 0
/// on. A buffer that grows asks for a new block with room to spare, and if it is refused, for one of just
/// the size that is needed.
///
/// They fail as if the system had no memory left
/// ([`AllocErrorKind::OutOfMemory`](crate::AllocErrorKind::OutOfMemory)).
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
    // Relaxed, as each is a number of its own and no more.
    let next = AtomicU64::new(0);
    pool.with_fail_point(Box::new(move || fails(next.fetch_add(1, Ordering::Relaxed))))
}

/// Runs `scenario` with a pool whose first allocation fails, then with one whose second does, and so
/// on, until a run has no allocation left to fail. Returns how many allocations that run made.
///
/// Each allocation fails twice: once alone, once with all that follow it. Each run has a pool of its own
/// and must leave no buffer of it behind. If one panics, it is printed which allocation had failed.
///
/// # Panics
///
/// As `scenario` does, or if it leaks a buffer.
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

/// How many allocations a run makes.
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

/// Says on the way out of a panic which allocation had failed.
struct Failing(u64);

impl Drop for Failing {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this was with allocation {} failing, counted from 0", self.0);
        }
    }
}
