//! A decoder: cuts reads of a stream into length-prefixed messages, and holds the last 64.

use bytebuf::{ByteBuf, ByteView};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use opool::{Pool, PoolAllocator, RefGuard};
use peers::Random;
use peers::race::{Bar, Bench, Contender};
use std::hint::black_box;
use std::sync::Arc;

const BLOCK: usize = 64 * 1024;
const HELD: usize = 64;
/// A message, and its length before it.
const MAX_MESSAGE: usize = 4 + 2000;

/// Returns 1 MiB of messages of 200 bytes on average, their lengths exponentially distributed.
fn stream() -> &'static [u8] {
    let (mut stream, mut random) = (Vec::new(), Random(7));
    while stream.len() < (1 << 20) - 4096 {
        let uniform = (random.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64;
        let len = ((-uniform.ln() * 200.0) as usize).clamp(8, MAX_MESSAGE - 4);
        stream.extend_from_slice(&(len as u32).to_be_bytes());
        stream.resize(stream.len() + len, 7);
    }
    stream.leak()
}

/// The input: the stream repeatedly, in reads of one size.
#[derive(Clone)]
struct Reads {
    stream: &'static [u8],
    size: usize,
    position: usize,
}

impl Reads {
    /// Returns the next read, of at most `max` bytes.
    #[inline(always)]
    fn next(&mut self, max: usize) -> &'static [u8] {
        let rest = &self.stream[self.position..];
        let read = &rest[..rest.len().min(self.size).min(max)];
        self.position = (self.position + read.len()) % self.stream.len();
        read
    }
}

/// The held messages: each new one replaces the oldest.
struct Held<T> {
    ring: [Option<T>; HELD],
    next: usize,
}

impl<T> Held<T> {
    fn new() -> Self {
        Self { ring: [const { None }; HELD], next: 0 }
    }

    #[inline(always)]
    fn keep(&mut self, message: T) {
        self.ring[self.next] = Some(message);
        self.next = (self.next + 1) % HELD;
    }
}

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Framing: messages of 200 bytes on average, 64 held, per message");
    let stream = stream();
    for (name, size) in
        [("framing, reads of 64 KiB", BLOCK), ("framing, reads of 1448 bytes", 1448)]
    {
        let reads = Reads { stream, size, position: 0 };
        let contenders = vec![
            bytebuf(reads.clone()),
            bytes(reads.clone()),
            counted(reads.clone()),
            copied(reads.clone()),
            parse(reads),
        ];
        bench.race(name, &[Bar::Of(&["bytes"], 0.6), Bar::Of(&[COUNTED], 1.0)], contenders);
    }
}

/// A decoder written for `BytesMut`: the same code for both.
macro_rules! decoder {
    ($name:ident, $buffer:ty, $message:ty) => {
        fn $name(mut reads: Reads) -> Contender<'static> {
            let mut received = <$buffer>::with_capacity(BLOCK);
            let mut held = Held::<$message>::new();
            Contender::cpu(stringify!($name), move |n| {
                let mut done = 0;
                while done < n {
                    let read = reads.next(BLOCK - received.len());
                    received.reserve(read.len());
                    received.put_slice(read);
                    while let Some(&len) = received.first_chunk() {
                        let len = u32::from_be_bytes(len) as usize;
                        if received.len() < 4 + len {
                            break;
                        }
                        received.advance(4);
                        held.keep(received.split_to(len).freeze());
                        done += 1;
                    }
                }
                black_box(&held.ring);
            })
        }
    };
}

decoder!(bytebuf, ByteBuf, ByteView);
decoder!(bytes, BytesMut, Bytes);

/// Calls `f` with the range of each complete message; returns the offset of the rest.
#[inline(always)]
fn cut(received: &[u8], mut f: impl FnMut(usize, usize)) -> usize {
    let mut at = 0;
    while let Some(&len) = received[at..].first_chunk() {
        let len = u32::from_be_bytes(len) as usize;
        if received.len() - at < 4 + len {
            break;
        }
        f(at + 4, len);
        at += 4 + len;
    }
    at
}

const COUNTED: &str = "Arc over opool";

/// Allocates the blocks of a pool.
struct Vectors(usize);

impl PoolAllocator<Vec<u8>> for Vectors {
    fn allocate(&self) -> Vec<u8> {
        Vec::with_capacity(self.0)
    }

    fn reset(&self, block: &mut Vec<u8>) {
        block.clear();
    }
}

/// By hand: each read gets a block of an object pool, after the incomplete message of the previous read. Messages are ranges
/// of a counted block.
fn counted(mut reads: Reads) -> Contender<'static> {
    type Block = Arc<RefGuard<'static, Vectors, Vec<u8>>>;
    let pool: &'static Pool<_, _> =
        Box::leak(Box::new(Pool::new(256, Vectors(reads.size + MAX_MESSAGE))));
    let mut held = Held::<(Block, usize, usize)>::new();
    let (mut last, mut rest): (Block, usize) = (Arc::new(pool.get()), 0);
    Contender::cpu(COUNTED, move |n| {
        let mut done = 0;
        while done < n {
            let mut block = pool.get();
            block.extend_from_slice(&last[rest..]);
            block.extend_from_slice(reads.next(BLOCK));
            let block = Arc::new(block);
            rest = cut(&block, |start, len| {
                held.keep((Arc::clone(&block), start, len));
                done += 1;
            });
            last = block;
        }
        black_box(&held.ring);
    })
}

/// A vector for each message.
fn copied(mut reads: Reads) -> Contender<'static> {
    let mut held = Held::<Vec<u8>>::new();
    let mut received = Vec::with_capacity(BLOCK + MAX_MESSAGE);
    Contender::cpu("copied Vec", move |n| {
        let mut done = 0;
        while done < n {
            received.extend_from_slice(reads.next(BLOCK));
            let rest = cut(&received, |start, len| {
                held.keep(received[start..start + len].to_vec());
                done += 1;
            });
            received.drain(..rest);
        }
        black_box(&held.ring);
    })
}

/// Creates no messages: only copies the input and reads the lengths.
fn parse(mut reads: Reads) -> Contender<'static> {
    let mut held = Held::<(usize, usize)>::new();
    let mut received = Vec::with_capacity(BLOCK + MAX_MESSAGE);
    Contender::floor("parse alone", move |n| {
        let mut done = 0;
        while done < n {
            received.extend_from_slice(reads.next(BLOCK));
            let rest = cut(&received, |start, len| {
                held.keep((start, len));
                done += 1;
            });
            received.drain(..rest);
        }
        black_box(&held.ring);
    })
}
