//! Chapter 1: a pool under load.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytebuf::{AllocError, ByteBuf, Pool, PoolStats};

use crate::output::print_line;
use crate::say;

/// Maximum number of buffers that each thread holds.
const HELD: usize = 4000;

/// The figures of the pool at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) live_mib: f64,
    pub(crate) held_mib: f64,
}

/// Runs two threads that replace buffers at random and pass some to each other, then drops all buffers.
pub(crate) fn show(load: Duration) -> Result<Vec<Sample>, AllocError> {
    print_line("1. A pool under load");
    say(format!(
        "Two threads replace {HELD} buffers each, of 32 bytes to 256 KiB, and pass every eighth to the other."
    ));
    let pool = Pool::builder().build();
    let stop = AtomicBool::new(false);
    let (to_second, from_first) = mpsc::sync_channel(256);
    let (to_first, from_second) = mpsc::sync_channel(256);
    let begun = Instant::now();
    let mut samples = Vec::new();
    thread::scope(|scope| {
        let (pool, stop) = (&pool, &stop);
        let first = scope.spawn(move || replace(pool, 1, stop, &to_second, &from_second));
        let second = scope.spawn(move || replace(pool, 2, stop, &to_first, &from_first));
        watch(pool, begun, load, &mut samples, "under load");
        say(pool.stats());
        stop.store(true, Ordering::Relaxed);
        [first, second].into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    say("All buffers are dropped. The purger returns idle memory to the system.");
    watch(&pool, begun, Duration::from_millis(1500), &mut samples, "idle");
    let rest = pool.stats();
    say(format!("After 1.5 s, `trim` returns another {} KiB.", pool.trim() >> 10));
    say(format!(
        "{} allocations, {:.1} % of them from the thread's own cache.",
        rest.allocations,
        rest.hit_rate() * 100.0
    ));
    print_line("");
    Ok(samples)
}

fn replace(
    pool: &Pool,
    seed: u64,
    stop: &AtomicBool,
    out: &mpsc::SyncSender<ByteBuf>,
    from: &mpsc::Receiver<ByteBuf>,
) -> Result<(), AllocError> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut held: Vec<ByteBuf> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut buffer = pool.try_alloc(size(next()))?;
        buffer.extend_from_slice(b"the first bytes of a message");
        if next() % 8 == 0 {
            // A full channel returns the buffer, which is dropped here.
            let _ = out.try_send(buffer);
            drop(from.try_recv());
        } else if held.len() < HELD {
            held.push(buffer);
        } else {
            let place = (next() % HELD as u64) as usize;
            held[place] = buffer;
        }
    }
    Ok(())
}

/// Returns a size as network servers see them: many are small, few are large.
fn size(random: u64) -> usize {
    let (low, high) = match random % 100 {
        0..35 => (32, 512),
        35..75 => (513, 4096),
        75..96 => (4097, 16_645),
        96..99 => (65_536, 65_536),
        _ => (65_537, 262_144),
    };
    low + (random >> 32) as usize % (high - low + 1)
}

/// Returns the bytes that the pool holds and that may be resident.
fn held(stats: &PoolStats) -> usize {
    stats.pinned + stats.cached.max(stats.idle)
}

/// Samples the statistics ten times per second and shows them in one line that is overwritten.
fn watch(pool: &Pool, begun: Instant, time: Duration, samples: &mut Vec<Sample>, label: &str) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
        let stats = pool.stats();
        let sample = Sample {
            seconds: begun.elapsed().as_secs_f64(),
            live_mib: mib(stats.live),
            held_mib: mib(held(&stats)),
        };
        samples.push(sample);
        if stderr().is_terminal() {
            // It fits 60 columns: a longer line could not be overwritten in a narrow terminal.
            let bar = "#".repeat((sample.live_mib / 8.0).min(10.0) as usize);
            let _ = write!(
                stderr(),
                "\r   {label:<10} {:4.1} s  live {:3.0} MiB  held {:3.0} MiB {bar:<10}",
                sample.seconds,
                sample.live_mib,
                sample.held_mib
            );
        }
    }
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{:59}\r", "");
    }
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
