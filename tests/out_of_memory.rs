//! A global allocator that fails: neither an allocation that may fail nor giving memory back ends the process.

#![allow(unsafe_code, reason = "a global allocator")]

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Pool};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations of this thread until one fails; fewer than none for never.
    static LEFT: Cell<i64> = const { Cell::new(-1) };
}

struct Failing;

// SAFETY: `System`, except for requests that are refused.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.get();
        if left >= 0 {
            LEFT.set(left - 1);
        }
        if left == 0 {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs `work` with the allocation number `k` of this thread failing. Returns whether it came so far.
fn failing<R>(k: i64, work: impl FnOnce() -> R) -> bool {
    LEFT.set(k);
    let result = work();
    let reached = LEFT.replace(-1) < 0;
    drop(result);
    reached
}

/// Calls `case` with each number of an allocation that it makes, in a thread of its own each.
fn each_allocation(case: fn(i64) -> bool) {
    let most = if cfg!(miri) { 3 } else { 200 };
    for k in 0..most {
        if !std::thread::spawn(move || case(k)).join().unwrap() {
            return;
        }
    }
    if !cfg!(miri) {
        panic!("more than {most} allocations");
    }
}

fn filled(pool: &Pool, n: usize, size: usize) -> Vec<Option<ByteBuf>> {
    (0..n).map(|_| Some(pool.alloc(size))).collect()
}

#[test]
fn a_failing_heap_is_an_error_of_try_alloc() {
    each_allocation(|k| {
        let pool = Pool::builder().build();
        let reached =
            failing(k, || [1000, 100_000, 3 << 20].map(|size| pool.try_alloc(size).is_ok()));
        assert!(pool.try_alloc(1000).is_ok(), "the pool works when there is memory again");
        reached
    });
}

/// What a process does once, it does in a process of its own for each allocation that fails.
#[test]
#[cfg(not(miri))]
fn the_first_request_of_a_process_survives_a_failing_heap() {
    const CHILD: &str = "BYTEBUF_FAILING_ALLOCATION";
    const REACHED: i32 = 42;
    if let Some(k) = std::env::var_os(CHILD) {
        let k = k.to_str().unwrap().parse().unwrap();
        let pool = Pool::builder().build();
        let reached = failing(k, || pool.try_alloc(1000).is_ok());
        std::process::exit(if reached { REACHED } else { 0 });
    }
    for k in 0.. {
        assert!(k < 200, "more allocations than that");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let this = "the_first_request_of_a_process_survives_a_failing_heap";
        let ended = child.args(["--exact", this]).env(CHILD, k.to_string()).output().unwrap();
        match ended.status.code() {
            Some(REACHED) => {}
            Some(0) => return,
            _ => panic!("{k}: {}", String::from_utf8_lossy(&ended.stderr)),
        }
    }
}

#[test]
fn dropping_buffers_needs_no_heap() {
    each_allocation(|k| {
        let pool = Pool::builder().build();
        let held = filled(&pool, 500, 2000);
        let large = pool.alloc(2 << 20);
        let reached = failing(k, || drop((held, large)));
        assert_eq!(pool.stats().live_blocks, 0);
        reached
    });
}

#[test]
fn dropping_foreign_buffers_and_ending_the_thread_needs_no_heap() {
    let pool = Pool::builder().build();
    for k in 0..20 {
        let held = filled(&pool, 200, 2000);
        std::thread::spawn(move || failing(k, || drop(held))).join().unwrap();
        assert_eq!(pool.stats().live_blocks, 0);
    }
}

#[test]
fn truncating_a_composite_needs_no_heap() {
    each_allocation(|k| {
        let part = ByteView::from_static(&[b'x'; 3000]);
        let mut parts: CompositeByteBuf = std::iter::repeat_n(part, 500).collect();
        let reached = failing(k, || parts.truncate(1_000_000));
        assert_eq!(parts.len(), 1_000_000);
        reached
    });
}

#[test]
fn trimming_and_purging_need_no_heap() {
    each_allocation(|k| {
        let pool = Pool::builder().thread_cache(0).build();
        let mut held = filled(&pool, 5000, 64);
        held.iter_mut().enumerate().filter(|(i, _)| i % 200 > 10).for_each(|(_, buf)| *buf = None);
        failing(k, || (pool.trim(), pool.purge_step()))
    });
}
