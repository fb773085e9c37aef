//! Subscribers to the events of a pool.

use super::check;
use crate::pool::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` while `heard` is called for each event of this thread.
fn listening<R>(heard: impl Fn() + Send + Sync + 'static, work: impl FnOnce() -> R) -> R {
    use tracing::span;
    struct Listener<F>(F);
    impl<F: Fn() + Send + Sync + 'static> tracing::Subscriber for Listener<F> {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            (self.0)();
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }
    // A callsite that another test reaches for the first time while this subscriber is being set may stay disabled. So
    // this thread reaches the callsites before, and `tracing` asks the subscriber about them again.
    let pool = Pool::builder().build();
    drop(pool.alloc(1));
    pool.trim();
    tracing::subscriber::with_default(Listener(heard), || {
        tracing::callsite::rebuild_interest_cache();
        work()
    })
}

/// A subscriber may use the pool that emits the events.
#[test]
fn a_subscriber_may_allocate() {
    let pool = Pool::builder().build();
    let (its, count) = (pool.clone(), Arc::new(AtomicUsize::new(0)));
    let events = Arc::clone(&count);
    let heard = move || {
        events.fetch_add(1, Ordering::Relaxed);
        drop(its.alloc(1000));
        drop(its.alloc(2 << 20));
    };
    listening(heard, || {
        let held: Vec<_> = (0..100).map(|_| pool.alloc(1000)).collect();
        drop(held);
        pool.trim();
    });
    assert!(count.load(Ordering::Relaxed) >= 2);
    assert_eq!(check(&pool).live_blocks, 0);
}

/// A subscriber may panic: neither the block that was being allocated is lost, nor the charge on its budget.
#[test]
fn a_subscriber_that_panics_loses_no_block() {
    let pool = Pool::builder().build();
    let budget = pool.budget("tenant", 4 << 20);
    for from in [&pool, &budget] {
        for size in [1000, 2 << 20] {
            pool.trim();
            let alloc = || listening(|| panic!("a subscriber's panic"), || from.alloc(size));
            assert!(std::panic::catch_unwind(alloc).is_err(), "nothing was mapped");
            assert_eq!(check(&pool).live_blocks, 0);
            assert_eq!(budget.budget_stats().map(|stats| stats.used), Some(0));
        }
    }
    pool.trim();
    assert_eq!(pool.stats().mapped, 0);
}
