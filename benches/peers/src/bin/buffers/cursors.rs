//! Writing into reserved capacity, reading and peeking contiguous data.

use bytebuf::{ByteBuf, ByteView};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use peers::race::{Bar, Bench, Contender};
use std::hint::black_box;

const CAPACITY: usize = 32 * 1024;
const BEST: [Bar; 1] = [Bar::Of(&["bytes", "Vec"], 1.0)];

/// Fills a buffer repeatedly by calls of one method; `n` counts calls.
///
/// `black_box` hides the value once each time that the buffer is filled. In each call it would be a store to the stack. If that
/// store is in another cache line than the indexes of the handle, which depends on the address of the stack alone, each call
/// takes a third longer, for any contender.
macro_rules! put {
    ($bench:ident, $name:expr, $size:expr, $method:ident, $value:expr) => {{
        let value = $value;
        let size = $size;
        let ours = move |n: usize| {
            let mut buf = ByteBuf::with_capacity(CAPACITY);
            for _ in 0..n / (CAPACITY / size) {
                buf.clear();
                let value = black_box(value);
                for _ in 0..CAPACITY / size {
                    buf.$method(value);
                }
                black_box(&buf);
            }
        };
        let bytes = move |n: usize| {
            let mut buf = BytesMut::with_capacity(CAPACITY);
            for _ in 0..n / (CAPACITY / size) {
                buf.clear();
                let value = black_box(value);
                for _ in 0..CAPACITY / size {
                    buf.$method(value);
                }
                black_box(&buf);
            }
        };
        let vec = move |n: usize| {
            let mut buf = Vec::with_capacity(CAPACITY);
            for _ in 0..n / (CAPACITY / size) {
                buf.clear();
                let value = black_box(value);
                for _ in 0..CAPACITY / size {
                    buf.$method(value);
                }
                black_box(&buf);
            }
        };
        let contenders = vec![
            Contender::cpu("bytebuf", ours),
            Contender::cpu("bytes", bytes),
            Contender::cpu("Vec", vec),
        ];
        $bench.race($name, &BEST, contenders);
    }};
}

/// Reads a handle to its end by calls of one method.
macro_rules! get {
    ($bench:ident, $name:literal, $size:literal, $method:ident) => {{
        static DATA: [u8; CAPACITY] = [3; CAPACITY];
        let ours = ByteView::copy_from_slice(&DATA);
        let bytes = Bytes::copy_from_slice(&DATA);
        let contenders = vec![
            Contender::cpu("bytebuf", move |n| {
                for _ in 0..n / (CAPACITY / $size) {
                    let mut rest = black_box(&ours).clone();
                    while rest.remaining() >= $size {
                        black_box(rest.$method());
                    }
                }
            }),
            Contender::cpu("bytes", move |n| {
                for _ in 0..n / (CAPACITY / $size) {
                    let mut rest = black_box(&bytes).clone();
                    while rest.remaining() >= $size {
                        black_box(rest.$method());
                    }
                }
            }),
            Contender::cpu("Vec", move |n| {
                let data = DATA.to_vec();
                for _ in 0..n / (CAPACITY / $size) {
                    let mut rest = &black_box(&data)[..];
                    while rest.remaining() >= $size {
                        black_box(rest.$method());
                    }
                }
            }),
        ];
        $bench.race($name, &BEST, contenders);
    }};
}

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Writing into reserved capacity, per call");
    put!(bench, "put_u8", 1, put_u8, 1_u8);
    put!(bench, "put_u16", 2, put_u16, 1_u16);
    put!(bench, "put_u32", 4, put_u32, 1_u32);
    put!(bench, "put_u64", 8, put_u64, 1_u64);
    static SOURCE: [u8; 1024] = [9; 1024];
    for size in [16, 64, 1024] {
        put!(bench, format!("put_slice, {size} bytes"), size, put_slice, &SOURCE[..size]);
    }
    bench.section("Reading contiguous data, per call");
    get!(bench, "get_u8", 1, get_u8);
    get!(bench, "get_u16", 2, get_u16);
    get!(bench, "get_u32", 4, get_u32);
    get!(bench, "get_u64", 8, get_u64);
    peek(bench);
}

fn peek(bench: &mut Bench) {
    let data = vec![3; CAPACITY];
    let (ours, bytes) = (ByteBuf::from(&data[..]), BytesMut::from(&data[..]));
    let offsets = || (0..CAPACITY - 3).cycle().step_by(13);
    let from = |data: &[u8], offset: usize| {
        data.get(offset..)
            .and_then(|rest| rest.first_chunk())
            .map(|chunk| u32::from_be_bytes(*chunk))
    };
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            offsets().take(n).for_each(|offset| {
                black_box(black_box(&ours).peek_u32(offset));
            });
        }),
        Contender::cpu("bytes", |n| {
            offsets().take(n).for_each(|offset| {
                black_box(from(black_box(&bytes), offset));
            });
        }),
        Contender::cpu("Vec", |n| {
            offsets().take(n).for_each(|offset| {
                black_box(from(black_box(&data), offset));
            });
        }),
    ];
    bench.race("peek_u32", &BEST, contenders);
}
