//! A stream of operations over several `ByteBuf`s and `ByteView`s that share memory, against vectors
//! that share nothing.

use arbitrary::Arbitrary;
use bytebuf::{ByteBuf, ByteView, TryReserveErrorKind};
use bytes::{Buf, BufMut};
use std::mem::MaybeUninit;

use super::Model;
use super::fixtures::{MARK, dirty, pattern, pool, range, within};

/// An operation on one of the handles.
#[derive(Arbitrary, Debug)]
pub struct Step {
    at: u8,
    op: Op,
}

#[derive(Arbitrary, Debug)]
enum Op {
    New { headroom: u8, capacity: u16 },
    Adopt { len: u8, spare: u8 },
    Put { len: u16 },
    Prepend { len: u8 },
    Commit { n: u16 },
    Write { n: u16 },
    Fill { n: u16 },
    Uninit { n: u16 },
    Advance { n: u16 },
    SetReader { index: u16 },
    SetWriter { index: u16 },
    DiscardRead,
    Truncate { len: u16 },
    Resize { len: u16 },
    ExtendFromWithin { start: u16, end: u16 },
    Reserve { n: u16 },
    Reclaim { n: u16 },
    SetMaximum { space: u16 },
    Overwrite { at: u16, value: u16 },
    SplitTo { at: u16 },
    SplitOff { at: u16 },
    Split,
    Unsplit { other: u8 },
    TryUnsplit { other: u8 },
    Clone,
    Freeze,
    Thaw,
    Slice { start: u16, end: u16 },
    SliceRef { start: u16, end: u16 },
    Compact,
    Settle,
    Drop,
}

/// A buffer, and what it must hold.
struct Buffer {
    buf: ByteBuf,
    /// What was read and can be read again.
    before: Vec<u8>,
    bytes: Vec<u8>,
    max: usize,
}

enum Handle {
    Buffer(Buffer),
    View(ByteView, Vec<u8>),
}

use Handle::View;

/// The most handles and the longest buffer that one input may make.
const HANDLES: usize = 12;
const LONGEST: usize = 20_000;

impl Buffer {
    fn new(buf: ByteBuf) -> Self {
        let bytes = buf.to_vec();
        Self { buf, before: Vec::new(), bytes, max: usize::MAX }
    }

    /// How much of the front of the region a call has given up, if any, is the buffer's own choice;
    /// what it kept must be what was there.
    fn check(&mut self) {
        let Self { buf, before, bytes, max } = self;
        assert_eq!(buf.max_capacity(), *max);
        assert_eq!(buf.len(), bytes.len());
        assert_eq!(buf[..], bytes[..]);
        let reader = buf.reader_index();
        assert_eq!(buf.writer_index(), reader + bytes.len());
        assert!(buf.capacity() >= buf.len());
        assert!(reader + buf.capacity() <= buf.max_capacity());
        assert!(reader <= buf.headroom());
        assert!(reader <= before.len(), "a consumed byte from nowhere");
        before.drain(..before.len() - reader);
    }

    /// Whether the buffer can take `n` more bytes: it must, unless its maximum is in the way.
    fn has_space(&mut self, n: usize) -> bool {
        let over = self.bytes.len() + n > self.buf.max_capacity();
        match self.buf.try_reserve(n) {
            Ok(()) => assert!(!over),
            Err(error) => {
                assert!(over, "{error}");
                assert!(matches!(error.kind(), TryReserveErrorKind::OverMaximum(_)));
            }
        }
        self.check();
        !over && self.bytes.len() + n <= LONGEST
    }

    /// Takes over bytes that became readable without a write just now: zeros, or earlier bytes of this handle.
    fn adopt_tail(&mut self) {
        let tail = &self.buf[self.bytes.len()..];
        assert!(!tail.contains(&MARK), "shows what a former owner wrote");
        self.bytes.extend_from_slice(tail);
    }

    fn rewound(&self, index: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let whole = [&self.before[..], &self.bytes].concat();
        (index <= whole.len()).then(|| (whole[..index].to_vec(), whole[index..].to_vec()))
    }
}

fn on_buffer(this: &mut Buffer, op: &Op, salt: u8) -> Option<Handle> {
    let Buffer { buf, before, bytes, max } = this;
    match *op {
        Op::Put { len } => {
            let len = usize::from(len) % 3000;
            if this.has_space(len) {
                let new = pattern(len, salt);
                this.buf.put_slice(&new);
                this.bytes.extend(new);
            }
        }
        Op::Prepend { len } => {
            let new = pattern(len.into(), salt);
            if bytes.len() + new.len() <= buf.max_capacity().min(LONGEST) {
                let kept = before.len().saturating_sub(new.len());
                buf.prepend(&new);
                before.truncate(kept);
                bytes.splice(..0, new);
            }
        }
        Op::Commit { n } => {
            buf.commit(within(n, buf.capacity() - buf.len()));
            this.adopt_tail();
        }
        Op::Write { n } => {
            let space = buf.writable();
            assert!(!space.contains(&MARK), "shows what a former owner wrote");
            let n = within(n, space.len());
            let new = pattern(n, salt);
            space[..n].copy_from_slice(&new);
            buf.commit(n);
            bytes.extend(new);
        }
        Op::Fill { n } => {
            let n = within(n, buf.capacity() - buf.len());
            let new = pattern(n, salt);
            let filled =
                buf.read_into_spare(|space| Ok::<_, ()>(space[..n].write_copy_of_slice(&new)));
            assert_eq!(filled, Ok(n));
            bytes.extend(new);
        }
        Op::Uninit { n } => {
            let memory = buf.as_uninit_mut();
            let n = within(n, memory.len());
            memory[..n].fill(MaybeUninit::uninit());
            bytes.clear();
        }
        Op::Advance { n } => {
            let n = within(n, bytes.len());
            buf.advance(n);
            before.extend(bytes.drain(..n));
        }
        Op::SetReader { index } => {
            let index = usize::from(index);
            match this.rewound(index) {
                Some(expected) => {
                    this.buf.set_reader_index(index).unwrap();
                    (this.before, this.bytes) = expected;
                }
                None => assert_eq!(this.buf.set_reader_index(index).unwrap_err().index(), index),
            }
        }
        Op::SetWriter { index } => {
            let index = usize::from(index);
            let (reader, end) = (before.len(), before.len() + buf.capacity());
            match buf.set_writer_index(index) {
                Ok(()) => {
                    assert!((reader..=end).contains(&index));
                    bytes.truncate(index - reader);
                    this.adopt_tail();
                }
                Err(error) => assert!(!error.bounds().contains(&index)),
            }
        }
        Op::DiscardRead => buf.discard_read(),
        Op::Truncate { len } => {
            buf.truncate(len.into());
            bytes.truncate(len.into());
        }
        Op::Resize { len } => {
            let len = usize::from(len) % 3000;
            if len <= bytes.len() || this.has_space(len - this.bytes.len()) {
                this.buf.resize(len, salt & 0x7F);
                this.bytes.resize(len, salt & 0x7F);
            }
        }
        Op::ExtendFromWithin { start, end } => {
            let range = range(start, end, bytes.len());
            if this.has_space(range.len()) {
                this.buf.extend_from_within(range.clone());
                this.bytes.extend_from_within(range);
            }
        }
        Op::Reserve { n } => {
            let n = n.into();
            this.has_space(n);
        }
        Op::Reclaim { n } => {
            let n = n.into();
            if buf.try_reclaim(n) {
                assert!(buf.capacity() - buf.len() >= n);
            }
        }
        Op::SetMaximum { space } => {
            let max = buf.writer_index() + usize::from(space);
            buf.set_max_capacity(max).unwrap();
            this.max = max;
            if let Some(below) = buf.writer_index().checked_sub(1) {
                assert!(buf.set_max_capacity(below).is_err());
            }
        }
        Op::Overwrite { at, value } => {
            let at = within(at, bytes.len());
            let value = (value & 0x7F7F).to_be_bytes();
            if let Some(there) = bytes.get_mut(at..at + 2) {
                there.copy_from_slice(&value);
                buf[at..at + 2].copy_from_slice(&value);
            }
        }
        Op::SplitTo { at } => {
            let at = within(at, bytes.len());
            let buf = buf.split_to(at);
            let front = bytes.drain(..at).collect();
            return Some(Handle::Buffer(Buffer {
                buf,
                before: std::mem::take(before),
                bytes: front,
                max: *max,
            }));
        }
        Op::Split => {
            let (buf, before, bytes) = (buf.split(), std::mem::take(before), std::mem::take(bytes));
            return Some(Handle::Buffer(Buffer { buf, before, bytes, max: *max }));
        }
        Op::SplitOff { at } => {
            let at = within(at, buf.capacity());
            let capacity = buf.capacity();
            let buf_rest = buf.split_off(at);
            assert_eq!(buf.capacity() + buf_rest.capacity(), capacity);
            let rest = bytes.split_off(at.min(bytes.len()));
            let (before, max) = (Vec::new(), *max);
            return Some(Handle::Buffer(Buffer { buf: buf_rest, before, bytes: rest, max }));
        }
        Op::Clone => {
            let clone = Buffer { max: *max, ..Buffer::new(buf.clone()) };
            return Some(Handle::Buffer(clone));
        }
        _ => {}
    }
    None
}

fn on_view(view: &ByteView, bytes: &[u8], op: &Op) -> Option<Handle> {
    match *op {
        Op::Slice { start, end } => {
            let range = range(start, end, bytes.len());
            Some(View(view.slice(range.clone()), bytes[range].to_vec()))
        }
        Op::SliceRef { start, end } => {
            let range = range(start, end, bytes.len());
            Some(View(view.slice_ref(&view[range.clone()]), bytes[range].to_vec()))
        }
        Op::Clone => Some(View(view.clone(), bytes.to_vec())),
        _ => None,
    }
}

/// What needs the view by value or changes it.
fn change_view(mut view: ByteView, mut bytes: Vec<u8>, op: &Op) -> (Handle, Option<Handle>) {
    match *op {
        Op::Advance { n } => {
            let n = within(n, bytes.len());
            view.advance(n);
            bytes.drain(..n);
        }
        Op::Truncate { len } => {
            view.truncate(len.into());
            bytes.truncate(len.into());
        }
        Op::SplitTo { at } => {
            let at = within(at, bytes.len());
            let front = View(view.split_to(at), bytes.drain(..at).collect());
            return (View(view, bytes), Some(front));
        }
        Op::SplitOff { at } => {
            let at = within(at, bytes.len());
            let rest = View(view.split_off(at), bytes.split_off(at));
            return (View(view, bytes), Some(rest));
        }
        Op::Compact => {
            let pinned = view.pinned();
            view = view.compact();
            assert!(view.pinned() <= pinned);
        }
        Op::Thaw => {
            let unique = view.is_unique();
            match view.try_into_mut() {
                Ok(buf) => {
                    assert!(unique);
                    return (Handle::Buffer(Buffer::new(buf)), None);
                }
                Err(back) => {
                    assert!(!unique);
                    view = back;
                }
            }
        }
        _ => {}
    }
    (View(view, bytes), None)
}

fn join(this: &mut Buffer, mut other: Buffer, op: &Op) -> Option<Buffer> {
    if this.bytes.len() + other.bytes.len() > this.buf.max_capacity().min(LONGEST) {
        return Some(other);
    }
    if matches!(op, Op::TryUnsplit { .. }) {
        if let Err(buf) = this.buf.try_unsplit(other.buf) {
            other.buf = buf;
            return Some(other);
        }
    } else {
        this.buf.unsplit(other.buf);
    }
    if this.bytes.is_empty() && this.before.is_empty() {
        // An empty buffer may have become the other one, with what that can rewind to.
        this.before = other.before;
    }
    this.bytes.append(&mut other.bytes);
    None
}

fn step(handles: &mut Vec<Handle>, at: usize, op: &Op, salt: u8) {
    let new = match *op {
        Op::New { headroom, capacity } => {
            let buf = pool().alloc_with_headroom(headroom.into(), usize::from(capacity) % 9000);
            Some(Handle::Buffer(Buffer::new(buf)))
        }
        Op::Adopt { len, spare } => {
            let bytes = pattern(len.into(), salt);
            let mut vec = Vec::with_capacity(usize::from(len) + usize::from(spare));
            vec.extend_from_slice(&bytes);
            Some(View(vec.into(), bytes))
        }
        Op::Settle => {
            bytebuf::Pool::flush_thread();
            None
        }
        _ if handles.is_empty() => None,
        Op::Drop => {
            handles.swap_remove(at % handles.len());
            None
        }
        Op::Unsplit { other } | Op::TryUnsplit { other } => {
            let this = handles.swap_remove(at % handles.len());
            if handles.is_empty() {
                handles.push(this);
                return;
            }
            let other = handles.swap_remove(usize::from(other) % handles.len());
            match (this, other) {
                (Handle::Buffer(mut this), Handle::Buffer(other)) => {
                    let back = join(&mut this, other, op);
                    handles.extend(back.map(Handle::Buffer));
                    handles.push(Handle::Buffer(this));
                }
                (this, other) => handles.extend([this, other]),
            }
            None
        }
        _ => {
            let at = at % handles.len();
            match handles.swap_remove(at) {
                Handle::Buffer(Buffer { buf, bytes, .. }) if matches!(op, Op::Freeze) => {
                    Some(View(buf.freeze(), bytes))
                }
                Handle::Buffer(mut this) => {
                    let new = on_buffer(&mut this, op, salt);
                    handles.push(Handle::Buffer(this));
                    new
                }
                View(view, bytes) => {
                    let seen = on_view(&view, &bytes, op);
                    let (this, new) = change_view(view, bytes, op);
                    handles.push(this);
                    seen.or(new)
                }
            }
        }
    };
    handles.extend(new);
    if handles.len() > HANDLES {
        handles.remove(0);
    }
}

/// A buffer, and all handles that were made since and not dropped.
pub struct ByteBufs(Vec<Handle>);

impl Model for ByteBufs {
    type Op = Step;

    fn new() -> Self {
        dirty(pool(), &[64, 256, 1024, 2048, 4096, 9000, 16_384]);
        Self(vec![Handle::Buffer(Buffer::new(pool().alloc(300)))])
    }

    fn apply(&mut self, Step { at, op }: &Step, salt: u8) {
        step(&mut self.0, usize::from(*at), op, salt);
        // All of them, as an operation on one must not show in another.
        for handle in &mut self.0 {
            match handle {
                Handle::Buffer(buffer) => buffer.check(),
                View(view, bytes) => {
                    assert_eq!(view[..], bytes[..]);
                    assert!(view.pinned() >= view.len() || view.pinned() == 0);
                }
            }
        }
    }
}
