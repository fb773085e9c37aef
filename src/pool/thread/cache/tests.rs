use super::*;
use crate::pool::Pool;
use crate::pool::pages::size_class::class_of;
#[cfg(not(miri))]
use crate::pool::tuning::{FIRST_ALLOWANCE, USUAL_MAGAZINE};

/// A class whose blocks exceed the allowance takes no part of the other classes.
#[test]
fn a_class_that_cannot_have_a_part_takes_none_from_others() {
    let pool = Pool::builder().thread_cache(64 * 1024).build();
    let cache = Cache::new(Arc::clone(pool.central()));
    let home = Arc::as_ptr(pool.central()).cast();
    let (small, large, other) = (1000, 70_000, 4000);
    let exchange = |size| swing(&cache, home, size, 60, 1);
    let limit = |size| cache.magazines.with(class_of(size), |magazine| magazine.limit()).unwrap();
    let few = if cfg!(miri) { 1 } else { 5 };
    (0..2 * few).for_each(|_| exchange(small));
    let before = limit(small);
    assert!(before >= 16, "{before}");
    (0..2 * few).for_each(|_| exchange(large));
    assert_eq!((limit(small), limit(large)), (before, 0));
    (0..4 * few).for_each(|_| exchange(other));
    assert!(limit(other) > 0, "one that fits gets a part");
    cache.flush();
}

fn take(cache: &Cache, home: *const (), size: usize) -> HeaderRef {
    cache.magazines.take(home, size).unwrap_or_else(|| cache.refill(class_of(size)).unwrap())
}

fn put(cache: &Cache, home: *const (), block: HeaderRef) {
    if let Err(block) = cache.magazines.put(home, block) {
        cache.put_slowly(block);
    }
}

/// Takes `n` blocks for `size` bytes and puts them back, `times` times.
fn swing(cache: &Cache, home: *const (), size: usize, n: usize, times: usize) {
    for _ in 0..times {
        let held: Vec<_> = (0..n).map(|_| take(cache, home, size)).collect();
        held.into_iter().for_each(|block| put(cache, home, block));
    }
}

#[test]
#[cfg(not(miri))]
fn a_load_that_swings_by_more_than_the_thread_keeps_gets_a_larger_allowance() {
    let pool = Pool::builder().thread_cache(4 * FIRST_ALLOWANCE).build();
    let cache = Cache::new(Arc::clone(pool.central()));
    let home = Arc::as_ptr(pool.central()).cast();
    let allowance = || cache.magazines.allowance.get();
    swing(&cache, home, 32 * 1024, 32, 100);
    assert_eq!(allowance(), FIRST_ALLOWANCE, "1 MiB is less than it keeps");
    swing(&cache, home, 32 * 1024, 800, 10);
    assert_eq!(allowance(), 2 * FIRST_ALLOWANCE, "25 MiB are more, but of one class");
    let sum = cache.magazines.assigned() + cache.magazines.unassigned.get();
    assert_eq!(sum, allowance(), "J1");
    cache.flush();
}

/// A batch of more blocks than magazines usually hold stays in the magazine of the thread that allocates and frees
/// it; blocks of another thread do not.
#[test]
#[cfg(not(miri))]
fn a_magazine_holds_a_large_batch_of_its_own_thread_only() {
    let pool = Pool::builder().build();
    let new = || Cache::new(Arc::clone(pool.central()));
    let (own, other) = (new(), new());
    let home = Arc::as_ptr(pool.central()).cast();
    swing(&own, home, 2048, 1000, 20);
    let before = own.magazines.refills.get();
    swing(&own, home, 2048, 1000, 20);
    assert_eq!(own.magazines.refills.get(), before);
    for _ in 0..20 {
        let held: Vec<_> = (0..1000).map(|_| take(&own, home, 2048)).collect();
        held.into_iter().for_each(|block| put(&other, home, block));
    }
    let limit = other.magazines.with(class_of(2048), |magazine| magazine.limit()).unwrap();
    assert_eq!(limit, USUAL_MAGAZINE);
    own.flush();
    other.flush();
}

/// The allocating thread has assigned its allowance to another class.
#[test]
#[cfg(not(miri))]
fn blocks_that_flow_to_a_magazine_of_less_than_a_round_do_not_pile_up() {
    let pool = Pool::builder().thread_cache(2 << 20).build();
    let new = || Cache::new(Arc::clone(pool.central()));
    let (from, to) = (new(), new());
    let home = Arc::as_ptr(pool.central()).cast();
    swing(&from, home, 16 * 1024, 300, 50);
    let size = 64 * 1024;
    for _ in 0..200 {
        let held: Vec<_> = (0..16).map(|_| take(&from, home, size)).collect();
        held.into_iter().for_each(|block| put(&to, home, block));
    }
    let limit = from.magazines.with(class_of(size), |magazine| magazine.limit()).unwrap();
    assert!(limit < round_of(size), "{limit}");
    let stats = pool.stats();
    assert!(stats.mapped <= 24 << 20, "{stats:?}");
    from.flush();
    to.flush();
}

/// Many live blocks of several classes; one block is replaced at a time.
#[test]
#[cfg(not(miri))]
fn a_load_that_wanders_keeps_its_first_allowance() {
    let pool = Pool::builder().build();
    let cache = Cache::new(Arc::clone(pool.central()));
    let home = Arc::as_ptr(pool.central()).cast();
    let mut state = 1_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % n
    };
    let mut live: Vec<_> = (0..200).map(|_| take(&cache, home, 16_384 << below(5))).collect();
    for _ in 0..50_000 {
        let place = below(200) as usize;
        let new = take(&cache, home, 16_384 << below(5));
        put(&cache, home, std::mem::replace(&mut live[place], new));
    }
    assert_eq!(cache.magazines.allowance.get(), FIRST_ALLOWANCE);
    live.into_iter().for_each(|block| put(&cache, home, block));
    cache.flush();
}
