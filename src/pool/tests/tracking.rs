//! Tracked buffers.

use crate::pool::*;

#[test]
fn outstanding_buffers_are_listed_by_line() {
    let pool = Pool::builder().track(Track::All).build();
    let mut grown = pool.alloc(10);
    let line = line!() - 1;
    let others: Vec<_> = (0..3).map(|_| pool.alloc(1000)).collect();
    let list = pool.outstanding();
    assert_eq!((list[0].count, list[0].bytes, list[0].pinned), (3, 3000, 3072));
    assert_eq!((list[1].location.line(), list[1].count), (line, 1));
    assert!(list[1].location.file().ends_with("tracking.rs"));
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
fn sampling_tracks_one_of_ten() {
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
