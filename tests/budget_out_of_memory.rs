//! Budgets without memory: every allocation of the Rust heap that they make may fail. What fails is an error,
//! and nothing is lost. Giving bytes back allocates nothing at all.

#![allow(unsafe_code, reason = "a global allocator that fails where a test says so")]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{AllocError, AllocErrorKind, ByteBuf, Pool};
use resource_baseline::ResourceBaseline;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Fails on this thread from one allocation on, or at one alone.
struct Failing;

#[derive(Clone, Copy)]
struct Plan {
    passes: usize,
    fails: usize,
}

/// No plan: every allocation passes.
const PASS: Plan = Plan { passes: usize::MAX, fails: 0 };

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(PASS) };
}

/// Whether the next allocation fails.
fn fails() -> bool {
    let next = |plan: &Cell<Plan>| {
        let Plan { passes, fails } = plan.get();
        plan.set(match (passes, fails) {
            (usize::MAX, _) | (0, 0) => return false,
            (0, _) => Plan { passes, fails: fails - 1 },
            _ => Plan { passes: passes - 1, fails },
        });
        passes == 0
    };
    PLAN.try_with(next).unwrap_or(false)
}

// SAFETY: all calls that do not fail go to the system's allocator, as they come.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static FAILING: Failing = Failing;

/// Runs `work` under a plan. Returns whether an allocation failed.
fn under(plan: Plan, work: impl FnOnce()) -> bool {
    PLAN.set(plan);
    work();
    let left = PLAN.replace(PASS);
    left.passes == 0 && left.fails < plan.fails
}

type Buffer = Result<ByteBuf, AllocError>;

/// Polls a request that has no answer yet, and keeps the answer.
fn poll(request: Pin<&mut impl Future<Output = Buffer>>, answer: &mut Option<Buffer>) {
    if answer.is_none()
        && let Poll::Ready(buffer) = request.poll(&mut Context::from_waker(Waker::noop()))
    {
        *answer = Some(buffer);
    }
}

fn assert_is_buffer_or_out_of_memory(answer: &Option<Buffer>) {
    match answer {
        Some(Err(error)) => assert_eq!(error.kind(), AllocErrorKind::OutOfMemory),
        Some(Ok(_)) => {}
        None => panic!("a request has no answer, and all bytes are back"),
    }
}

/// Tenants that take all of a shared budget, wait for more, are served, move from one queue to the other, and
/// give up.
fn tenants(server: &Pool, a: &Pool, b: &Pool) {
    let mut answers = [const { None::<Buffer> }; 4];
    let [first, second, third, fourth] = &mut answers;
    let mut held = [a.try_alloc(4096).ok(), b.try_alloc(4096).ok()];
    let mut of_a = pin!(a.alloc_wait(8192));
    let mut of_b = pin!(b.alloc_wait(8192));
    let mut also_of_b = pin!(b.alloc_wait(64));
    let mut of_server = pin!(server.alloc_wait(4096));
    {
        // Gives up while it is queued, or after it was served.
        let mut given_up = pin!(a.alloc_wait(2048));
        poll(given_up.as_mut(), &mut None);
        held[0] = None;
        held[0] = server.try_alloc(4096).ok();
    }
    for _ in 0..8 {
        poll(of_a.as_mut(), first);
        poll(of_b.as_mut(), second);
        poll(also_of_b.as_mut(), third);
        poll(of_server.as_mut(), fourth);
        held = [None, None];
        for answer in [&mut *first, &mut *second, &mut *third, &mut *fourth] {
            if let Some(Ok(buffer)) = answer {
                *buffer = ByteBuf::new();
            }
        }
    }
    drop(held);
    answers.iter().for_each(assert_is_buffer_or_out_of_memory);
}

#[test]
fn each_allocation_of_a_budget_may_fail() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let server = pool.budget("server", 8192);
    let (a, b) = (server.budget("a", 8192), server.budget("b", 8192));
    let used = || [&server, &a, &b].map(|pool| pool.budget_stats().expect("a budget").used);
    // What is allocated once is there.
    tenants(&server, &a, &b);
    for fails in [1, usize::MAX] {
        let mut passes = 0;
        while under(Plan { passes, fails }, || tenants(&server, &a, &b)) {
            assert_eq!(used(), [0; 3], "allocation {passes} failed");
            drop(server.try_alloc(8192).expect("no waiter is left"));
            passes += 1;
        }
        assert!(passes > 5, "{passes}");
    }
}

#[test]
fn serving_waiters_allocates_nothing() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let server = pool.budget("server", 8192);
    let (a, b) = (server.budget("a", 8192), server.budget("b", 4096));
    for _ in 0..2 {
        let held = [a.alloc(4096), b.alloc(4096)];
        let mut answers = [const { None::<Buffer> }; 3];
        let [first, second, third] = &mut answers;
        let mut waits = pin!(a.alloc_wait(4096));
        let mut also_waits = pin!(a.alloc_wait(64));
        let mut of_b = pin!(b.alloc_wait(64));
        poll(waits.as_mut(), first);
        poll(also_waits.as_mut(), second);
        poll(of_b.as_mut(), third);
        let failed = under(Plan { passes: 0, fails: usize::MAX }, || drop(held));
        assert!(!failed);
        poll(waits.as_mut(), first);
        poll(also_waits.as_mut(), second);
        poll(of_b.as_mut(), third);
        assert!(answers.iter().all(|answer| matches!(answer, Some(Ok(_)))));
    }
}
