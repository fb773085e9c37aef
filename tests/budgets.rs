//! Budgets: the limit holds, tenants are isolated, each waiter is served, all bytes come back.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{AllocError, AllocErrorKind, ByteBuf, Pool, Track};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use resource_baseline::ResourceBaseline;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

const LIMIT: usize = 8 << 20;
const THREADS: u64 = 6;
const STEPS: usize = if cfg!(debug_assertions) { 5_000 } else { 50_000 };

/// What the limit of a pool counts beside the bytes of a budget: what each thread caches.
const OVERHEAD: usize = 24 << 20;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
            return ready;
        }
        std::thread::park();
    }
}

/// Sizes as they come on a network: mostly small, some large.
fn size(rng: &mut TestRng) -> usize {
    let bits = rng.next_u32() % 12 + 6;
    1 + rng.next_u32() as usize % (1 << bits)
}

/// Takes buffers and drops them at random, waiting where it must; at most an eighth of the limit at once.
fn work(pool: &Pool, seed: u64, check: impl Fn()) {
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed as u8; 32]);
    let mut held: Vec<ByteBuf> = Vec::new();
    for step in 0..STEPS {
        let size = size(&mut rng);
        match pool.try_alloc(size) {
            Ok(buf) => held.push(buf),
            Err(error) => {
                let full = [AllocErrorKind::OverBudget, AllocErrorKind::BehindWaiters];
                assert!(full.contains(&error.kind()), "{error}");
                // A thread that waits holds nothing, so that another can go on.
                held.clear();
                held.push(block_on(pool.alloc_wait(size)).unwrap());
            }
        }
        let bytes: usize = held.iter().map(ByteBuf::capacity).sum();
        if bytes > LIMIT / 4 || rng.next_u32().is_multiple_of(2) {
            let place = rng.next_u32() as usize % held.len();
            held.swap_remove(place);
        }
        if step % 500 == 0 {
            check();
        }
    }
}

#[test]
fn a_soak_under_a_hard_limit_stays_under_it() {
    let _baseline = ResourceBaseline::take();
    let root = Pool::builder().max_memory(LIMIT + OVERHEAD).build();
    let pool = root.budget("soak", LIMIT);
    std::thread::scope(|scope| {
        let (root, pool) = (&root, &pool);
        let check = || {
            assert!(pool.budget_stats().unwrap().used <= LIMIT);
            assert!(root.stats().pinned <= LIMIT + OVERHEAD);
            // What can't be served says what is counted at this moment, cached blocks included.
            let error = root.try_alloc(LIMIT + OVERHEAD + 1).unwrap_err();
            assert_eq!(error.kind(), AllocErrorKind::OverLimit);
            assert!(error.in_use() <= LIMIT + OVERHEAD, "{error}");
        };
        let start = |seed| scope.spawn(move || work(pool, seed, check));
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        // The scope alone would not wait for the threads to give their caches back.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let stats = pool.budget_stats().unwrap();
    assert_eq!(stats.used, 0, "{stats}");
    assert!(stats.peak <= LIMIT && stats.peak > LIMIT / 2, "{stats}");
    root.assert_no_leaks();
    root.trim();
    assert_eq!(root.stats().mapped, 0, "{}", root.stats());
}

#[test]
fn a_tenant_does_not_use_the_budget_of_another() {
    let _baseline = ResourceBaseline::take();
    let root = Pool::builder().build();
    let (greedy, modest) = (root.budget("greedy", LIMIT), root.budget("modest", 1 << 20));
    let mut hoard = Vec::new();
    while let Ok(buf) = greedy.try_alloc(60_000) {
        hoard.push(buf);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1000 {
                assert!(modest.try_alloc(500_000).is_ok());
            }
        });
    });
    assert_eq!(modest.budget_stats().unwrap().refused, 0);
    assert!(greedy.budget_stats().unwrap().refused >= 1);
}

fn used(pool: &Pool) -> usize {
    pool.budget_stats().unwrap().used
}

/// Polls once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_tenant_that_waits_makes_no_other_fail_or_wait() {
    let _baseline = ResourceBaseline::take();
    let server = Pool::builder().build().budget("server", 1 << 20);
    let (a, b) = (server.budget("a", 1 << 20), server.budget("b", 1 << 20));
    let mut held = a.alloc(1000);
    held.extend_from_slice(&[1; 1000]);
    let mut large = Box::pin(b.alloc_wait(1 << 20));
    assert!(poll(large.as_mut()).is_pending(), "the server has less than 1 MiB left");

    assert!(a.try_alloc(100).is_ok());
    assert!(server.try_alloc(100).is_ok());
    held.try_reserve(100).unwrap();
    held.extend_from_slice(&[2; 100]);
    // It holds what the other waits for: were it to wait too, neither could go on.
    assert!(poll(pin!(a.alloc_wait(100))).is_ready());
    drop(held);
    assert!(matches!(poll(large.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn a_small_request_of_another_tenant_passes_a_large_one_that_does_not_fit() {
    let _baseline = ResourceBaseline::take();
    let server = Pool::builder().build().budget("server", 8192);
    let [a, b, c] = ["a", "b", "c"].map(|name| server.budget(name, 8192));
    let (half, rest) = (a.alloc(4096), a.alloc(4096));
    let (mut large, mut small) = (Box::pin(b.alloc_wait(8192)), Box::pin(c.alloc_wait(1024)));
    assert!(poll(large.as_mut()).is_pending());
    assert!(poll(small.as_mut()).is_pending());
    drop(half);
    let Poll::Ready(Ok(small)) = poll(small.as_mut()) else { panic!("4096 bytes are free") };
    assert!(poll(large.as_mut()).is_pending());
    drop((rest, small));
    assert!(poll(large.as_mut()).is_ready());
}

#[test]
fn an_allocation_that_may_not_pass_waiters_says_so() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build().budget("tenant", 4096);
    let held = pool.alloc(1024);
    let mut waits = Box::pin(pool.alloc_wait(4096));
    assert!(poll(waits.as_mut()).is_pending());
    let error = pool.try_alloc(64).unwrap_err();
    assert_eq!((error.kind(), error.budget()), (AllocErrorKind::BehindWaiters, Some("tenant")));
    assert_eq!((error.in_use(), error.limit()), (1024, Some(4096)));
    assert_eq!(
        error.to_string(),
        "64 bytes asked for, 1024 of 4096 in use: others wait for budget tenant"
    );
    // A request that can never be served does not stand behind others.
    assert_eq!(pool.try_alloc(5000).unwrap_err().kind(), AllocErrorKind::OverBudget);
    assert!(matches!(poll(pin!(pool.alloc_wait(5000))), Poll::Ready(Err(_))));
    drop(waits);
    assert!(pool.try_alloc(64).is_ok());
    drop(held);
}

/// What grew with the square or the cube of their number took minutes.
#[test]
fn a_hundred_thousand_tenants_wait_and_leave() {
    let _baseline = ResourceBaseline::take();
    let tenants = if cfg!(miri) { 100 } else { 100_000 };
    let server = Pool::builder().build().budget("server", 1 << 40);
    let tenants: Vec<_> = (0..tenants).map(|_| server.budget("tenant", 64)).collect();
    let mut held: Vec<_> = tenants.iter().map(|tenant| Some(tenant.alloc(64))).collect();
    let start = Instant::now();
    let mut waits: Vec<_> =
        tenants.iter().map(|tenant| Some(Box::pin(tenant.alloc_wait(64)))).collect();
    for wait in waits.iter_mut().flatten() {
        assert!(poll(wait.as_mut()).is_pending());
    }
    drop(server.alloc(64));
    held[7] = None;
    assert!(poll(waits[7].as_mut().unwrap().as_mut()).is_ready());
    for place in 0..waits.len() / 2 {
        waits[place] = None;
    }
    drop(held);
    for wait in waits.iter_mut().flatten() {
        assert!(poll(wait.as_mut()).is_ready());
    }
    drop(waits);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(used(&server), 0);
}

type Request = Pin<Box<dyn Future<Output = Result<ByteBuf, AllocError>> + Send>>;

/// Polls its request when it is woken, and drops what that got.
struct Inline(Mutex<Option<Request>>);

impl Inline {
    fn poll(self: &Arc<Self>) -> bool {
        let Some(mut request) = self.0.lock().unwrap().take() else { return true };
        let waker = Waker::from(Arc::clone(self));
        let is_ready = request.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if !is_ready {
            *self.0.lock().unwrap() = Some(request);
        }
        is_ready
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        assert!(self.poll(), "it is woken when it is served");
    }
}

#[test]
fn wakers_that_release_at_once_do_not_nest() {
    let _baseline = ResourceBaseline::take();
    let waiters = if cfg!(miri) { 50 } else { 50_000 };
    let small_stack = std::thread::Builder::new().stack_size(128 << 10);
    let waits = move || {
        let root = Pool::builder().build();
        for tenants in [1, 3] {
            let whole = root.budget("whole", 64);
            let tenants: Vec<_> = (0..tenants).map(|_| whole.budget("tenant", 64)).collect();
            let held = tenants[0].alloc(64);
            let all: Vec<_> = (0..waiters)
                .map(|place| {
                    let pool = tenants[place % tenants.len()].clone();
                    Arc::new(Inline(Mutex::new(Some(Box::pin(async move {
                        pool.alloc_wait(64).await
                    })))))
                })
                .collect();
            assert!(all.iter().all(|waiter| !waiter.poll()));
            drop(held);
            assert!(all.iter().all(|waiter| waiter.0.lock().unwrap().is_none()));
            assert_eq!(used(&whole), 0);
        }
    };
    small_stack.spawn(waits).unwrap().join().unwrap();
}

/// A charge that fails at a budget above is not seen meanwhile in those below.
#[test]
fn a_request_that_can_not_be_served_makes_no_other_fail() {
    let _baseline = ResourceBaseline::take();
    let parent = Pool::builder().build().budget("parent", 64 << 10);
    let tenant = parent.budget("tenant", 80 << 10);
    let held = parent.alloc(8 << 10);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The first is over the limit, the second over what is left.
        for size in [72 << 10, 64 << 10] {
            scope.spawn({
                let (tenant, stop) = (&tenant, &stop);
                move || {
                    while !stop.load(Ordering::Relaxed) {
                        assert!(tenant.try_alloc(size).is_err());
                    }
                }
            });
        }
        let served = (0..STEPS).filter(|_| tenant.try_alloc(48 << 10).is_ok()).count();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(served, STEPS);
    });
    drop(held);
}

/// A cache whose buffers a budget frees when it has no more.
type Cache = Arc<Mutex<Vec<ByteBuf>>>;

fn cached(parent: &Pool, bytes: usize) -> (Pool, Cache, Arc<AtomicUsize>) {
    let (cache, calls) = (Cache::default(), Arc::new(AtomicUsize::new(0)));
    let (evict, counter) = (Arc::clone(&cache), Arc::clone(&calls));
    let pool = parent.budget_shedding("cache", bytes, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        evict.lock().unwrap().pop().is_some()
    });
    (pool, cache, calls)
}

fn fill(pool: &Pool, cache: &Cache) {
    while used(pool) < pool.budget_stats().unwrap().limit {
        let buffer = pool.alloc(4096);
        cache.lock().unwrap().push(buffer);
    }
}

#[test]
fn a_wait_asks_the_shedder_before_it_joins_the_queue() {
    let _baseline = ResourceBaseline::take();
    let (pool, cache, calls) = cached(&Pool::builder().build(), 16 << 10);
    fill(&pool, &cache);
    let below = pool.budget("below", 16 << 10);
    let Poll::Ready(Ok(waited)) = poll(pin!(below.alloc_wait(8192))) else { panic!("two can go") };
    assert_eq!((cache.lock().unwrap().len(), calls.load(Ordering::Relaxed)), (2, 2));
    // What the tenant itself lacks, no cache above it can free.
    assert!(poll(pin!(below.alloc_wait(16 << 10))).is_pending());
    assert_eq!((cache.lock().unwrap().len(), calls.load(Ordering::Relaxed)), (2, 2));
    drop(waited);
}

#[test]
fn a_shedder_goes_with_the_last_pool_of_its_budget() {
    let _baseline = ResourceBaseline::take();
    let root = Pool::builder().build();
    let (pool, cache, calls) = cached(&root, 16 << 10);
    fill(&pool, &cache);
    // A budget below asks it too, so it keeps it.
    let below = pool.budget("below", 4096);
    drop(pool);
    assert!(below.try_alloc(4096).is_ok());
    assert_eq!(Arc::strong_count(&calls), 2);
    // Buffers do not.
    let (view, held) = (Arc::downgrade(&cache), below.alloc(100));
    drop((below, cache));
    assert_eq!((Arc::strong_count(&calls), view.strong_count()), (1, 0));
    drop(held);
    root.assert_no_leaks();
}

#[test]
fn a_shedder_may_allocate_and_is_not_called_for_that() {
    let _baseline = ResourceBaseline::take();
    let root = Pool::builder().build();
    let own = Arc::new(Mutex::new(None::<Pool>));
    let (seen, calls) = (Arc::clone(&own), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&calls);
    let pool = root.budget_shedding("own", 4096, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let pool = seen.lock().unwrap().clone().unwrap();
        pool.try_alloc(64).is_ok() || poll(pin!(pool.alloc_wait(64))).is_ready()
    });
    *own.lock().unwrap() = Some(pool.clone());
    let held = pool.alloc(4096);
    assert!(pool.try_alloc(64).is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    drop(held);
    // A shedder that owns its own pool lives as long as that.
    *own.lock().unwrap() = None;
}

#[test]
fn a_chain_of_shedding_budgets_may_be_as_long_as_any() {
    let _baseline = ResourceBaseline::take();
    let mut deep = Pool::builder().build().budget("root", 4096);
    for _ in 0..if cfg!(miri) { 100 } else { 200_000 } {
        deep = deep.budget_shedding("one more", 4096, |_| false);
    }
    let held = deep.alloc(4096);
    let mut waits = Box::pin(deep.alloc_wait(64));
    assert!(poll(waits.as_mut()).is_pending());
    drop(held);
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Ok(_))));
    drop(waits);
    drop(deep);
}

#[test]
fn a_buffer_that_was_waited_for_is_tracked_by_the_line_that_asked() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().track(Track::All).build();
    for tenant in [pool.clone(), pool.budget("tenant", 4096)] {
        let (waits, line) = (tenant.alloc_wait(100), line!());
        let held = block_on(waits).unwrap();
        let sites = pool.outstanding();
        assert_eq!((sites.len(), sites[0].count), (1, 1));
        assert_eq!((sites[0].location.file(), sites[0].location.line()), (file!(), line));
        drop(held);
    }
}
