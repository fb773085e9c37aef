//! Pools are created and closed, and return their memory.

use crate::ByteBuf;
use crate::pool::*;
use std::sync::atomic::Ordering;

/// A thread finds its cache among those of many pools, while pools are created and closed.
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

/// The block that was freed last serves any length of its class, with exactly that capacity.
#[test]
#[cfg(not(miri))]
fn a_freed_block_serves_the_lengths_of_its_class_and_no_others() {
    // The purger takes no block from the thread meanwhile.
    let pool = Pool::builder().purge(Purge::Manual).build();
    let at = |n| {
        let buf = pool.alloc(n);
        assert_eq!((buf.capacity(), pool.stats().live), (n, n));
        buf.as_ptr().addr()
    };
    let first = at(97);
    for n in [97, 112, 98, 112, 112] {
        assert_eq!(at(n), first, "{n} bytes");
    }
    for n in [0, 96, 113, 1 << 20, (1 << 20) + 1] {
        assert_ne!(at(n), first, "{n} bytes");
    }
    assert_eq!(pool.stats().live_blocks, 0);
}

/// One thread returns a block while another closes the pool: nothing stays mapped, in either order.
#[test]
fn closing_returns_all_memory() {
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

/// A thread that has blocks in its cache, and is idle, does not keep the memory of a closed pool.
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

/// Blocks in the cache of an idle thread count as unused.
#[test]
fn two_checks_of_the_purger_return_all_that_becomes_idle() {
    let pool = Pool::builder().purge(Purge::Manual).build();
    let (blocks, size) = if cfg!(miri) { (8, 64 << 10) } else { (128, 64 << 10) };
    drop((0..blocks).map(|_| pool.alloc(size)).collect::<Vec<_>>());
    let central = pool.central();
    central.purge_unused();
    assert!(pool.stats().cached > 0, "it had been used since the last check: {}", pool.stats());
    central.purge_unused();
    let PoolStats { cached, idle, .. } = pool.stats();
    assert!(cached == 0 && idle <= tuning::IDLE_RESERVE, "{}", pool.stats());
}

/// With `Purge::Manual` no other thread returns what this one caches.
#[test]
fn steps_of_the_caller_return_what_an_idle_thread_cached() {
    let pool = Pool::builder().purge(Purge::Manual).build();
    let (blocks, size) = if cfg!(miri) { (8, 64 << 10) } else { (32, 64 << 10) };
    drop((0..blocks).map(|_| pool.alloc(size)).collect::<Vec<_>>());
    let cached_a_period_later = || {
        let last = &pool.central().last_purge;
        last.store(last.load(Ordering::Relaxed).wrapping_sub(1000), Ordering::Relaxed);
        pool.purge_step();
        pool.stats().cached
    };
    assert!(cached_a_period_later() > 0, "the thread was active");
    drop(pool.alloc(size));
    assert!(cached_a_period_later() > 0, "the thread was active");
    assert_eq!(cached_a_period_later(), 0);
    assert!(pool.stats().idle <= tuning::IDLE_RESERVE, "{}", pool.stats());
}

/// Free blocks that share pages with live ones can't be returned: the purger stops trying.
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
    assert!(pool.stats().idle > tuning::IDLE_RESERVE, "all was returned: {}", pool.stats());
}

/// The process aborts before the count of handles can wrap. A child process, whose count starts near the limit, shows it.
#[test]
#[cfg(unix)]
#[cfg_attr(miri, ignore = "starts a process")]
fn more_handles_than_half_of_all_numbers_end_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "BYTEBUF_COUNT_HANDLES";
    const ABORTED: i32 = 6;
    let pool = Pool::builder().build();
    // A thread acquires references to small blocks in batches, and to large ones one by one.
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
    let this = "pool::tests::life::more_handles_than_half_of_all_numbers_end_the_process";
    for size in ["100", "2097152", "0"] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", this]).env(CHILD, size).output().unwrap().status;
        let expected = if size == "0" { None } else { Some(ABORTED) };
        assert_eq!(ended.signal(), expected, "{size}: {ended}");
    }
}

/// The purger is started once in a process, so its failure is tested in a child process.
#[test]
#[cfg(not(miri))]
fn users_of_a_pool_purge_it_where_no_thread_can_be_started() {
    use crate::sys::{Call, Outcome, with_plan};
    use std::rc::Rc;
    use std::time::{Duration, Instant};
    const CHILD: &str = "BYTEBUF_NO_THREAD";
    const EAGAIN: i32 = 11;
    if std::env::var_os(CHILD).is_none() {
        let this = "pool::tests::life::users_of_a_pool_purge_it_where_no_thread_can_be_started";
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
    assert_eq!(spawns.get(), 1, "the purger is started once");
}

/// Two threads that find no free block each make a slab; one of the two is enough.
#[test]
#[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
fn a_slab_that_another_thread_made_superfluous_is_returned() {
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
