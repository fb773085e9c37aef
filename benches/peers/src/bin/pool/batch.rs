//! Many buffers at a time, dropped in another order than they came in.

use super::single::everyone;
use bytebuf::Pool;
use peers::makers::*;
use peers::race::{Bar, Bench, Contender};
use peers::{Random, network_sizes};
use std::hint::black_box;

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Batches, freed in some order, per buffer");
    for count in [64, 1024] {
        for mixed in [false, true] {
            for order in ["FIFO", "LIFO", "random"] {
                let batch = Batch::new(count, mixed, order);
                let mut contenders = everyone!(batch);
                if !mixed {
                    contenders.push(batch.of(Opool::new(2048)));
                }
                let what = if mixed { "mixed sizes" } else { "2 KiB" };
                bench.race(format!("{count} x {what}, {order}"), &[Bar::OfBest(0.7)], contenders);
            }
        }
    }
}

#[derive(Clone)]
struct Batch {
    sizes: Vec<usize>,
    /// Which one is dropped first, second, ...
    order: Vec<usize>,
}

impl Batch {
    fn new(count: usize, mixed: bool, order: &str) -> Self {
        let sizes = if mixed { network_sizes(count) } else { vec![2048; count] };
        let order = match order {
            "FIFO" => (0..count).collect(),
            "LIFO" => (0..count).rev().collect(),
            _ => Random(3).order(count),
        };
        Self { sizes, order }
    }

    fn of<M: Maker>(&self, maker: M) -> Contender<'static> {
        let Self { sizes, order } = self.clone();
        let mut held: Vec<Option<M::Buffer>> = sizes.iter().map(|_| None).collect();
        Contender::cpu(M::NAME, move |n| {
            for _ in 0..n / sizes.len() {
                for (place, &size) in held.iter_mut().zip(&sizes) {
                    *place = Some(maker.make(black_box(size)));
                }
                for &i in &order {
                    drop(held[i].take());
                }
            }
        })
    }
}
