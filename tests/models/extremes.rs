//! Sizes, offsets and indexes near every limit: each call answers by what plain arithmetic says, and one
//! that is refused has changed nothing.

use arbitrary::{Arbitrary, Unstructured};
use bytebuf::{ByteBuf, CompositeByteBuf, WriteQueue};

use super::Model;
use super::fixtures::{pattern, pool};

/// A number that lies near something: 0, a power of two, the end of `isize` or `usize`.
#[derive(Debug, Clone, Copy)]
pub struct Extreme(usize);

impl<'a> Arbitrary<'a> for Extreme {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let anchors = [0, 1 << u.int_in_range(0..=63)?, isize::MAX as usize, usize::MAX];
        let near = isize::from(i8::arbitrary(u)?);
        Ok(Self(u.choose(&anchors)?.wrapping_add_signed(near)))
    }
}

#[derive(Arbitrary, Debug)]
pub enum Op {
    Reserve(Extreme),
    Reclaim(Extreme),
    Allocate(Extreme),
    AllocateAligned(Extreme, u8),
    SetReader(Extreme),
    SetWriter(Extreme),
    SetMaximum(Extreme),
    Peek(Extreme, u8),
    PeekRope(Extreme, u8),
    SetU32(Extreme),
    SetBytes(Extreme, Extreme),
    SetRope(Extreme, Extreme),
    ComponentAt(Extreme),
    Component(Extreme),
    Remove(Extreme),
    Truncate(Extreme),
    Resize(Extreme),
    Watermarks(Extreme, Extreme),
}

/// What the pool may map, and a size that it always has space for here.
const LIMIT: usize = 64 << 20;
const ALWAYS: usize = 8 << 20;

/// A buffer and a composite of the same 200 bytes.
pub struct Extremes {
    buf: ByteBuf,
    rope: CompositeByteBuf,
}

impl Extremes {
    fn snapshot(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let Self { buf, rope } = self;
        let indexes = (buf.reader_index(), buf.writer_index(), buf.capacity(), buf.max_capacity());
        (buf.to_vec(), indexes, rope.to_vec(), rope.components().len())
    }
}

/// Whether `width` bytes lie at `offset`, by arithmetic that can't wrap.
fn lies_within(offset: usize, width: usize, len: usize) -> bool {
    offset as u128 + width as u128 <= len as u128
}

fn allocate(size: usize, align: usize) -> bool {
    match pool().alloc_aligned(size, align) {
        Ok(buf) => {
            assert!(size <= LIMIT && align <= LIMIT);
            assert_eq!((buf.capacity(), buf.len()), (size, 0));
            assert_eq!(buf.as_ptr().addr() % align, 0);
            true
        }
        Err(error) => {
            assert!(!lies_within(size, align, ALWAYS), "{error}");
            assert!(error.requested() >= size.max(align - 1));
            false
        }
    }
}

/// Makes a call and says whether it was granted.
fn step(Extremes { buf, rope }: &mut Extremes, op: &Op) -> bool {
    let (reader, writer, len) = (buf.reader_index(), buf.writer_index(), buf.len());
    let components = rope.components().len();
    // What the call answered, and what it must.
    let (granted, due) = match *op {
        Op::Reserve(Extreme(n)) => match buf.try_reserve(n) {
            Ok(()) => {
                assert!(lies_within(len, n, buf.capacity().min(LIMIT)), "no space");
                return true;
            }
            Err(error) => {
                assert_eq!(error.additional(), n);
                assert!(!lies_within(len, n, buf.max_capacity().min(ALWAYS)), "{error}");
                return false;
            }
        },
        Op::Reclaim(Extreme(n)) => {
            let granted = buf.try_reclaim(n);
            (granted, granted && lies_within(buf.len(), n, buf.capacity()))
        }
        Op::Allocate(Extreme(n)) => return allocate(n, 1),
        Op::AllocateAligned(Extreme(n), bits) => {
            return allocate(n, 1 << (u32::from(bits) % usize::BITS));
        }
        Op::SetReader(Extreme(index)) => (buf.set_reader_index(index).is_ok(), index <= writer),
        Op::SetWriter(Extreme(index)) => {
            let end = reader + buf.capacity();
            (buf.set_writer_index(index).is_ok(), (reader..=end).contains(&index))
        }
        Op::SetMaximum(Extreme(max)) => (buf.set_max_capacity(max).is_ok(), max >= writer),
        Op::Peek(Extreme(at), width) => {
            let mut out = vec![0; width.into()];
            (buf.peek_slice(at, &mut out).is_ok(), lies_within(at, out.len(), len))
        }
        Op::PeekRope(Extreme(at), width) => {
            let mut out = vec![0; width.into()];
            (rope.peek_slice(at, &mut out).is_ok(), lies_within(at, out.len(), rope.len()))
        }
        Op::SetU32(Extreme(at)) => (buf.set_u32(at, 7).is_ok(), lies_within(at, 4, len)),
        Op::SetBytes(Extreme(at), Extreme(n)) => {
            (buf.set_bytes(at, 1, n).is_ok(), lies_within(at, n, len))
        }
        Op::SetRope(Extreme(at), Extreme(n)) => {
            (rope.set_bytes(at, 1, n).is_ok(), lies_within(at, n, rope.len()))
        }
        Op::ComponentAt(Extreme(at)) => (rope.component_at(at).is_some(), at < rope.len()),
        Op::Component(Extreme(index)) => {
            (rope.component_offset(index).is_some(), rope.component(index).is_some())
        }
        Op::Remove(Extreme(index)) => (rope.remove(index).is_some(), index < components),
        Op::Truncate(Extreme(most)) => {
            buf.truncate(most);
            rope.truncate(most);
            (buf.len() == most.min(len), rope.len() <= most)
        }
        Op::Resize(Extreme(n)) if lies_within(n, 0, ALWAYS.min(buf.max_capacity())) => {
            buf.resize(n, 1);
            (buf.len() == n, true)
        }
        // Past its maximum the buffer panics, by contract.
        Op::Resize(_) => return false,
        Op::Watermarks(Extreme(a), Extreme(b)) => {
            let (low, high) = (a.min(b) as u64, a.max(b) as u64);
            let mut queue = WriteQueue::new().with_watermarks(low, high);
            queue.push("for ever");
            let full = !queue.is_writable();
            assert_eq!(queue.clear(), 8);
            assert!(queue.is_writable());
            (full, high < 8 + 64)
        }
    };
    assert_eq!(granted, due);
    granted
}

impl Model for Extremes {
    type Op = Op;

    fn new() -> Self {
        let bytes = pattern(200, 1);
        let mut buf = pool().alloc(300);
        buf.extend_from_slice(&bytes);
        let rope = bytes.chunks(23).map(<[u8]>::to_vec).collect();
        Self { buf, rope }
    }

    fn apply(&mut self, op: &Op, _: u8) {
        let before = self.snapshot();
        if !step(self, op) {
            assert_eq!(self.snapshot(), before, "{op:?} was refused");
        }
    }
}
