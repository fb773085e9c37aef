//! The floor: what the process holds before any test. Every test of a file takes it first; whenever the last
//! one that runs lets go, nothing is above it, or that test fails.
//!
//! These do without:
//!
//! * `ops`: pools, files and threads that its sequences share live as long as the process. A sequence that
//!   left blocks behind would exhaust its pool, which is small, in the course of the others.
//! * `slow_wire`: leaves sockets and memory behind on purpose, and ends with no zero-copy send of its queues in flight.
//! * `seeded`: its faults are leaks, among others. `netty_page`, `tidy`: read text.
//! * `loom`, `shuttle`: run the crate on other atomics, and look themselves at what is left.

use bytebuf::Pool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What must not grow.
#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    mapped: usize,
    live_blocks: usize,
    sends: usize,
}

impl Held {
    fn now() -> Self {
        Pool::flush_thread();
        Pool::global().trim();
        let live_blocks = Pool::global().stats().live_blocks;
        Self { descriptors: descriptors(), mapped: mapped(), live_blocks, sends: sends() }
    }

    fn is_above(self, floor: Self) -> bool {
        self.descriptors > floor.descriptors
            || self.mapped > floor.mapped
            || self.live_blocks > floor.live_blocks
            || self.sends > floor.sends
    }
}

fn descriptors() -> usize {
    if cfg!(miri) { 0 } else { std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) }
}

fn mapped() -> usize {
    #[cfg(feature = "testing")]
    return bytebuf::testing::mapped_bytes();
    #[cfg(not(feature = "testing"))]
    0
}

/// Zero-copy sends that have not completed.
fn sends() -> usize {
    #[cfg(feature = "testing")]
    return bytebuf::testing::sends_in_flight();
    #[cfg(not(feature = "testing"))]
    0
}

struct State {
    running: usize,
    floor: Option<Held>,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, floor: None });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One test that runs.
pub(crate) struct Floor(());

impl Floor {
    pub(crate) fn take() -> Self {
        let mut state = state();
        state.floor.get_or_insert_with(Held::now);
        state.running += 1;
        Self(())
    }

    /// So many bytes of mappings, and blocks of the global pool, are lost for good, as the test knows.
    #[allow(dead_code, reason = "not every file has such a test")]
    pub(crate) fn lose(&self, mapped: usize, live_blocks: usize) {
        if let Some(floor) = &mut state().floor {
            floor.mapped += mapped;
            floor.live_blocks += live_blocks;
        }
    }

    /// So many descriptors are lost.
    #[allow(dead_code, reason = "not every file has such a test")]
    pub(crate) fn lose_descriptors(&self, descriptors: usize) {
        if let Some(floor) = &mut state().floor {
            floor.descriptors += descriptors;
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        state().running -= 1;
        if thread::panicking() {
            return;
        }
        // Threads that were joined may be in their last destructors; the purger may still have memory to give back.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Let go between two looks: a thread that waits for it, to take the floor once more, may have
            // free blocks from its last time.
            let state = state();
            if state.running > 0 {
                return;
            }
            let (now, floor) = (Held::now(), state.floor.expect("taken"));
            if !now.is_above(floor) {
                return;
            }
            drop(state);
            assert!(Instant::now() < deadline, "{now:?} is above the floor, {floor:?}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}
