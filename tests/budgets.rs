//! Many threads under one budget: the limit holds, nobody starves, all of it comes back.

#[path = "support/floor.rs"]
mod floor;

use bytebuf::{AllocErrorKind, ByteBuf, Pool};
use floor::Floor;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;

const LIMIT: usize = 8 << 20;
const THREADS: u64 = 6;
const STEPS: usize = if cfg!(debug_assertions) { 5_000 } else { 50_000 };

/// Beside the bytes of a budget a pool maps: the rest of chunks that are in use in part, what each thread
/// caches, and the reserve. As the documentation of `Pool` says.
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
                assert_eq!(error.kind(), AllocErrorKind::OverBudget, "{error}");
                // Who waits holds nothing, so that somebody can go on.
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
    let _floor = Floor::take();
    let root = Pool::builder().max_memory(LIMIT + OVERHEAD).build();
    let pool = root.budget("soak", LIMIT);
    std::thread::scope(|scope| {
        let (root, pool) = (&root, &pool);
        let check = || {
            assert!(pool.budget_stats().unwrap().used <= LIMIT);
            assert!(root.stats().mapped <= LIMIT + OVERHEAD);
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
fn tenants_do_not_touch_what_is_the_others() {
    let _floor = Floor::take();
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
