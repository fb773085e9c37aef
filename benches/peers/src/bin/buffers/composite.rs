//! Composites: many parts read as one buffer.

use bytebuf::{ByteView, CompositeByteBuf};
use bytes::{Buf, Bytes};
use peers::Random;
use peers::race::{Bar, Bench, Contender};
use std::collections::VecDeque;
use std::hint::black_box;

/// A queue of `Bytes` read as one buffer, as programs on `bytes` write it.
#[derive(Clone)]
struct Rope {
    parts: VecDeque<Bytes>,
    left: usize,
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| &part[..])
    }

    fn advance(&mut self, mut n: usize) {
        self.left -= n;
        while n > 0 {
            let front = self.parts.front_mut().expect("`n` is at most the remaining length");
            let step = n.min(front.len());
            front.advance(step);
            n -= step;
            if front.is_empty() {
                self.parts.pop_front();
            }
        }
    }
}

impl Rope {
    /// Reads the number at `offset`, which is found part by part.
    fn peek_u32(&self, mut offset: usize) -> Option<u32> {
        let mut value = 0;
        let mut wanted = 4;
        for part in &self.parts {
            while wanted > 0 && offset < part.len() {
                value = value << 8 | u32::from(part[offset]);
                offset += 1;
                wanted -= 1;
            }
            if wanted == 0 {
                return Some(value);
            }
            offset -= part.len();
        }
        None
    }
}

struct Parts {
    flat: Vec<u8>,
    size: usize,
}

impl Parts {
    fn new(count: usize, size: usize) -> Self {
        let mut random = Random(2);
        // Without 0 and 255, which are searched for.
        let flat = (0..count * size).map(|_| 1 + random.below(254) as u8).collect();
        Self { flat, size }
    }

    fn ours(&self) -> CompositeByteBuf {
        let mut all = CompositeByteBuf::new();
        for part in self.flat.chunks(self.size) {
            all.push_back(ByteView::copy_from_slice(part));
        }
        all
    }

    fn rope(&self) -> Rope {
        let parts = self.flat.chunks(self.size).map(Bytes::copy_from_slice).collect();
        Rope { parts, left: self.flat.len() }
    }

    fn bytesbuf(&self) -> bytesbuf::BytesView {
        let pool = bytesbuf::mem::GlobalPool::new();
        let view = |part| bytesbuf::BytesView::copied_from_slice(part, &pool);
        bytesbuf::BytesView::from_views(self.flat.chunks(self.size).map(view))
    }
}

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Composites");
    read(bench);
    peek(bench);
    iterate(bench);
    search(bench);
}

fn read(bench: &mut Bench) {
    let parts = Parts::new(64, 1022);
    let calls = parts.flat.len() / 4;
    let (ours, rope, theirs) = (parts.ours(), parts.rope(), parts.bytesbuf());
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            for _ in 0..n / calls {
                let mut all = ours.clone();
                (0..calls).for_each(|_| {
                    black_box(all.get_u32());
                });
            }
        }),
        Contender::cpu("VecDeque<Bytes>", |n| {
            for _ in 0..n / calls {
                let mut all = rope.clone();
                (0..calls).for_each(|_| {
                    black_box(all.get_u32());
                });
            }
        }),
        Contender::cpu("bytesbuf", |n| {
            for _ in 0..n / calls {
                let mut all = theirs.clone();
                (0..calls).for_each(|_| {
                    black_box(all.get_u32_be());
                });
            }
        }),
    ];
    let bars = [Bar::Of(&["VecDeque<Bytes>"], 0.35), Bar::Of(&["bytesbuf"], 1.0)];
    bench.race("get_u32, 64 parts", &bars, contenders);
}

fn peek(bench: &mut Bench) {
    let parts = Parts::new(4096, 64);
    let (ours, rope) = (parts.ours(), parts.rope());
    let mut random = Random(4);
    let offsets: Vec<usize> = (0..4096).map(|_| random.below(parts.flat.len() - 3)).collect();
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            offsets.iter().cycle().take(n).for_each(|&offset| {
                black_box(ours.peek_u32(offset));
            });
        }),
        Contender::cpu("VecDeque<Bytes>", |n| {
            offsets.iter().cycle().take(n).for_each(|&offset| {
                black_box(rope.peek_u32(offset));
            });
        }),
    ];
    bench.race("peek_u32 at random, 4096 parts", &[Bar::Most(15.0)], contenders);
}

fn iterate(bench: &mut Bench) {
    let parts = Parts::new(64, 1024);
    let ours = parts.ours();
    let flat = &parts.flat;
    // Up to a byte that does not occur, as a parser does.
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            for _ in 0..n / flat.len() {
                let absent = black_box(0);
                black_box(ours.iter_bytes().position(|byte| byte == absent));
            }
        }),
        Contender::cpu("contiguous", |n| {
            for _ in 0..n / flat.len() {
                let absent = black_box(0);
                black_box(black_box(flat).iter().position(|&byte| byte == absent));
            }
        }),
    ];
    bench.race("iterate, per byte, 64 parts", &[Bar::OfBest(1.05)], contenders);
}

fn search(bench: &mut Bench) {
    let parts = Parts::new(64, 1024);
    let (ours, rope) = (parts.ours(), parts.rope());
    let calls = |n: usize| n.div_ceil(parts.flat.len());
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            for _ in 0..calls(n) {
                black_box(ours.find_byte(black_box(0)));
            }
        }),
        Contender::cpu("part by part", |n| {
            for _ in 0..calls(n) {
                let byte = black_box(0);
                black_box(rope.parts.iter().find_map(|part| memchr::memchr(byte, part)));
            }
        }),
    ];
    bench.race("find a byte, per byte, 64 parts", &[Bar::OfBest(1.05)], contenders);
    const NEEDLE: &[u8] = b"\x00\xff\x00\xff";
    let contenders = vec![
        Contender::cpu("bytebuf", |n| {
            for _ in 0..calls(n) {
                black_box(ours.find(black_box(NEEDLE)));
            }
        }),
        Contender::cpu("part by part", |n| {
            for _ in 0..calls(n) {
                let finder = memchr::memmem::Finder::new(black_box(NEEDLE));
                let mut seam: Vec<u8> = Vec::new();
                for part in &rope.parts {
                    // The boundary first: the end of the last part and the start of this one.
                    seam.extend_from_slice(&part[..NEEDLE.len() - 1]);
                    black_box(finder.find(&seam));
                    black_box(finder.find(part));
                    seam.clear();
                    seam.extend_from_slice(&part[part.len() - (NEEDLE.len() - 1)..]);
                }
            }
        }),
    ];
    bench.race("find 4 bytes, per byte, 64 parts", &[Bar::OfBest(1.05)], contenders);
}
