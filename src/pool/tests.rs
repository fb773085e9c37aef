use super::*;
use crate::ByteBuf;
use bytes::BufMut;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The figures add up, as the documentation says.
fn check(pool: &Pool) -> PoolStats {
    let stats = pool.stats();
    assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free, "{stats}");
    assert!(stats.live <= stats.pinned, "{stats}");
    stats
}

#[test]
fn figures_add_up_through_every_state() {
    let pool = Pool::builder().build();
    let mut held = Vec::new();
    let many = if cfg!(miri) { 14 } else { 200 };
    for (i, size) in
        [1, 64, 1000, 4096, 70_000, 1 << 20, 3 << 20].into_iter().cycle().take(many).enumerate()
    {
        held.push(pool.alloc(size));
        if i % 3 == 0 {
            held.swap_remove(i % held.len());
        }
        check(&pool);
    }
    let stats = check(&pool);
    assert_eq!(stats.live_blocks, held.len());
    assert_eq!(stats.live, held.iter().map(|buf| buf.capacity()).sum::<usize>());
    assert_eq!(stats.allocations - stats.releases, held.len() as u64);
    held.clear();
    assert_eq!(check(&pool).pinned, 0);
    pool.trim();
    assert_eq!(check(&pool).mapped, 0);
}

#[test]
fn a_pool_is_printed_without_a_lock() {
    let pool = Pool::builder().max_memory(1 << 20).build();
    let tenant = pool.budget("tenant 7", 10_000);
    let held = tenant.alloc(1000);
    let printed = pool.central().while_locked(|| format!("{pool:?} {tenant:?}"));
    assert!(printed.contains("max_memory: Some(1048576), in_use: 1024"), "{printed}");
    assert!(printed.contains("tenant 7"), "{printed}");
    drop(held);
}

#[test]
fn each_class_has_its_account() {
    let pool = Pool::builder().build();
    let held: Vec<_> = (0..100).map(|_| pool.alloc(1500)).collect();
    let stats = pool.stats();
    let [class] = &stats.classes[..] else { panic!("one class was used: {stats:#}") };
    assert_eq!((class.size, class.live_blocks, class.live), (1536, 100, 150_000));
    assert_eq!((stats.allocations, stats.releases, class.migrated), (100, 0, 0));
    assert!(stats.waste() > 0.02 && stats.waste() < 0.03, "{}", stats.waste());
    assert!(stats.hit_rate() > 0.9, "{}", stats.hit_rate());
    std::thread::scope(|scope| _ = scope.spawn(|| drop(held)));
    let stats = pool.stats();
    assert_eq!((stats.releases, stats.migrated, stats.live), (100, 100, 0));
    assert!(format!("{stats:#}").contains("1536: 0 live"));
}

#[test]
fn limits_are_errors_that_say_so() {
    let pool = Pool::builder().chunk_size(1 << 20).max_memory(3 << 20).build();
    let mut held = Vec::new();
    let error = loop {
        match pool.try_alloc(100_000) {
            Ok(buf) => held.push(buf),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.limit()), (AllocErrorKind::OverLimit, Some(3 << 20)));
    assert_eq!((error.requested(), error.in_use()), (100_000, held.len() * 106_496));
    assert_eq!(held.len(), (3 << 20) / 106_496);
    // Another class finds the memory that this one leaves.
    held.clear();
    assert!(pool.try_alloc(50_000).is_ok());
    assert!(pool.try_alloc(2 << 20).is_ok());
    assert_eq!(pool.try_alloc(usize::MAX).unwrap_err().kind(), AllocErrorKind::TooLarge);
    // It counts blocks, and not the chunks that they are cut from.
    let little = Pool::builder().max_memory(100).build();
    let held = little.try_alloc(1).unwrap();
    assert_eq!(little.try_alloc(1).unwrap_err().kind(), AllocErrorKind::OverLimit);
    drop(held);
    assert!(little.try_alloc(100).is_err(), "the size class has 112 bytes");
}

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
fn waiters_are_served_in_order_and_may_leave() {
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
    assert!(pool.try_alloc(64).is_err(), "nobody passes those who wait");
    let Poll::Ready(Ok(buf)) = first.as_mut().poll(&mut cx) else { panic!("it was served") };
    assert_eq!(buf.capacity(), 4096);
    drop(buf);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 3);
    // The second was served and leaves without taking it.
    drop(second);
    assert!(matches!(third.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    assert_eq!(pool.budget_stats().unwrap().used, 0);

    // Leaving the line lets the next one through.
    let held = pool.alloc(2048);
    let mut large = Box::pin(pool.alloc_wait(4096));
    assert!(large.as_mut().poll(&mut cx).is_pending());
    let mut small = pin!(pool.alloc_wait(64));
    assert!(small.as_mut().poll(&mut cx).is_pending());
    drop(large);
    assert!(matches!(small.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    drop(held);
    // What can never be had is refused at once.
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
fn a_shedder_is_asked_a_few_times() {
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
    assert!(pool.try_alloc(1000).is_err(), "never, whatever is shed");
}

#[test]
fn outstanding_buffers_are_listed_by_line() {
    let pool = Pool::builder().track(Track::All).build();
    let mut grown = pool.alloc(10);
    let line = line!() - 1;
    let others: Vec<_> = (0..3).map(|_| pool.alloc(1000)).collect();
    let list = pool.outstanding();
    assert_eq!((list[0].count, list[0].bytes, list[0].pinned), (3, 3000, 3072));
    assert_eq!((list[1].location.line(), list[1].count), (line, 1));
    assert!(list[1].location.file().ends_with("tests.rs"));
    grown.reserve(5000);
    let line = line!() - 1;
    assert!(pool.outstanding().iter().any(|site| site.location.line() == line));
    let leak = std::panic::catch_unwind(|| pool.assert_no_leaks()).unwrap_err();
    let message = leak.downcast_ref::<String>().unwrap();
    assert!(message.contains("3 buffers, 3000 bytes"), "{message}");
    drop((grown, others));
    assert!(pool.outstanding().is_empty());
    pool.assert_no_leaks();
}

#[test]
fn sampling_sees_its_share() {
    let pool = Pool::builder().track(Track::Sampled(10)).build();
    let tenth = if cfg!(miri) { 10 } else { 100 };
    let held: Vec<_> = (0..10 * tenth).map(|_| pool.alloc(64)).collect();
    let list = pool.outstanding();
    assert_eq!((list.every(), list[0].count), (10, tenth));
    drop(held);
    assert!(pool.outstanding().is_empty());
}

/// Returns the number of live buffers that a pool has tracked.
fn tracked(pool: &Pool) -> usize {
    pool.outstanding().iter().map(|site| site.count).sum()
}

#[test]
fn sampling_of_a_pool_does_not_depend_on_other_pools() {
    let steps = if cfg!(miri) { 60 } else { 3000 };
    let pool_of = |track| Pool::builder().track(track).build();
    let (tenth, third) = (pool_of(Track::Sampled(10)), pool_of(Track::Sampled(3)));
    let (all, off) = (pool_of(Track::All), pool_of(Track::Off));
    let mut held = Vec::new();
    for size in [100, 5000, 2 << 20].into_iter().cycle().take(steps) {
        let pools = [&tenth, &all, &third, &off];
        held.push(pools.map(|pool| pool.alloc(if cfg!(miri) { 100 } else { size })));
    }
    // The last sample may be due.
    let expected = [steps / 10, steps, steps / 3, 0];
    for (pool, expected) in [&tenth, &all, &third, &off].into_iter().zip(expected) {
        assert!(tracked(pool).abs_diff(expected) <= 2, "{} of {expected}", tracked(pool));
    }
}

#[test]
fn threads_that_allocate_little_are_sampled_too() {
    let threads = if cfg!(miri) { 20 } else { 100 };
    let pool = Pool::builder().track(Track::Sampled(10)).build();
    let allocate = || std::thread::scope(|scope| scope.spawn(|| pool.alloc(64)).join().unwrap());
    let held: Vec<_> = (0..threads).map(|_| allocate()).collect();
    assert!(tracked(&pool).abs_diff(threads / 10) <= 2, "{} of {threads}", tracked(&pool));
    drop(held);
}

/// A thread finds its cache among those of more pools than it keeps at hand, while pools come and go.
#[test]
fn each_of_many_pools_gets_its_own_blocks_back() {
    let mut pools: Vec<(Pool, Vec<ByteBuf>)> = Vec::new();
    let mut x = 1_u64;
    for _ in 0..if cfg!(miri) { 150 } else { 20_000 } {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (what, which) = (x >> 60, (x >> 33) as usize);
        if pools.is_empty() || (what == 0 && pools.len() < 40) {
            pools.push((Pool::builder().build(), Vec::new()));
        }
        let index = which % pools.len();
        let (pool, held) = &mut pools[index];
        match what {
            1 => drop(pools.swap_remove(index)),
            2..8 if !held.is_empty() => drop(held.swap_remove(which % held.len())),
            _ => held.push(pool.alloc(1000)),
        }
        if what == 2 && which.is_multiple_of(16) {
            for (pool, held) in &pools {
                assert_eq!(pool.stats().live_blocks, held.len());
            }
        }
    }
    for (pool, held) in pools {
        drop(held);
        assert_eq!(pool.stats().live_blocks, 0);
        pool.trim();
        assert_eq!(pool.stats().mapped, 0);
    }
}

/// One thread returns a block while another closes the pool: nothing stays mapped, in either order.
#[test]
fn closing_leaves_nothing_behind() {
    for round in 0..if cfg!(miri) { 4 } else { 400 } {
        let pool = Pool::builder().thread_cache(0).build();
        let central = Arc::clone(pool.central());
        let held: Vec<_> = if round % 2 == 0 {
            vec![pool.alloc(2 << 20)]
        } else {
            (0..12).map(|_| pool.alloc(30_000)).collect()
        };
        let start = Arc::new(std::sync::Barrier::new(2));
        let other = std::thread::spawn({
            let start = Arc::clone(&start);
            move || {
                start.wait();
                drop(held);
            }
        });
        start.wait();
        drop(pool);
        other.join().unwrap();
        assert_eq!(central.stats(&[]).mapped, 0, "round {round}: {}", central.stats(&[]));
    }
}

/// A thread that has blocks in its cache, and does nothing any more, does not keep the memory of a pool that is closed.
#[test]
fn a_closed_pool_leaves_the_caches_of_idle_threads() {
    let pool = Pool::builder().build();
    let (central, its) = (Arc::clone(pool.central()), pool.clone());
    let (done, wait) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let idle = std::thread::spawn(move || {
        drop((0..if cfg!(miri) { 5 } else { 100 }).map(|_| its.alloc(8192)).collect::<Vec<_>>());
        drop(its);
        done.send(()).unwrap();
        let _ = ended.recv();
    });
    wait.recv().unwrap();
    assert!(central.stats(&[]).cached > 0);
    drop(pool);
    // The purger may be in the middle of a step.
    while central.stats(&[]).mapped > 0 {
        std::thread::yield_now();
    }
    drop(end);
    idle.join().unwrap();
}

/// Figures read while other threads work need not add up, but each of them is possible.
#[test]
fn figures_stay_sane_while_threads_are_at_work() {
    let pool = Pool::builder().build();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let many = if cfg!(miri) { 20 } else { 150 };
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let held: Vec<_> = (0..many).map(|_| pool.alloc(1000)).collect();
            drop(held);
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        for _ in 0..if cfg!(miri) { 5 } else { 2_000 } {
            let stats = pool.stats();
            assert!(stats.live_blocks <= 1_000 && stats.cached <= 4 << 20, "{stats}");
        }
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(check(&pool).live_blocks, 0);
}

/// Free blocks that share pages with live ones can't be returned: the purger does not try for ever.
#[test]
#[cfg(not(miri))]
fn the_purger_ends_its_watch_when_nothing_is_left_to_purge() {
    let pool = Pool::builder().thread_cache(0).build();
    let mut buffers: Vec<_> = (0..64 * 1024).map(|_| pool.alloc(64)).collect();
    let mut place = 0;
    buffers.retain(|_| {
        place += 1;
        place % 64 == 0
    });
    local::flush(pool.central());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while pool.central().is_watched() {
        assert!(std::time::Instant::now() < deadline, "still at work: {}", pool.stats());
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    assert!(pool.stats().idle > tuning::IDLE_RESERVE, "nothing kept it: {}", pool.stats());
}

/// Two threads that count the references of one block at hand do not keep it from its budget.
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

/// Does something while `heard` is called for each event of this thread.
#[cfg(feature = "tracing")]
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
    // A place that is first come by in another test, while this one begins to listen, may stay silent: so it
    // is come by before, and asked again afterwards.
    let pool = Pool::builder().build();
    drop(pool.alloc(1));
    pool.trim();
    tracing::subscriber::with_default(Listener(heard), || {
        tracing::callsite::rebuild_interest_cache();
        work()
    })
}

/// A subscriber may use the pool that emits the events.
#[cfg(feature = "tracing")]
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
#[cfg(feature = "tracing")]
#[test]
fn a_subscriber_that_panics_loses_no_block() {
    let pool = Pool::builder().build();
    let budget = pool.budget("tenant", 4 << 20);
    for from in [&pool, &budget] {
        for size in [1000, 2 << 20] {
            pool.trim();
            let alloc = || listening(|| panic!("no pending, please"), || from.alloc(size));
            assert!(std::panic::catch_unwind(alloc).is_err(), "nothing was mapped");
            assert_eq!(check(&pool).live_blocks, 0);
            assert_eq!(budget.budget_stats().map(|stats| stats.used), Some(0));
        }
    }
    pool.trim();
    assert_eq!(pool.stats().mapped, 0);
}

/// The process ends before the count of handles can wrap: seen in one of its own, which starts near there.
#[test]
#[cfg(unix)]
#[cfg_attr(miri, ignore = "starts a process")]
fn more_handles_than_half_of_all_numbers_end_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "BYTEBUF_COUNT_HANDLES";
    const ABORTED: i32 = 6;
    let pool = Pool::builder().build();
    // Small blocks draw many counts at once, large ones each.
    for size in [100_usize, 2 << 20] {
        if std::env::var(CHILD) == Ok(size.to_string()) {
            let block = Block::allocate(pool.central(), size).unwrap();
            block.header().count.set(crate::memory::count::LIMIT);
            (0..100).for_each(|_| std::mem::forget(block.clone()));
            std::process::exit(0);
        }
    }
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let this = "pool::tests::more_handles_than_half_of_all_numbers_end_the_process";
    for size in ["100", "2097152", "0"] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", this]).env(CHILD, size).output().unwrap().status;
        let expected = if size == "0" { None } else { Some(ABORTED) };
        assert_eq!(ended.signal(), expected, "{size}: {ended}");
    }
}

/// The purger is started once in a process, so its failure is seen in a process of its own.
#[test]
#[cfg(not(miri))]
fn users_of_a_pool_purge_it_where_no_thread_can_be_started() {
    use crate::sys::{Call, Outcome, with_plan};
    use std::rc::Rc;
    use std::time::{Duration, Instant};
    const CHILD: &str = "BYTEBUF_NO_THREAD";
    const EAGAIN: i32 = 11;
    if std::env::var_os(CHILD).is_none() {
        let this = "pool::tests::users_of_a_pool_purge_it_where_no_thread_can_be_started";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", this]).env(CHILD, "1").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
        return;
    }
    let spawns = Rc::new(std::cell::Cell::new(0));
    let counter = Rc::clone(&spawns);
    let plan = move |call, _| {
        if call != Call::Spawn {
            return Outcome::Pass;
        }
        counter.set(counter.get() + 1);
        Outcome::Fail(EAGAIN)
    };
    with_plan(plan, || {
        let [pool, _other] = [(); 2].map(|()| Pool::builder().thread_cache(0).build());
        drop((0..64).map(|_| pool.alloc(64 << 10)).collect::<Vec<_>>());
        assert!(pool.stats().idle > 2 << 20, "{}", pool.stats());
        let start = Instant::now();
        while pool.stats().idle > tuning::IDLE_RESERVE {
            assert!(start.elapsed() < Duration::from_secs(20), "{}", pool.stats());
            // Two, since a thread keeps the one that it freed last.
            drop((pool.alloc(100), pool.alloc(100)));
            std::thread::yield_now();
        }
    });
    assert_eq!(spawns.get(), 1, "it is tried once");
}

/// Two threads that find no free block each make a slab; one of the two is enough.
#[test]
#[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
fn a_slab_that_another_thread_made_superfluous_is_given_back() {
    use crate::sys::{Call, Outcome, with_plan};
    let pool = Pool::builder().build();
    let (other, mut is_first) = (pool.clone(), true);
    let (send, receive) = std::sync::mpsc::channel();
    // While this thread maps memory for its slab.
    let plan = move |call, _| {
        if call == Call::MapMemory && std::mem::take(&mut is_first) {
            let pool = other.clone();
            let buffer = std::thread::spawn(move || pool.alloc(64)).join().unwrap();
            send.send(buffer).unwrap();
        }
        Outcome::Pass
    };
    let held = with_plan(plan, || pool.alloc(64));
    drop((held, receive.recv().unwrap()));
    pool.trim();
    let stats = pool.stats();
    assert_eq!((stats.mapped, stats.headers, stats.idle), (0, 0, 0), "{stats}");
}
