//! A pool returns memory to the system after its load has fallen, without a call from the program.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{ByteBuf, Pool, PoolStats, Purge};
use bytes::BufMut;
use resource_baseline::ResourceBaseline;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What a pool keeps for the next burst, as its documentation says.
const RESERVE: usize = 256 * 1024;

const CACHE: usize = 128 * 1024;

/// What an idle thread may keep for a moment: its cache, and the block that it freed last.
const IDLE_THREAD: usize = CACHE + 16 * 1024;

fn pool() -> Pool {
    Pool::builder().thread_cache(CACHE).build()
}

fn filled(pool: &Pool, len: usize) -> ByteBuf {
    let mut buf = pool.alloc(len);
    buf.put_bytes(1, len);
    buf
}

/// What is in use, cached, or may still be resident.
fn held(stats: &PoolStats) -> usize {
    stats.pinned + stats.cached + stats.idle
}

/// Looks until the pool holds no more than `most` bytes.
#[track_caller]
fn falls_to(pool: &Pool, most: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let stats = pool.stats();
        if held(&stats) <= most {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still {} bytes where {most} would do: {stats}",
            held(&stats)
        );
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_producer_and_a_consumer_go_idle() {
    let _baseline = ResourceBaseline::take();
    let pool = pool();
    let (sender, receiver) = mpsc::channel::<ByteBuf>();
    let (end, idle) = mpsc::channel::<()>();
    let its = pool.clone();
    let producer = thread::spawn(move || {
        // All at once: some 64 MiB are on their way before the first comes back.
        for i in 0..16 * 1024 {
            sender.send(filled(&its, 512 + i % 16 * 500)).unwrap();
        }
        drop(sender);
        let _ = idle.recv();
    });
    let all: Vec<_> = receiver.iter().collect();
    let peak = pool.stats();
    assert_eq!(peak.live_blocks, all.len());
    drop(all);
    // Both threads are alive, and neither does anything any more.
    falls_to(&pool, RESERVE + 2 * IDLE_THREAD);
    assert_eq!(pool.stats().live, 0);
    drop(end);
    producer.join().unwrap();
    falls_to(&pool, RESERVE + IDLE_THREAD);
    pool.trim();
    assert_eq!(pool.stats().mapped, 0);
}

#[test]
fn ten_thousand_connections_come_and_go_and_a_hundred_stay() {
    let _baseline = ResourceBaseline::take();
    let pool = pool();
    // A read buffer of 16 KiB and a small head for each.
    let mut open: Vec<_> =
        (0..10_000).map(|_| (filled(&pool, 16 * 1024), filled(&pool, 200))).collect();
    let peak = pool.stats();
    assert!(peak.mapped > 160_000_000, "{peak}");
    let mut place = 0;
    open.retain(|_| {
        place += 1;
        place % 100 == 0
    });
    let live = pool.stats().pinned;
    assert_eq!(open.len(), 100);
    // The heads that stay lie on a page of 4 KiB each, which can't go back while they do.
    falls_to(&pool, live + 100 * 4096 + RESERVE + IDLE_THREAD);
    assert!(open.iter().all(|(body, head)| body.len() == 16 * 1024 && head[..] == [1; 200]));
    drop(open);
    pool.trim();
    assert_eq!(pool.stats().mapped, 0);
}

#[test]
fn a_thread_that_only_frees_keeps_no_blocks() {
    let _baseline = ResourceBaseline::take();
    let pool = pool();
    let (sender, receiver) = mpsc::sync_channel::<ByteBuf>(64);
    let consumer = thread::spawn(move || receiver.iter().count());
    let mut peak = 0;
    for round in 0..200_000 {
        sender.send(pool.alloc(4096)).unwrap();
        if round % 100 == 0 {
            peak = peak.max(pool.stats().mapped);
        }
    }
    drop(sender);
    assert_eq!(consumer.join().unwrap(), 200_000);
    assert!(peak <= 16 << 20, "{peak} bytes mapped for 64 buffers on their way");
}

/// What the depot holds is idle, and no part of what the reserve is a share of.
#[test]
fn idle_memory_falls_to_the_reserve_after_a_burst() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    drop((0..1024).map(|_| pool.alloc(64 << 10)).collect::<Vec<_>>());
    let deadline = Instant::now() + Duration::from_secs(30);
    while pool.stats().idle > RESERVE {
        assert!(Instant::now() < deadline, "{}", pool.stats());
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Large blocks stay warm for a while, and not for ever.
#[test]
fn a_thread_whose_cache_was_emptied_takes_many_blocks_at_a_time_again() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let allocate = || -> Vec<_> { (0..1000).map(|_| pool.alloc(16 * 1024)).collect() };
    drop(allocate());
    pool.trim();
    // It took one block while its magazine had no places.
    drop(pool.alloc(16 * 1024));
    pool.trim();
    let before = pool.stats().refills;
    let held = allocate();
    let refills = pool.stats().refills - before;
    assert!(refills < 500, "{refills} refills for 1000 buffers");
    drop(held);
}

#[test]
fn large_blocks_are_returned_to_the_system() {
    let _baseline = ResourceBaseline::take();
    let pool = pool();
    for size in [2 << 20, 5 << 20, 17 << 20] {
        drop(filled(&pool, size));
    }
    falls_to(&pool, RESERVE);
    assert_eq!(pool.stats().mapped, 0);
}

/// Runs `work` on so many threads, which then stay idle until the guard is dropped.
fn idle_threads(n: usize, work: impl Fn(usize) + Send + Sync + Clone + 'static) -> IdleThreads {
    let (done, all_done) = mpsc::channel();
    let threads = (0..n).map(|i| {
        let (end, ended) = mpsc::channel::<()>();
        let (work, done) = (work.clone(), done.clone());
        let thread = thread::spawn(move || {
            work(i);
            done.send(()).unwrap();
            let _ = ended.recv();
        });
        (end, thread)
    });
    let threads = threads.collect();
    all_done.iter().take(n).for_each(drop);
    IdleThreads(threads)
}

struct IdleThreads(Vec<(mpsc::Sender<()>, thread::JoinHandle<()>)>);

impl Drop for IdleThreads {
    fn drop(&mut self) {
        for (end, thread) in self.0.drain(..) {
            drop(end);
            let _ = thread.join();
        }
    }
}

#[test]
fn idle_threads_do_not_use_up_a_limit() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().max_memory(8 << 20).build();
    let its = pool.clone();
    let threads = idle_threads(16, move |i| {
        for size in [8192, 64, 100_000 << (i % 3), 1 << 20] {
            drop((0..50).filter_map(|_| its.try_alloc(size).ok()).collect::<Vec<_>>());
        }
    });
    for size in [64, 8192, 512 << 10, 1 << 20, 4 << 20] {
        assert!(pool.try_alloc(size).is_ok(), "{size} bytes: {}", pool.stats());
    }
    drop(threads);
}

/// Two idle threads that cache references to each block keep at most half of the limit.
#[test]
fn cached_references_do_not_use_up_a_limit() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().max_memory(4 << 20).build();
    let views: Vec<_> = (0..60).map(|_| filled(&pool, 64 << 10).freeze()).collect();
    let twins = std::sync::Mutex::new(vec![views.clone(), views]);
    let twins = std::sync::Arc::new(twins);
    let threads = idle_threads(2, move |_| drop(twins.lock().unwrap().pop()));
    assert!(pool.try_alloc(2 << 20).is_ok(), "{}", pool.stats());
    drop(threads);
}

#[test]
fn survivors_in_each_slab_leave_the_limit_to_other_sizes() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().max_memory(16 << 20).build();
    let mut all: Vec<_> = std::iter::from_fn(|| pool.try_alloc(64).ok()).collect();
    assert_eq!(all.len(), (16 << 20) / 64);
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        place % 1024 == 1
    });
    for size in [100, 4096, 100_000, 8 << 20] {
        assert!(pool.try_alloc(size).is_ok(), "{size} bytes: {}", pool.stats());
    }
}

/// What one size leaves behind in its slabs does not add up with what the next sizes take, although no purger helps.
#[test]
fn resident_memory_of_a_limited_pool_stays_near_its_limit() {
    let _baseline = ResourceBaseline::take();
    let limit = 8 << 20;
    let pool = Pool::builder().max_memory(limit).thread_cache(0).purge(Purge::Manual).build();
    let mut survivors = Vec::new();
    for size in (6..16).flat_map(|power| [1 << power, 3 << (power - 1)]) {
        let mut all: Vec<_> = std::iter::from_fn(|| pool.try_alloc(size).ok()).collect();
        assert!(all.len() * size > limit / 2, "{size} bytes: {}", pool.stats());
        // One in each slab of 64 KiB.
        let mut taken = 0;
        all.retain(|_| {
            taken += size;
            let stays = taken >= 64 << 10;
            taken %= 64 << 10;
            stays
        });
        survivors.push(all.split_off(all.len() - all.len().min(32)));
        // A page for each survivor that is less, and what is taken at a time between two looks.
        let shared = survivors.iter().map(Vec::len).sum::<usize>() * 8192;
        let stats = pool.stats();
        assert!(held(&stats) <= limit + RESERVE + shared + (1 << 20), "{size} bytes: {stats}");
    }
}

/// A refusal looks at no slab and at no block.
#[test]
fn a_refused_request_costs_the_same_at_any_limit() {
    let _baseline = ResourceBaseline::take();
    let fastest = |limit| {
        let pool = Pool::builder().max_memory(limit).build();
        let all: Vec<_> = std::iter::from_fn(|| pool.try_alloc(4096).ok()).collect();
        assert_eq!(all.len(), limit / 4096);
        let refuse = |size| {
            let begun = Instant::now();
            assert!(pool.try_alloc(size).is_err());
            begun.elapsed()
        };
        let of = |size| (0..1000).map(|_| refuse(size)).min().unwrap();
        of(100).max(of(4096)).max(of(100_000)).max(of(2 << 20))
    };
    let (small, large) = (fastest(1 << 20), fastest(256 << 20));
    assert!(
        large < 4 * small + Duration::from_micros(2),
        "{large:?} at 256 MiB, {small:?} at 1 MiB"
    );
}

/// References that an idle thread caches are no leak.
#[test]
fn handles_dropped_on_any_thread_are_not_leaks() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let view = filled(&pool, 1000).freeze();
    let twin = std::sync::Arc::new(std::sync::Mutex::new(Some(view.clone())));
    let threads = idle_threads(1, move |_| drop(twin.lock().unwrap().take()));
    drop(view);
    assert_eq!(pool.stats().live_blocks, 0);
    pool.assert_no_leaks();
    drop(threads);
}

#[test]
#[cfg(target_os = "linux")]
fn many_pools_share_one_purger() {
    let _baseline = ResourceBaseline::take();
    let purgers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("bytebuf-purger")).count()
    };
    let pools: Vec<_> = (0..50).map(|_| pool()).collect();
    for pool in &pools {
        drop((0..100).map(|_| filled(pool, 8192)).collect::<Vec<_>>());
    }
    assert_eq!(purgers(), 1);
    for pool in &pools {
        falls_to(pool, RESERVE + IDLE_THREAD);
    }
}
