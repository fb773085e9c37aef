//! The figures of a pool, and its limit.

use super::check;
use crate::pool::*;
use std::sync::atomic::Ordering;

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
fn each_class_has_its_own_figures() {
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
    // Another class can use the memory that this one has freed.
    held.clear();
    assert!(pool.try_alloc(50_000).is_ok());
    assert!(pool.try_alloc(2 << 20).is_ok());
    assert_eq!(pool.try_alloc(usize::MAX).unwrap_err().kind(), AllocErrorKind::TooLarge);
    // The limit counts blocks, and not the chunks that they are cut from.
    let little = Pool::builder().max_memory(100).build();
    let held = little.try_alloc(1).unwrap();
    assert_eq!(little.try_alloc(1).unwrap_err().kind(), AllocErrorKind::OverLimit);
    drop(held);
    assert!(little.try_alloc(100).is_err(), "the size class has 112 bytes");
}

/// Figures that are read while other threads allocate need not add up, but each of them is possible.
#[test]
fn figures_stay_possible_while_threads_allocate() {
    let pool = Pool::builder().build();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (many, rounds) = if cfg!(miri) {
        (20, 5)
    } else if cfg!(valgrind) {
        (150, 100)
    } else {
        (150, 2_000)
    };
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let held: Vec<_> = (0..many).map(|_| pool.alloc(1000)).collect();
            drop(held);
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        for _ in 0..rounds {
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
