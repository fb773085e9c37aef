//! One buffer at a time: allocate, drop.

use bytebuf::Pool;
use peers::makers::*;
use peers::race::{Bar, Bench, Contender};
use std::hint::black_box;

/// From 64 bytes to 1 MiB, between the powers of two as well.
const SIZES: [usize; 15] = [
    64,
    128,
    256,
    512,
    1024,
    1500,
    2048,
    4096,
    9000,
    16384,
    16640,
    65536,
    100_000,
    262_144,
    1 << 20,
];

/// Returns a contender with each maker that can make a buffer of any size.
macro_rules! everyone {
    ($each:expr) => {
        vec![
            $each.of(Ours(Pool::global())),
            $each.of(Malloc(Glibc)),
            $each.of(Malloc(Mimalloc)),
            $each.of(Malloc(Jemalloc)),
            $each.of(BytesMut),
            $each.of(BytesMutOnMimalloc),
            $each.of(Bytesbuf::new()),
            $each.of(Ntex),
            $each.of(NtexPages),
        ]
    };
}
pub(crate) use everyone;

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Allocate and drop, one thread");
    for size in SIZES {
        let make = Plain(size);
        let mut contenders = everyone!(make);
        contenders.push(make.of(Opool::new(size)));
        contenders.push(free_list(size));
        bench.race(format!("alloc + drop, {}", bytes(size)), &[Bar::OfBest(0.9)], contenders);
    }
    bench.section("The same, a byte written to each page");
    for size in [4096, 16384, 65536, 262_144, 1 << 20] {
        let make = Touched(size);
        let mut contenders = everyone!(make);
        contenders.push(make.of(Opool::new(size)));
        let name = format!("alloc + touch + drop, {}", bytes(size));
        bench.race(name, &[Bar::OfBest(1.0)], contenders);
    }
}

struct Plain(usize);

impl Plain {
    fn of<M: Maker>(&self, maker: M) -> Contender<'static> {
        let size = self.0;
        Contender::cpu(M::NAME, move |n| {
            for _ in 0..n {
                black_box(&maker.make(black_box(size)));
            }
        })
    }
}

struct Touched(usize);

impl Touched {
    fn of<M: Maker>(&self, maker: M) -> Contender<'static> {
        let size = self.0;
        Contender::cpu(M::NAME, move |n| {
            for _ in 0..n {
                let mut buffer = maker.make(black_box(size));
                M::touch(&mut buffer, size);
                black_box(&buffer);
            }
        })
    }
}

/// A stack of boxes: the minimum work of any pool.
fn free_list(size: usize) -> Contender<'static> {
    let mut stack: Vec<Box<[u8; 64]>> = vec![Box::new([0; 64])];
    Contender::floor("floor", move |n| {
        let stack = black_box(&mut stack);
        for _ in 0..n {
            let mut header = stack.pop().expect("each box is returned");
            header[..8].copy_from_slice(&black_box(size).to_ne_bytes());
            stack.push(black_box(header));
        }
    })
}

pub(crate) fn bytes(size: usize) -> String {
    match size {
        1_048_576 => "1 MiB".to_owned(),
        _ if size.is_multiple_of(1024) => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}
