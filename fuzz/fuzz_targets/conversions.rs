//! A stream of conversions between all the types that hold bytes: whatever the way, the same bytes.
#![no_main]

use arbitrary::Arbitrary;
use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use bytebuf_fuzz::pattern;
use bytes::{Buf, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Arbitrary, Debug)]
enum Op {
    ToView,
    ToBuf,
    ToBytes,
    ToBytesMut,
    ToVec,
    ToBoxed,
    ToArc,
    ToString,
    ToComposite {
        cut: u8,
    },
    ToOwner,
    /// Another handle of the same memory, kept until the end, so that nobody is alone.
    Keep,
    /// The oldest of those is dropped.
    Forget,
    Slice {
        start: u8,
        end: u8,
    },
    Append {
        len: u8,
    },
}

#[derive(Arbitrary, Debug)]
struct Input {
    len: u16,
    spare: u8,
    ops: Vec<Op>,
}

enum Holder {
    View(ByteView),
    Buf(ByteBuf),
    Bytes(Bytes),
    BytesMut(BytesMut),
    Vec(Vec<u8>),
    Composite(CompositeByteBuf),
}

/// An owner that counts how often it was dropped.
struct Owner(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl Holder {
    fn view(self) -> ByteView {
        match self {
            Self::View(view) => view,
            Self::Buf(buf) => buf.freeze(),
            Self::Bytes(bytes) => bytes.into(),
            Self::BytesMut(bytes) => bytes.freeze().into(),
            Self::Vec(vec) => vec.into(),
            Self::Composite(parts) => parts.to_byte_view(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::View(view) => view.to_vec(),
            Self::Buf(buf) => buf.to_vec(),
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::BytesMut(bytes) => bytes.to_vec(),
            Self::Vec(vec) => vec.clone(),
            Self::Composite(parts) => parts.to_vec(),
        }
    }

    fn slice(&mut self, start: usize, end: usize) {
        match self {
            Self::View(view) => *view = view.slice(start..end),
            Self::Buf(buf) => {
                buf.truncate(end);
                buf.advance(start);
            }
            Self::Bytes(bytes) => *bytes = bytes.slice(start..end),
            Self::BytesMut(bytes) => {
                bytes.truncate(end);
                bytes.advance(start);
            }
            Self::Vec(vec) => *vec = vec[start..end].to_vec(),
            Self::Composite(parts) => *parts = parts.slice(start..end),
        }
    }

    fn convert(self, op: &Op, dropped: &Arc<AtomicUsize>, owners: &mut usize) -> Self {
        match op {
            Op::ToView => Self::View(self.view()),
            Op::ToBuf => Self::Buf(match self {
                Self::Bytes(bytes) => bytes.into(),
                Self::Vec(vec) => vec.into(),
                other => other.view().into(),
            }),
            Op::ToBytes => Self::Bytes(match self {
                Self::Buf(buf) => buf.into(),
                other => other.view().into(),
            }),
            Op::ToBytesMut => Self::BytesMut(Bytes::from(self.view()).into()),
            Op::ToVec => Self::Vec(match self {
                Self::Buf(buf) => buf.into(),
                other => other.view().into(),
            }),
            Op::ToBoxed => Self::View(Vec::from(self.view()).into_boxed_slice().into()),
            Op::ToArc => Self::View(Arc::<[u8]>::from(self.bytes()).into()),
            Op::ToString => match String::from_utf8(self.view().into()) {
                Ok(text) => Self::View(text.into()),
                Err(error) => Self::Vec(error.into_bytes()),
            },
            Op::ToComposite { cut } => {
                let view = self.view();
                let parts = view.chunks(usize::from(*cut) + 1).map(|part| view.slice_ref(part));
                Self::Composite(parts.collect())
            }
            Op::ToOwner => {
                *owners += 1;
                Self::View(ByteView::from_owner(Owner(self.bytes(), dropped.clone())))
            }
            _ => self,
        }
    }
}

fuzz_target!(|input: Input| {
    let mut expected = pattern(usize::from(input.len) % 5000, 0);
    let mut vec = Vec::with_capacity(expected.len() + usize::from(input.spare));
    vec.extend_from_slice(&expected);
    let mut holder = Holder::Vec(vec);
    let mut kept: Vec<(ByteView, Vec<u8>)> = Vec::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut owners = 0;

    for (salt, op) in input.ops.iter().enumerate() {
        match *op {
            Op::Keep => {
                let view = holder.view();
                kept.push((view.clone(), expected.clone()));
                holder = Holder::View(view);
            }
            Op::Forget if !kept.is_empty() => drop(kept.remove(0)),
            Op::Slice { start, end } => {
                let (a, b) = (usize::from(start), usize::from(end));
                let (a, b) = (a.min(b).min(expected.len()), a.max(b).min(expected.len()));
                holder.slice(a, b);
                expected = expected[a..b].to_vec();
            }
            Op::Append { len } => {
                let new = pattern(len.into(), salt as u8);
                match &mut holder {
                    Holder::Buf(buf) => buf.extend_from_slice(&new),
                    Holder::BytesMut(bytes) => bytes.extend_from_slice(&new),
                    Holder::Vec(vec) => vec.extend_from_slice(&new),
                    Holder::Composite(parts) => parts.push_back(new.clone()),
                    Holder::View(_) | Holder::Bytes(_) => continue,
                }
                expected.extend(new);
            }
            _ => holder = holder.convert(op, &dropped, &mut owners),
        }
        assert_eq!(holder.bytes(), expected);
        for (view, bytes) in &kept {
            assert_eq!(view, bytes);
        }
    }
    drop((holder, kept));
    bytebuf::Pool::settle_thread();
    assert_eq!(dropped.load(Ordering::Relaxed), owners, "each owner is dropped once");
});
