//! A codec that moves from `BytesMut` to `ByteBuf` makes as many reads and takes as many blocks, or fewer.
//!
//! Each codec shape runs twice over the same stream, in pieces of one MTU: once with `BytesMut`, whose
//! blocks the global allocator of this program counts, and once with `ByteBuf`, whose pool counts them.

#![allow(unsafe_code, reason = "a global allocator counts the blocks of `BytesMut`")]

#[path = "../src/test_data.rs"]
mod test_data;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Deref;

use bytebuf::{ByteBuf, ByteView, Pool};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use test_data::Random;

/// Counts blocks of bytes; what `BytesMut` keeps beside them is aligned.
struct Counting;

thread_local! {
    static COUNTED: Cell<usize> = const { Cell::new(0) };
}

fn count(layout: Layout) {
    if layout.align() == 1 {
        _ = COUNTED.try_with(|counted| counted.set(counted.get() + 1));
    }
}

// SAFETY: all calls go to the system's allocator, as they come.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a codec does with its buffer, in either crate.
trait Inbox: Buf + BufMut + Deref<Target = [u8]> {
    type Frame;

    fn reserve(&mut self, additional: usize);
    fn frame(&mut self, len: usize) -> Self::Frame;
}

macro_rules! inbox {
    ($inbox:ty, $frame:ty) => {
        impl Inbox for $inbox {
            type Frame = $frame;

            fn reserve(&mut self, additional: usize) {
                self.reserve(additional);
            }

            fn frame(&mut self, len: usize) -> $frame {
                self.split_to(len).freeze()
            }
        }
    };
}

inbox!(ByteBuf, ByteView);
inbox!(BytesMut, Bytes);

/// How a codec makes space for its next read, where the first bytes of an unfinished frame are there.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// `reserve(n)` before each read.
    Reserve(usize),
    /// As `tokio_util::codec::FramedRead` does: `reserve(1)`.
    ReserveOne,
    /// As `AsyncReadExt::read_buf` does: what `chunk_mut` gives.
    ReadBuf,
    /// As `tokio_util::codec::LengthDelimitedCodec` does: `reserve` of what the frame lacks.
    LengthDelimited,
}

const SHAPES: [Shape; 6] = [
    Shape::Reserve(1448),
    Shape::Reserve(4096),
    Shape::Reserve(16 * 1024),
    Shape::ReserveOne,
    Shape::ReadBuf,
    Shape::LengthDelimited,
];

const MTU: usize = 1448;

/// Frames of a length in two bytes and a payload, a few hundred bytes on average.
fn stream() -> Vec<u8> {
    let (mut bytes, mut random) = (Vec::new(), Random::new(7));
    while bytes.len() < if cfg!(miri) { 20_000 } else { 1 << 20 } {
        let len = match random.below(16) {
            0 => 4000,
            1..4 => 900,
            _ => 8 + random.below(300),
        };
        bytes.extend_from_slice(&(len as u16).to_be_bytes());
        bytes.resize(bytes.len() + len, len as u8);
    }
    bytes
}

/// Reads the stream, and returns the number of reads. `held` frames stay alive.
fn run<T: Inbox>(inbox: &mut T, stream: &[u8], shape: Shape, held: usize) -> usize {
    let mut frames = VecDeque::with_capacity(8192.min(held + 1));
    COUNTED.set(0);
    let (mut rest, mut reads) = (stream, 0);
    while !rest.is_empty() {
        let missing = match inbox.first_chunk() {
            Some(&len) => (2 + usize::from(u16::from_be_bytes(len))).saturating_sub(inbox.len()),
            None => 2 - inbox.len(),
        };
        match shape {
            Shape::Reserve(n) => inbox.reserve(n),
            Shape::ReserveOne => inbox.reserve(1),
            Shape::LengthDelimited => inbox.reserve(missing),
            Shape::ReadBuf => {}
        }
        let n = inbox.chunk_mut().len().min(MTU).min(rest.len());
        inbox.put_slice(&rest[..n]);
        (rest, reads) = (&rest[n..], reads + 1);
        while let Some(&len) = inbox.first_chunk() {
            let len = usize::from(u16::from_be_bytes(len));
            if inbox.len() < 2 + len {
                break;
            }
            inbox.advance(2);
            frames.push_back(inbox.frame(len));
            if frames.len() > held {
                frames.pop_front();
            }
        }
    }
    reads
}

#[test]
fn a_codec_reads_as_seldom_and_takes_as_few_blocks_as_with_bytes_mut() {
    let stream = stream();
    for shape in SHAPES {
        for made_with in [0, 512, 1448, 4096, 8192, 64 * 1024] {
            for held in [0, 1, 64, 8000] {
                let their_reads =
                    run(&mut BytesMut::with_capacity(made_with), &stream, shape, held);
                // The first block is made before the counting begins.
                let their_blocks = COUNTED.get() + usize::from(made_with > 0);
                let before = Pool::global().stats().allocations;
                let reads = run(&mut ByteBuf::with_capacity(made_with), &stream, shape, held);
                let blocks = (Pool::global().stats().allocations - before) as usize;
                let case = format!(
                    "{shape:?}, made with {made_with}, {held} held: {reads} reads and {blocks} blocks, \
                     where BytesMut takes {their_reads} and {their_blocks}"
                );
                // With no frame held, both double one block a few times, and chance says how many bytes
                // its end leaves for a read.
                let chance = usize::from(held == 0);
                assert!(reads <= their_reads + chance * their_reads / 50, "{case}");
                assert!(blocks <= their_blocks + chance, "{case}");
            }
        }
    }
}
