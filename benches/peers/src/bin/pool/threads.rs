//! Two threads: one allocates and the other frees, or each does both.

use super::single::bytes;
use bytebuf::Pool;
use crossbeam_queue::ArrayQueue;
use peers::makers::*;
use peers::race::{Bar, Bench, Contender, cpu, wall};
use peers::table::Row;
use std::hint::{black_box, spin_loop};
use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::thread;

/// Buffers that are passed at a time, so that the queue between the threads costs little.
const BATCH: usize = 64;
/// Maximum number of batches in the queue.
const AHEAD: usize = 8;

pub(crate) fn run(bench: &mut Bench) {
    bench.section("One thread allocates and writes a byte, another frees, by the clock");
    for size in [1024, 16384] {
        let contenders = vec![
            cross(Ours(Pool::global()), size),
            cross(Malloc(Glibc), size),
            cross(Malloc(Mimalloc), size),
            cross(Malloc(Jemalloc), size),
            cross(BytesMut, size),
            cross(BytesMutOnMimalloc, size),
            cross(Bytesbuf::new(), size),
            cross(NtexPages, size),
            cross(Opool::new(size), size),
            cross(HandleAlone, size),
        ];
        let name = format!("cross-thread, {}", bytes(size));
        bench.race(name, &[Bar::OfBest(0.5)], contenders);
    }
    bench.section("Two threads, each for itself");
    for size in [1024, 16384] {
        let name = format!("throughput of two threads, {}", bytes(size));
        if !bench.is_selected(&name) || bench.is_counting() {
            continue;
        }
        let contenders = vec![local(1, size), local(2, size)];
        let entries = bench.measure(contenders);
        let scaling = 2.0 * entries[0].value / entries[1].value;
        bench.table.add(Row::alone(name, "x one", Bar::Least(1.9), scaling));
    }
}

fn wait<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(value) = ready() {
            return value;
        }
        spin_loop();
    }
    loop {
        if let Some(value) = ready() {
            return value;
        }
        thread::yield_now();
    }
}

fn cross<M: Maker>(maker: M, size: usize) -> Contender<'static> {
    Contender::threads(M::NAME, 256 * 1024, move |n| {
        let (full, empty) = (ArrayQueue::new(AHEAD), ArrayQueue::new(AHEAD));
        for _ in 0..AHEAD {
            let _ = empty.push(Vec::<M::Buffer>::with_capacity(BATCH));
        }
        let batches = n / BATCH;
        let produce = |batches| {
            for _ in 0..batches {
                let mut batch = wait(|| empty.pop());
                for _ in 0..BATCH {
                    let mut buffer = maker.make(black_box(size));
                    M::spare(&mut buffer)[0] = MaybeUninit::new(1);
                    batch.push(buffer);
                }
                let _ = full.push(batch);
            }
        };
        let consume = |batches| {
            for _ in 0..batches {
                let mut batch = wait(|| full.pop());
                batch.clear();
                let _ = empty.push(batch);
            }
        };
        // A few rounds before the measurement, so that both threads have memory.
        const WARM_UP: usize = 2 * AHEAD;
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                consume(WARM_UP);
                start.wait();
                consume(batches);
                start.wait();
            });
            produce(WARM_UP);
            start.wait();
            wall(|| {
                produce(batches);
                start.wait();
            })
        })
    })
}

/// Measures the processor time per buffer of several threads that allocate and drop.
fn local(threads: usize, size: usize) -> Contender<'static> {
    let pool = Pool::global();
    Contender::new("bytebuf", move |n| {
        let start = Barrier::new(threads);
        let work = || {
            drop(pool.alloc(size));
            start.wait();
            cpu(|| {
                for _ in 0..n {
                    black_box(&pool.alloc(black_box(size)));
                }
            })
        };
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let times = running.into_iter().map(|thread| thread.join().expect("it only allocates"));
            times.sum::<f64>() / threads as f64
        })
    })
}
