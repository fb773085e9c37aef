//! Compares `CompositeByteBuf` with the usual code over `bytes`, and with contiguous memory.
//!
//! `cargo bench --bench composite`; the first candidate of each job is the reference for the others.

mod side_by_side;

use std::collections::VecDeque;

use bytebuf::{ByteView, CompositeByteBuf};
use bytes::{Buf, Bytes};
use memchr::{memchr, memmem};
use side_by_side::{Candidate, compare};

const LEN: usize = 64 * 1024;

/// The usual `VecDeque<Bytes>`, with a count of the remaining bytes.
#[derive(Clone)]
struct Deque {
    parts: VecDeque<Bytes>,
    left: usize,
}

impl Buf for Deque {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn advance(&mut self, mut cnt: usize) {
        self.left -= cnt;
        while let Some(front) = self.parts.front_mut() {
            if cnt < front.len() {
                return front.advance(cnt);
            }
            cnt -= front.len();
            self.parts.pop_front();
        }
    }
}

impl Deque {
    fn peek_u32(&self, mut offset: usize) -> Option<u32> {
        let mut parts = self.parts.iter();
        let part = parts.find(|part| {
            let here = offset < part.len();
            offset -= if here { 0 } else { part.len() };
            here
        })?;
        let mut bytes = part[offset..].iter().chain(parts.flatten());
        let mut next = || bytes.next().copied();
        Some(u32::from_be_bytes([next()?, next()?, next()?, next()?]))
    }
}

fn text() -> Vec<u8> {
    (0..LEN).map(|i| (i % 251) as u8).collect()
}

/// The same bytes in this many parts.
fn both(parts: usize) -> (CompositeByteBuf, Deque) {
    let (view, bytes) = (ByteView::from(text()), Bytes::from(text()));
    let ranges = (0..parts).map(|i| i * LEN / parts..(i + 1) * LEN / parts);
    let mut composite = CompositeByteBuf::new();
    for (index, range) in ranges.clone().enumerate() {
        composite.insert(index, view.slice(range));
    }
    (composite, Deque { parts: ranges.map(|range| bytes.slice(range)).collect(), left: LEN })
}

/// Offsets without a pattern.
fn offsets() -> Vec<usize> {
    let next = |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let all = std::iter::successors(Some(1), next).map(|x| (x >> 33) as usize % (LEN - 4));
    all.take(4096).collect()
}

fn sum_u32(buf: &mut impl Buf) -> u64 {
    (0..LEN / 4).fold(0, |sum, _| sum + u64::from(buf.get_u32()))
}

fn main() {
    let flat = text();
    let (composite, deque) = both(64);
    compare(
        "get_u32, 64 parts",
        LEN / 4,
        vec![
            Candidate::new("VecDeque<Bytes>", || deque.clone(), sum_u32),
            Candidate::new("CompositeByteBuf", || composite.clone(), sum_u32),
            Candidate::new("contiguous", || &flat[..], sum_u32),
        ],
    );

    let offsets = offsets();
    for parts in [16, 256, 4096] {
        let (composite, deque) = both(parts);
        // Enough repetitions to make the cache contents of the other candidate irrelevant.
        const TURNS: usize = 8;
        let sum = |peek: &dyn Fn(usize) -> Option<u32>| {
            let all = (0..TURNS).flat_map(|_| &offsets);
            all.filter_map(|&at| peek(at)).fold(0, u32::wrapping_add)
        };
        compare(
            &format!("peek_u32, {parts} parts"),
            TURNS * offsets.len(),
            vec![
                Candidate::new("VecDeque<Bytes>", || (), |()| sum(&|at| deque.peek_u32(at))),
                Candidate::new("CompositeByteBuf", || (), |()| sum(&|at| composite.peek_u32(at))),
            ],
        );
    }

    let stop = |byte: u8| byte == 255;
    let by_for = |composite: &mut &CompositeByteBuf| {
        for byte in composite.iter_bytes() {
            if stop(byte) {
                return true;
            }
        }
        false
    };
    compare(
        "each byte, early exit",
        LEN,
        vec![
            Candidate::new("contiguous", || &flat, |flat| flat.iter().any(|&byte| stop(byte))),
            Candidate::new("any", || &composite, |composite| composite.iter_bytes().any(stop)),
            Candidate::new("for", || &composite, by_for),
        ],
    );

    compare(
        "sum of all bytes",
        LEN,
        vec![
            Candidate::new(
                "contiguous",
                || &flat,
                |flat| flat.iter().map(|&b| u64::from(b)).sum::<u64>(),
            ),
            Candidate::new(
                "CompositeByteBuf",
                || &composite,
                |c| c.iter_bytes().map(u64::from).sum::<u64>(),
            ),
        ],
    );

    compare(
        "find a byte, 64 parts",
        LEN,
        vec![
            Candidate::new(
                "memchr, part by part",
                || &deque,
                |deque| deque.parts.iter().find_map(|part| memchr(255, part)),
            ),
            Candidate::new("CompositeByteBuf", || &composite, |c| c.find_byte(255)),
        ],
    );

    for needle in [b"\xFE\xFD\xFF\xFC", b"\x07\x08\x09\x00"] {
        compare(
            "find 4 bytes, 64 parts",
            LEN,
            vec![
                // Misses matches across a boundary.
                Candidate::new(
                    "memmem, part by part",
                    || &deque,
                    |deque| {
                        let finder = memmem::Finder::new(needle);
                        deque.parts.iter().find_map(|part| finder.find(part))
                    },
                ),
                Candidate::new("CompositeByteBuf", || &composite, |c| c.find(needle)),
            ],
        );
    }

    const PUSHES: usize = 100_000;
    for len in [1, 100] {
        let (view, bytes) = (ByteView::from(vec![7; len]), Bytes::from(vec![7; len]));
        compare(
            &format!("push {len} byte(s)"),
            PUSHES,
            vec![
                Candidate::new("VecDeque<Bytes>", VecDeque::new, |deque| {
                    (0..PUSHES).for_each(|_| deque.push_back(bytes.clone()));
                }),
                Candidate::new("CompositeByteBuf", CompositeByteBuf::new, |composite| {
                    (0..PUSHES).for_each(|_| composite.push_back(view.clone()));
                }),
            ],
        );
    }
}
