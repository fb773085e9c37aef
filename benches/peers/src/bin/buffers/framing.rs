//! A decoder: a receive buffer full of length-prefixed messages is cut into views, some of which are held.

use bytebuf::{ByteBuf, ByteView, Pool};
use bytes::{Buf, Bytes, BytesMut};
use peers::Random;
use peers::race::{Bar, Bench, Contender};
use std::hint::black_box;
use std::sync::Arc;

const BLOCK: usize = 64 * 1024;

/// Messages of 200 bytes on average behind their lengths, as many as the block holds.
fn wire() -> (Vec<u8>, usize) {
    let (mut wire, mut messages, mut random) = (Vec::new(), 0, Random(5));
    loop {
        let len = 100 + random.below(201);
        if wire.len() + 4 + len > BLOCK {
            return (wire, messages);
        }
        wire.extend_from_slice(&(len as u32).to_be_bytes());
        wire.resize(wire.len() + len, 5);
        messages += 1;
    }
}

/// The messages held: each new one takes the place of the oldest.
struct Held<T> {
    ring: Vec<Option<T>>,
    next: usize,
}

impl<T> Held<T> {
    fn new(most: usize) -> Self {
        Self { ring: (0..most).map(|_| None).collect(), next: 0 }
    }

    #[inline(always)]
    fn keep(&mut self, message: T) {
        if self.ring.is_empty() {
            black_box(&message);
            return;
        }
        self.ring[self.next] = Some(message);
        self.next = if self.next + 1 == self.ring.len() { 0 } else { self.next + 1 };
    }
}

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Framing: 64 KiB of messages, 200 bytes on average, per message");
    let (wire, messages) = wire();
    let wire: &'static [u8] = wire.leak();
    for hold in [64, 0, 1024] {
        let contenders = vec![
            ours(wire, messages, hold),
            bytes(wire, messages, hold),
            counted(wire, messages, hold),
            copied(wire, messages, hold),
            ntex(wire, messages, hold),
            bytesbuf(wire, messages, hold),
            parse(wire, messages, hold),
        ];
        let bars: &[Bar] = match hold {
            64 => &[Bar::Of(&["bytes"], 1.0 / 2.3), Bar::OfBest(1.0)],
            _ => &[Bar::OfBest(1.0)],
        };
        bench.race(format!("framing, {hold} held"), bars, contenders);
    }
}

fn ours(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<ByteView>::new(hold);
    Contender::cpu("bytebuf", move |n| {
        for _ in 0..n / messages {
            let mut received: ByteBuf = Pool::global().alloc(BLOCK);
            received.extend_from_slice(wire);
            while received.len() >= 4 {
                let len = received.get_u32() as usize;
                held.keep(received.split_to(len).freeze());
            }
        }
    })
}

fn bytes(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<Bytes>::new(hold);
    let mut received = BytesMut::with_capacity(BLOCK);
    Contender::cpu("bytes", move |n| {
        for _ in 0..n / messages {
            // What tokio's codecs do: the room is taken back if nobody holds it.
            received.reserve(BLOCK);
            received.extend_from_slice(wire);
            while received.len() >= 4 {
                let len = received.get_u32() as usize;
                held.keep(received.split_to(len).freeze());
            }
        }
    })
}

/// Ranges of an `Arc` of a vector.
fn counted(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<(Arc<Vec<u8>>, usize, usize)>::new(hold);
    Contender::cpu("Arc<Vec>", move |n| {
        for _ in 0..n / messages {
            let mut received = Vec::with_capacity(BLOCK);
            received.extend_from_slice(wire);
            let received = Arc::new(received);
            let mut at = 0;
            while let Some(len) = received.get(at..).and_then(|rest| rest.first_chunk()) {
                let len = u32::from_be_bytes(*len) as usize;
                held.keep((Arc::clone(&received), at + 4, len));
                at += 4 + len;
            }
        }
    })
}

/// A vector for each message.
fn copied(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<Vec<u8>>::new(hold);
    let mut received = Vec::with_capacity(BLOCK);
    Contender::cpu("copied Vec", move |n| {
        for _ in 0..n / messages {
            received.clear();
            received.extend_from_slice(wire);
            let mut rest = &received[..];
            while rest.len() >= 4 {
                let len = rest.get_u32() as usize;
                held.keep(rest[..len].to_vec());
                rest = &rest[len..];
            }
        }
    })
}

fn ntex(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<ntex_bytes::Bytes>::new(hold);
    Contender::cpu("ntex", move |n| {
        for _ in 0..n / messages {
            let mut received =
                ntex_bytes::BytesMut::with_page_size(ntex_bytes::BytePageSize::Size64);
            // Its page of 64 KiB has a few bytes less room: the last message is cut short.
            received.extend_from_slice(&wire[..wire.len().min(received.capacity())]);
            while received.len() >= 4 {
                let len = Buf::get_u32(&mut received) as usize;
                held.keep(received.split_to(len.min(received.len())));
            }
        }
    })
}

fn bytesbuf(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let pool = bytesbuf::mem::GlobalPool::new();
    let mut held = Held::<bytesbuf::BytesView>::new(hold);
    Contender::cpu("bytesbuf", move |n| {
        for _ in 0..n / messages {
            let mut received = pool.reserve(BLOCK);
            received.put_slice(wire);
            let mut view = received.consume_all();
            while view.len() >= 4 {
                let len = view.get_u32_be() as usize;
                held.keep(view.range(..len));
                view.advance(len);
            }
        }
    })
}

/// No buffers at all: the copy and the lengths.
fn parse(wire: &'static [u8], messages: usize, hold: usize) -> Contender<'static> {
    let mut held = Held::<(usize, usize)>::new(hold);
    let mut received = Vec::with_capacity(BLOCK);
    Contender::floor("parse alone", move |n| {
        for _ in 0..n / messages {
            received.clear();
            received.extend_from_slice(wire);
            let mut at = 0;
            while let Some(len) = received.get(at..).and_then(|rest: &[u8]| rest.first_chunk()) {
                let len = u32::from_be_bytes(*len) as usize;
                held.keep((at + 4, len));
                at += 4 + len;
            }
        }
    })
}
