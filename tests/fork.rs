//! Children that are forked while threads use a pool, and that `exec`: what a server does that starts
//! programs. Neither they nor the pool notice.
#![cfg(unix)]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::Pool;
use bytes::BufMut;
use resource_baseline::ResourceBaseline;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const THREADS: usize = 8;
const CHILDREN: usize = 50;

/// A command that is started by `fork` and `exec`, where it might else be by less than a fork.
#[allow(unsafe_code, reason = "`pre_exec` runs in the child, between the two")]
fn forked(program: &str) -> Command {
    let mut command = Command::new(program);
    // SAFETY: the child does nothing there.
    unsafe { command.pre_exec(|| Ok(())) };
    command
}

#[test]
fn a_child_that_execs_does_not_disturb_a_busy_pool() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().thread_cache(64 * 1024).build();
    let (done, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let busy = (1..=THREADS as u8).map(|stamp| {
            let (pool, done, rounds) = (&pool, &done, &rounds);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut held: Vec<_> =
                        (0..40).map(|i| pool.alloc(100 * (i + 1) * usize::from(stamp))).collect();
                    held.iter_mut().for_each(|buf| buf.put_bytes(stamp, 100));
                    held.retain(|buf| buf.iter().all(|&byte| byte == stamp));
                    assert_eq!(held.len(), 40, "another owner wrote to a buffer");
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let busy: Vec<_> = busy.collect();
        let ended: Vec<_> = (0..CHILDREN).map(|_| forked("true").status()).collect();
        done.store(true, Ordering::Relaxed);
        for status in ended {
            assert!(status.expect("a child").success());
        }
        // Not only their work, but their destructors too are over then.
        busy.into_iter().for_each(|thread| thread.join().expect("it only compares"));
    });
    assert!(rounds.load(Ordering::Relaxed) >= THREADS as u64);
    pool.trim();
    let stats = pool.stats();
    assert_eq!((stats.live_blocks, stats.mapped, stats.headers), (0, 0, 0), "{stats}");
}
