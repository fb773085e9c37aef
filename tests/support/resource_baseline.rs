//! Checks that a program's tests give back all that they take from the system and from the pool.
//!
//! The baseline is what the process holds before its first test. Every test of a program takes it first. When the
//! last running test lets go of it, the process must hold no more than the baseline, or that test fails.
//!
//! These programs do not take it:
//!
//! * `models`: pools, files and threads that its sequences share live as long as the process. Blocks that a sequence
//!   leaks exhaust its small pool during the later sequences.
//! * `slow_wire`: leaves sockets and memory behind on purpose, and ends with no zero-copy send of its queues in flight.
//! * `sanitizer_selftest`: its faults are leaks, among others. `netty_page`, `tidy`: read text.
//! * `loom`, `shuttle`: run the crate on other atomics, and check themselves what is left.

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

    fn is_above(self, baseline: Self) -> bool {
        self.descriptors > baseline.descriptors
            || self.mapped > baseline.mapped
            || self.live_blocks > baseline.live_blocks
            || self.sends > baseline.sends
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
    baseline: Option<Held>,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, baseline: None });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running test.
pub(crate) struct ResourceBaseline(());

impl ResourceBaseline {
    pub(crate) fn take() -> Self {
        let mut state = state();
        state.baseline.get_or_insert_with(Held::now);
        state.running += 1;
        Self(())
    }

    /// Raises the baseline by mapped bytes and blocks of the global pool that the test leaks on purpose.
    #[allow(dead_code, reason = "not every file has such a test")]
    pub(crate) fn lose(&self, mapped: usize, live_blocks: usize) {
        if let Some(baseline) = &mut state().baseline {
            baseline.mapped += mapped;
            baseline.live_blocks += live_blocks;
        }
    }

    /// Raises the baseline by descriptors that the test leaks on purpose.
    #[allow(dead_code, reason = "not every file has such a test")]
    pub(crate) fn lose_descriptors(&self, descriptors: usize) {
        if let Some(baseline) = &mut state().baseline {
            baseline.descriptors += descriptors;
        }
    }
}

impl Drop for ResourceBaseline {
    fn drop(&mut self) {
        state().running -= 1;
        if thread::panicking() {
            return;
        }
        // Threads that were joined may be in their last destructors; the purger may still have memory to give back.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Unlock between two checks: a thread that waits for the lock, to take the baseline again, may have
            // free blocks in its cache.
            let state = state();
            if state.running > 0 {
                return;
            }
            let (now, baseline) = (Held::now(), state.baseline.expect("taken"));
            if !now.is_above(baseline) {
                return;
            }
            drop(state);
            assert!(Instant::now() < deadline, "{now:?} is above the baseline, {baseline:?}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}
