//! Whole pools under shuttle: four threads, some tens of thousands of schedules, chosen at random and by PCT
//! (with a bounded number of priority changes). These are too large for loom; in return every load sees
//! the last store, and the depot's queue is one step.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release --test shuttle
//! ```
//!
//! `BYTEBUF_SCHEDULES=N` asks for N of each kind in each scenario. A failure prints its schedule, which
//! `shuttle::replay` runs again. `ci/shuttle.sh` also breaks the crate, one line at a time, in a copy.
#![cfg(shuttle)]

mod scenarios;

use bytebuf::{ByteBuf, ByteView, Pool};
use bytes::BufMut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The number of priority changes in a schedule.
const PCT_DEPTH: usize = 3;

/// Runs a scenario under many schedules.
fn check(scenario: fn()) {
    let schedules = std::env::var("BYTEBUF_SCHEDULES").map_or(1000, |n| n.parse().unwrap());
    shuttle::check_random(reporting("random", schedules, scenario), schedules);
    shuttle::check_pct(reporting("PCT", schedules, scenario), schedules, PCT_DEPTH);
}

/// Says each tenth of the way how far it is.
fn reporting(kind: &'static str, schedules: usize, scenario: fn()) -> impl Fn() + Send + Sync {
    let (begun, done) = (Instant::now(), AtomicUsize::new(0));
    move || {
        scenario();
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        if done.is_multiple_of(schedules.div_ceil(10)) {
            println!("{kind}: {done} of {schedules} schedules, {} s", begun.elapsed().as_secs());
        }
    }
}

/// A size whose references are cached, and of which a round of the depot has eight blocks.
const SMALL: usize = 64 * 1024;

/// A size of which a round has one block. A thread that may cache so many bytes keeps one. After two more that it frees in a row,
/// those that follow go to the depot.
const WIDE: usize = 512 * 1024;

/// Says in its first and last bytes whose it is.
fn stamped(pool: &Pool, size: usize, owner: u64) -> ByteBuf {
    stamp(pool.alloc(size), owner)
}

fn stamp(mut buf: ByteBuf, owner: u64) -> ByteBuf {
    buf.clear();
    buf.put_u64(owner);
    buf.resize(16, 0);
    buf
}

#[track_caller]
fn verify(bytes: &[u8], owner: u64) {
    assert_eq!(bytes[..8], owner.to_be_bytes(), "the bytes of another");
}

/// All of it is there: nothing live, nothing lost. Asked when all other threads have ended.
#[track_caller]
fn assert_all_home(pool: &Pool) {
    Pool::flush_thread();
    let stats = pool.stats();
    assert_eq!((stats.live, stats.live_blocks), (0, 0), "{stats}");
    assert_eq!(stats.allocations, stats.releases, "{stats}");
    // The purger may be in the middle of giving something back.
    for _ in 0..1000 {
        pool.trim();
        if pool.stats().idle == 0 {
            break;
        }
        shuttle::thread::yield_now();
    }
    assert_eq!((pool.stats().mapped, pool.stats().idle), (0, 0), "{}", pool.stats());
}

/// Something that all may take and put.
type Inbox = shuttle::sync::Mutex<Vec<(ByteView, u64)>>;
