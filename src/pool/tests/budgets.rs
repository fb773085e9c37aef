//! Budgets of a pool, as its users see them.

use crate::pool::*;
use bytes::BufMut;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[test]
fn a_budget_counts_what_views_pin() {
    let pool = Pool::builder().build().budget("a", 100_000);
    let mut buf = pool.alloc(60_000);
    buf.put_slice(b"hello");
    let view = buf.freeze().slice(1..2);
    assert!(pool.budget_stats().unwrap().used >= 60_000);
    let error = pool.try_alloc(60_000).unwrap_err();
    assert_eq!((error.kind(), error.budget()), (AllocErrorKind::OverBudget, Some("a")));
    assert_eq!(error.requested(), 60_000);
    let view = view.compact();
    assert_eq!(pool.budget_stats().unwrap().used, view.pinned(), "the copy is charged as well");
    assert!(view.pinned() <= 64);
    assert!(pool.try_alloc(60_000).is_ok());
    assert_eq!(&view[..], b"e");
    assert_eq!(pool.budget_stats().unwrap().refused, 1);
}

#[test]
fn growing_stays_within_the_budget() {
    let pool = Pool::builder().build().budget("a", 10_000);
    let mut buf = pool.alloc(1000);
    buf.resize(1000, 1);
    let error = buf.try_reserve(20_000).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("budget a"));
    assert_eq!(buf.len(), 1000);
    buf.resize(4000, 2);
    assert_eq!(pool.budget_stats().unwrap().used, 4096);
    drop(buf);
    assert_eq!(pool.budget_stats().unwrap().used, 0);
}

#[test]
fn a_child_is_charged_to_its_parents() {
    let parent = Pool::builder().build().budget("parent", 8192);
    let (a, b) = (parent.budget("a", 8192), parent.budget("b", 1 << 30));
    let held = a.alloc(4096);
    let other = b.alloc(4096);
    assert_eq!(parent.budget_stats().unwrap().used, 8192);
    assert_eq!(b.try_alloc(64).unwrap_err().budget(), Some("parent"));
    assert_eq!(b.budget_stats().unwrap().used, 4096, "a failed charge is taken back");
    drop((held, other));
    assert_eq!(parent.budget_stats().unwrap().used, 0);
    assert_eq!(parent.budget_stats().unwrap().peak, 8192);
}

#[test]
fn a_budget_outlives_its_pool_in_its_buffers() {
    let tenant = Pool::builder().build().budget("t", 1 << 20);
    let stats = tenant.clone();
    let buf = tenant.alloc(1000);
    drop(tenant);
    assert!(stats.budget_stats().unwrap().used >= 1000);
    drop(stats);
    drop(buf);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn waiters_are_served_in_order_and_may_be_cancelled() {
    let pool = Pool::builder().build().budget("w", 4096);
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let held = pool.alloc(4096);

    let mut first = pin!(pool.alloc_wait(4096));
    let mut second = Box::pin(pool.alloc_wait(64));
    let mut third = pin!(pool.alloc_wait(128));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert!(third.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "only the first can be served");
    assert!(pool.try_alloc(64).is_err(), "a request overtook the waiters");
    let Poll::Ready(Ok(buf)) = first.as_mut().poll(&mut cx) else { panic!("it was served") };
    assert_eq!(buf.capacity(), 4096);
    drop(buf);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 3);
    // The second was served, and is dropped before it takes its bytes.
    drop(second);
    assert!(matches!(third.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    assert_eq!(pool.budget_stats().unwrap().used, 0);

    // Cancelling a wait lets the next request be served.
    let held = pool.alloc(2048);
    let mut large = Box::pin(pool.alloc_wait(4096));
    assert!(large.as_mut().poll(&mut cx).is_pending());
    let mut small = pin!(pool.alloc_wait(64));
    assert!(small.as_mut().poll(&mut cx).is_pending());
    drop(large);
    assert!(matches!(small.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    drop(held);
    // A request above the limit is refused at once.
    let mut never = pin!(pool.alloc_wait(5000));
    assert!(matches!(never.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
}

#[test]
fn a_sibling_without_bytes_delays_no_other_budget() {
    let parent = Pool::builder().build().budget("parent", 1 << 20);
    let (a, b) = (parent.budget("a", 64), parent.budget("b", 1 << 20));
    let waker = Waker::noop();
    let mut cx = Context::from_waker(waker);
    let held = a.alloc(64);
    let mut waiting = pin!(a.alloc_wait(64));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    assert!(b.try_alloc(1000).is_ok());
    drop(held);
    assert!(waiting.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_shedder_is_called_a_few_times() {
    let calls = Arc::new(Mutex::new(0));
    let seen = calls.clone();
    let pool = Pool::builder().build().budget_shedding("s", 64, move |stats| {
        assert_eq!((&*stats.name, stats.used), ("s", 64));
        *seen.lock().unwrap() += 1;
        true
    });
    let held = pool.alloc(64);
    assert!(pool.try_alloc(64).is_err());
    assert!((1..10).contains(&*calls.lock().unwrap()));
    drop(held);
    assert!(pool.try_alloc(1000).is_err(), "it exceeds the limit, whatever is shed");
}

/// Two threads that cache references to one block do not delay the end of its charge.
#[test]
fn a_charge_ends_with_the_last_handle_on_any_thread() {
    let pool = Pool::builder().build();
    let budget = pool.budget("one", 4096);
    let mut buf = budget.alloc(4096);
    buf.put_bytes(1, 4096);
    let view = buf.freeze();
    let twin = view.clone();
    std::thread::scope(|scope| {
        let (done, wait) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            drop(twin);
            done.send(()).unwrap();
            // Idle, and alive.
            let _ = ended.recv();
        });
        wait.recv().unwrap();
        drop(view);
        assert!(budget.try_alloc(4096).is_ok());
        drop(end);
    });
}
