//! Many buffers at a time, a byte written to each, dropped in various orders.

use super::single::everyone;
use bytebuf::Pool;
use peers::Random;
use peers::makers::*;
use peers::race::{Bar, Bench, Contender};
use std::hint::black_box;
use std::mem::MaybeUninit;

const ORDERS: [&str; 3] = ["FIFO", "LIFO", "random"];

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Batches of the network mix, a byte written to each, per buffer");
    let mut random = Random(3);
    let mix: Vec<usize> = (0..8192).map(|_| random.network_size()).collect();
    for count in [64, 1024] {
        for order in ORDERS {
            let batch = Batch::new(mix.clone(), count, order);
            let name = format!("{count} of the network mix, {order}");
            bench.race(name, &[Bar::OfBest(0.8)], everyone!(batch));
        }
    }
    bench.section("Batches of 1024 x 2 KiB, a byte written to each, per buffer");
    for order in ORDERS {
        let batch = Batch::new(vec![2048], 1024, order);
        let mut contenders = everyone!(batch);
        contenders.push(batch.of(Opool::new(2048)));
        let bars = [Bar::Of(&["opool"], 1.0), Bar::Of(&["mimalloc"], 0.5)];
        bench.race(format!("1024 x 2 KiB, {order}"), &bars, contenders);
    }
}

#[derive(Clone)]
struct Batch {
    /// The sizes that batches take in turn.
    sizes: Vec<usize>,
    /// Which buffer of a batch is dropped first, second, ...; batches take these in turn.
    orders: Vec<Vec<usize>>,
}

impl Batch {
    fn new(sizes: Vec<usize>, count: usize, order: &str) -> Self {
        let orders = match order {
            "FIFO" => vec![(0..count).collect()],
            "LIFO" => vec![(0..count).rev().collect()],
            _ => {
                let mut random = Random(7);
                (0..8).map(|_| random.order(count)).collect()
            }
        };
        Self { sizes, orders }
    }

    fn of<M: Maker>(&self, maker: M) -> Contender<'static> {
        let Self { sizes, orders } = self.clone();
        let count = orders[0].len();
        let mut held: Vec<Option<M::Buffer>> = (0..count).map(|_| None).collect();
        let (mut next_size, mut next_order) = (0, 0);
        Contender::cpu(M::NAME, move |n| {
            for _ in 0..n / count {
                for place in &mut held {
                    let mut buffer = maker.make(black_box(sizes[next_size]));
                    M::spare(&mut buffer)[0] = MaybeUninit::new(1);
                    *place = Some(buffer);
                    next_size = if next_size + 1 == sizes.len() { 0 } else { next_size + 1 };
                }
                black_box(&mut held);
                for &i in &orders[next_order] {
                    held[i] = None;
                }
                next_order = (next_order + 1) % orders.len();
            }
        })
    }
}
