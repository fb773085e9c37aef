//! A stream of operations over a `CompositeByteBuf`, against a flat vector.

use std::hash::{Hash, Hasher};
use std::io::{BufRead, IoSlice, Read};

use arbitrary::Arbitrary;
use bytebuf::{ByteView, CompositeByteBuf};
use bytes::{Buf, BufMut};

use super::Model;
use super::fixtures::{pattern, pool, range, within};

#[derive(Arbitrary, Debug)]
pub enum Source {
    Static,
    Pooled,
    Adopted,
    /// A part of what the composite holds already.
    Itself {
        at: u16,
    },
}

#[derive(Arbitrary, Debug)]
pub enum Op {
    PushBack {
        source: Source,
        len: u16,
    },
    PushFront {
        source: Source,
        len: u16,
    },
    Insert {
        index: u8,
        source: Source,
        len: u16,
    },
    Remove {
        index: u8,
    },
    AppendItself {
        start: u16,
        end: u16,
    },
    Slice {
        start: u16,
        end: u16,
    },
    SplitTo {
        at: u16,
        keep: Side,
    },
    SplitOff {
        at: u16,
        keep: Side,
    },
    Truncate {
        len: u16,
    },
    Advance {
        n: u16,
    },
    Consolidate {
        start: u8,
        end: u8,
    },
    ConsolidateAll,
    Take {
        n: u16,
    },
    Read {
        n: u16,
    },
    Consume {
        n: u16,
    },
    GetU32,
    Find {
        at: u16,
        len: u8,
    },
    Overwrite {
        at: u16,
        value: u32,
    },
    SetSlice {
        at: u16,
        len: u8,
    },
    Fill {
        start: u16,
        end: u16,
    },
    Compact,
    Clear,
    /// Keeps a clone, which must not change any more.
    Keep,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Side {
    Front,
    Rest,
}

const LONGEST: usize = 30_000;

fn part(source: &Source, len: u16, salt: u8, model: &[u8], rope: &CompositeByteBuf) -> ByteView {
    static TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog, and again";
    let len = usize::from(len) % 2000;
    match *source {
        Source::Static => ByteView::from_static(&TEXT[..len % TEXT.len()]),
        Source::Adopted => pattern(len, salt).into(),
        Source::Pooled => {
            let mut buf = pool().alloc(len + usize::from(salt));
            buf.put_slice(&pattern(len, salt));
            buf.freeze()
        }
        Source::Itself { at } => {
            let start = within(at, model.len());
            let end = (start + len).min(model.len());
            rope.slice(start..end).to_byte_view()
        }
    }
}

/// Where the component of this number begins: the end, if there are not so many.
fn boundary_of(rope: &CompositeByteBuf, index: usize) -> usize {
    rope.components().take(index).map(|part| part.len()).sum()
}

fn step(rope: &mut CompositeByteBuf, model: &mut Vec<u8>, op: &Op, salt: u8) {
    match op {
        Op::PushBack { source, len } => {
            let part = part(source, *len, salt, model, rope);
            model.extend_from_slice(&part);
            rope.push_back(part);
        }
        Op::PushFront { source, len } => {
            let part = part(source, *len, salt, model, rope);
            model.splice(..0, part.iter().copied());
            rope.push_front(part);
        }
        Op::Insert { index, source, len } => {
            let index = usize::from(*index) % (rope.components().len() + 1);
            let part = part(source, *len, salt, model, rope);
            let at = boundary_of(rope, index);
            model.splice(at..at, part.iter().copied());
            rope.insert(index, part);
        }
        Op::Remove { index } => {
            let index = usize::from(*index);
            let at = boundary_of(rope, index);
            match rope.remove(index) {
                Some(part) => {
                    assert_eq!(&model[at..at + part.len()], &part[..]);
                    model.drain(at..at + part.len());
                }
                None => assert!(index >= rope.components().len()),
            }
        }
        Op::AppendItself { start, end } => {
            let range = range(*start, *end, model.len());
            rope.append(rope.slice(range.clone()));
            model.extend_from_within(range);
        }
        Op::Slice { start, end } => {
            let range = range(*start, *end, model.len());
            *rope = rope.slice(range.clone());
            *model = model[range].to_vec();
        }
        Op::SplitTo { at, keep } => {
            let at = within(*at, model.len());
            let (front, rest) = (rope.split_to(at), std::mem::take(rope));
            choose(rope, model, at, *keep, [front, rest]);
        }
        Op::SplitOff { at, keep } => {
            let at = within(*at, model.len());
            let (rest, front) = (rope.split_off(at), std::mem::take(rope));
            choose(rope, model, at, *keep, [front, rest]);
        }
        Op::Truncate { len } => {
            rope.truncate((*len).into());
            model.truncate((*len).into());
        }
        Op::Advance { n } => {
            let n = within(*n, model.len());
            rope.advance(n);
            model.drain(..n);
        }
        Op::Consolidate { start, end } => {
            let count = rope.components().len();
            let range = range((*start).into(), (*end).into(), count);
            let removed = range.len().saturating_sub(1);
            rope.consolidate_components(range);
            assert_eq!(rope.components().len(), count - removed);
        }
        Op::ConsolidateAll => {
            rope.consolidate();
            assert!(rope.components().len() <= 1);
        }
        Op::Take { n } => {
            let n = within(*n, model.len());
            assert_eq!(rope.copy_to_bytes(n)[..], model[..n]);
            model.drain(..n);
        }
        Op::Read { n } => {
            let n = usize::from(*n);
            let mut out = vec![0; n];
            let read = rope.read(&mut out).unwrap();
            assert!(read <= n && (read > 0 || n == 0 || model.is_empty()));
            assert_eq!(out[..read], model[..read]);
            model.drain(..read);
        }
        Op::Consume { n } => {
            let chunk = rope.fill_buf().unwrap();
            assert!(model.starts_with(chunk) && chunk.is_empty() == model.is_empty());
            let n = within(*n, chunk.len());
            rope.consume(n);
            model.drain(..n);
        }
        Op::GetU32 => {
            let expected = model.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
            assert_eq!(rope.try_get_u32().ok(), expected);
            if expected.is_some() {
                model.drain(..4);
            }
        }
        Op::Find { at, len } => {
            let at = within(*at, model.len());
            let needle = &model[at..(at + usize::from(*len)).min(model.len())];
            let first = model.windows(needle.len().max(1)).position(|window| window == needle);
            let expected = if needle.is_empty() { Some(0) } else { first };
            assert_eq!(rope.find(needle), expected);
        }
        Op::Overwrite { at, value } => {
            let at = within(*at, model.len() + 2);
            match model.get_mut(at..).and_then(|tail| tail.first_chunk_mut()) {
                Some(there) => {
                    *there = value.to_le_bytes();
                    rope.set_u32_le(at, *value).unwrap();
                }
                None => assert!(rope.set_u32_le(at, *value).is_err()),
            }
        }
        Op::SetSlice { at, len } => {
            let (at, new) = (within(*at, model.len()), pattern((*len).into(), salt));
            let there = model.get_mut(at..at + new.len());
            assert_eq!(rope.set_slice(at, &new).is_ok(), there.is_some());
            if let Some(there) = there {
                there.copy_from_slice(&new);
            }
        }
        Op::Fill { start, end } => {
            let range = range(*start, *end, model.len());
            rope.set_bytes(range.start, salt & 0x7F, range.len()).unwrap();
            model[range].fill(salt & 0x7F);
        }
        Op::Compact => rope.compact(),
        Op::Clear => {
            rope.clear();
            model.clear();
        }
        Op::Keep => {}
    }
}

fn choose(
    rope: &mut CompositeByteBuf,
    model: &mut Vec<u8>,
    at: usize,
    keep: Side,
    [front, rest]: [CompositeByteBuf; 2],
) {
    let tail = model.split_off(at);
    assert_eq!(front.to_vec(), *model);
    assert_eq!(rest.to_vec(), tail);
    match keep {
        Side::Front => *rope = front,
        Side::Rest => (*rope, *model) = (rest, tail),
    }
}

/// What is written to a hasher, call by call: to some hashers "ab" is not the same as "a", "b".
fn hash_calls(value: &(impl Hash + ?Sized)) -> Vec<Vec<u8>> {
    #[derive(Default)]
    struct Calls(Vec<Vec<u8>>);

    impl Hasher for Calls {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, bytes: &[u8]) {
            self.0.push(bytes.to_vec());
        }
    }

    let mut calls = Calls::default();
    value.hash(&mut calls);
    calls.0
}

fn check(rope: &CompositeByteBuf, model: &[u8], probe: usize) {
    assert_eq!((rope.len(), rope.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(rope.components().flat_map(|part| part.iter()).count(), model.len());
    assert!(rope.components().all(|part| !part.is_empty()));
    assert_eq!(rope, model);
    assert_eq!(rope.to_vec(), model);
    assert_eq!(hash_calls(rope), hash_calls(model), "a hash depends on the content alone");
    assert!(rope.iter_bytes().eq(model.iter().copied()));
    assert!(rope.iter_bytes().rev().eq(model.iter().rev().copied()));

    let mut slices = [IoSlice::new(&[]); 8];
    let filled = rope.io_slices(&mut slices);
    assert_eq!(filled, rope.components().len().min(8));
    let sent: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
    assert!(model.starts_with(&sent));

    let at = probe % (model.len() + 9);
    let integer = model.get(at..).and_then(|tail| tail.first_chunk());
    assert_eq!(rope.peek_u64(at), integer.map(|&bytes| u64::from_be_bytes(bytes)));
    assert_eq!(rope.peek_u8(at), model.get(at).copied());
    match rope.component_index(at) {
        Some(index) => {
            let start = rope.component_offset(index).unwrap();
            assert_eq!(start, boundary_of(rope, index));
            let part = rope.component_at(at).unwrap();
            assert_eq!(part[at - start], model[at]);
        }
        None => assert!(at >= model.len()),
    }
    assert_eq!(rope.component_offset(rope.components().len()), None);
}

/// The most clones that are kept.
const KEPT: usize = 4;

/// The composite and the flat vector, and earlier states of both.
pub struct Composite {
    rope: CompositeByteBuf,
    flat: Vec<u8>,
    kept: Vec<(CompositeByteBuf, Vec<u8>)>,
}

impl Model for Composite {
    type Op = Op;

    fn new() -> Self {
        Self { rope: CompositeByteBuf::new(), flat: Vec::new(), kept: Vec::new() }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        let Self { rope, flat, kept } = self;
        step(rope, flat, op, salt);
        if matches!(op, Op::Keep) && kept.len() < KEPT {
            kept.push((rope.clone(), flat.clone()));
        }
        if flat.len() > LONGEST {
            rope.truncate(LONGEST / 2);
            flat.truncate(LONGEST / 2);
        }
        check(rope, flat, usize::from(salt) * 257);
    }

    fn finish(self) {
        for (rope, flat) in self.kept {
            check(&rope, &flat, 0);
        }
    }
}
