//! Several threads allocate, stamp every byte, pass buffers on, verify and free; threads die and are born
//! again. Afterwards every figure is exact.
//!
//! `BYTEBUF_STRESS=SECONDS` runs it for longer.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../src/test_data.rs"]
mod test_data;

use bytebuf::{ByteView, Pool};
use bytes::BufMut;
use resource_baseline::ResourceBaseline;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use test_data::Random;

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };

/// Buffers on their way to the thread of one place, which may have changed by then.
type Inbox = Mutex<Vec<(ByteView, u64)>>;

/// Mostly small, some large, a few that are mapped on their own.
fn size(random: &mut Random) -> usize {
    match random.below(1000) {
        0 => (1 << 20) + random.below(1 << 20),
        1..=20 => 1 + random.below(256 * 1024),
        21..=300 => 1 + random.below(20_000),
        _ => 1 + random.below(2_000),
    }
}

/// Eight bytes of the owner's number over and over, so that each byte says whose it is.
fn stamped(pool: &Pool, size: usize, owner: u64) -> ByteView {
    let mut buf = pool.alloc(size);
    let stamp = owner.to_le_bytes();
    while buf.len() < size {
        let n = stamp.len().min(size - buf.len());
        buf.put_slice(&stamp[..n]);
    }
    buf.freeze()
}

fn verify(view: &[u8], owner: u64) {
    let stamp = owner.to_le_bytes();
    let bad = view.chunks(8).position(|part| *part != stamp[..part.len()]);
    assert_eq!(bad, None, "foreign bytes in a buffer of {} bytes of owner {owner}", view.len());
}

/// The life of one thread: so many steps.
fn live(pool: &Pool, inboxes: &[Inbox], owners: &AtomicU64, random: &mut Random, steps: usize) {
    let mut held: Vec<(ByteView, u64)> = Vec::new();
    for _ in 0..steps {
        match random.below(8) {
            0..=2 => {
                let owner = owners.fetch_add(1, Ordering::Relaxed);
                held.push((stamped(pool, size(random), owner), owner));
            }
            3 if !held.is_empty() => {
                let (view, owner) = held.swap_remove(random.below(held.len()));
                verify(&view, owner);
                // Taken back for writing if no other handle has it.
                if let Ok(mut buf) = view.try_into_mut() {
                    let owner = owners.fetch_add(1, Ordering::Relaxed);
                    let (stamp, len) = (owner.to_le_bytes(), buf.len());
                    buf.chunks_mut(8).for_each(|part| part.copy_from_slice(&stamp[..part.len()]));
                    assert_eq!(buf.len(), len);
                    held.push((buf.freeze(), owner));
                }
            }
            4 if !held.is_empty() => {
                let (view, owner) = held[random.below(held.len())].clone();
                // A part that starts with a whole stamp.
                let from = random.below(view.len().div_ceil(8)) * 8;
                held.push((view.slice(from..), owner));
            }
            5 if !held.is_empty() => {
                let sent = held.swap_remove(random.below(held.len()));
                inboxes[random.below(inboxes.len())].lock().unwrap().push(sent);
            }
            6 => {
                let place = random.below(inboxes.len());
                let received = inboxes[place].lock().unwrap().pop();
                if let Some((view, owner)) = received {
                    verify(&view, owner);
                    held.push((view, owner));
                }
            }
            _ if held.len() > 200 => held.truncate(100),
            _ => _ = held.pop(),
        }
    }
    for (view, owner) in &held {
        verify(view, *owner);
    }
    // Some of it survives the thread.
    held.truncate(held.len() / 2);
    inboxes[random.below(inboxes.len())].lock().unwrap().append(&mut held);
}

#[test]
fn blocks_have_one_owner_at_a_time_and_all_return() {
    let _baseline = ResourceBaseline::take();
    let seconds = std::env::var("BYTEBUF_STRESS").map_or(3, |seconds| seconds.parse().unwrap());
    let begun = Instant::now();
    let steps = if cfg!(miri) { 20 } else { 2_000 };
    let go_on = |lives: usize| {
        if cfg!(miri) { lives < 2 } else { begun.elapsed() < Duration::from_secs(seconds) }
    };
    let pool = Pool::builder().chunk_size(1 << 20).thread_cache(256 * 1024).build();
    let inboxes: Vec<Inbox> = (0..THREADS).map(|_| Inbox::default()).collect();
    let (owners, born) = (AtomicU64::new(1), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in 1..=THREADS as u64 {
            let (pool, inboxes, owners, born) = (&pool, &inboxes, &owners, &born);
            scope.spawn(move || {
                let mut lives = 0;
                while go_on(lives) {
                    lives += 1;
                    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        ^ born.fetch_add(1, Ordering::Relaxed);
                    let life = move || live(pool, inboxes, owners, &mut Random::new(seed), steps);
                    thread::scope(|scope| scope.spawn(life).join().unwrap());
                }
            });
        }
    });

    // All threads are gone: what lies in the inboxes is all there is.
    let left: Vec<_> =
        inboxes.iter().flat_map(|inbox| inbox.lock().unwrap().split_off(0)).collect();
    for (view, owner) in &left {
        verify(view, *owner);
    }
    let stats = pool.stats();
    let mut blocks: Vec<_> = left.iter().map(|(_, owner)| owner).collect();
    blocks.sort_unstable();
    blocks.dedup();
    assert_eq!(stats.live_blocks, blocks.len(), "{stats}");
    assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free);
    drop(left);
    Pool::flush_thread();

    let stats = pool.stats();
    assert_eq!((stats.live, stats.live_blocks, stats.pinned), (0, 0, 0), "{stats}");
    assert_eq!(stats.allocations, stats.releases);
    assert_eq!(stats.mapped, stats.cached + stats.free);
    pool.trim();
    assert_eq!(pool.stats().mapped, 0);
}
