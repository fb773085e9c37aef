//! A stream of conversions between all the types that hold bytes: whatever the way, the same bytes.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arbitrary::Arbitrary;
use bytebuf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};
use bytes::{Buf, Bytes, BytesMut};

use super::Model;
use super::fixtures::pattern;

#[derive(Arbitrary, Debug)]
pub enum Op {
    /// What was there goes, and a vector comes in its place.
    New {
        len: u16,
        spare: u8,
    },
    ToView,
    ToBuf,
    ToBytes,
    ToBytesMut,
    ToVec,
    ToBoxed,
    ToArc,
    ToString,
    ToText,
    Compact,
    ToComposite {
        cut: u8,
    },
    ToOwner,
    /// Another handle of the same memory, kept until the end, so that no handle is unique.
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
    fn take(&mut self) -> Self {
        mem::replace(self, Self::Vec(Vec::new()))
    }

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
            Op::ToText => match ByteStr::try_from(self.view()) {
                Ok(text) => Self::View(text.into()),
                Err(error) => {
                    assert!(std::str::from_utf8(error.as_view()).is_err());
                    Self::View(error.into_view())
                }
            },
            Op::Compact => {
                let view = self.view();
                let pinned = view.pinned();
                let view = view.compact();
                assert!(view.pinned() <= pinned);
                Self::View(view)
            }
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

/// Bytes in one type after the other, and what they must be.
pub struct Conversions {
    holder: Holder,
    expected: Vec<u8>,
    kept: Vec<(ByteView, Vec<u8>)>,
    owners: usize,
    dropped: Arc<AtomicUsize>,
}

impl Model for Conversions {
    type Op = Op;

    fn new() -> Self {
        Self {
            holder: Holder::Vec(pattern(100, 0)),
            expected: pattern(100, 0),
            kept: Vec::new(),
            owners: 0,
            dropped: Arc::default(),
        }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        let Self { holder, expected, kept, owners, dropped } = self;
        match *op {
            Op::New { len, spare } => {
                *expected = pattern(usize::from(len) % 5000, salt);
                let mut vec = Vec::with_capacity(expected.len() + usize::from(spare));
                vec.extend_from_slice(expected);
                *holder = Holder::Vec(vec);
            }
            Op::Keep => {
                let view = holder.take().view();
                kept.push((view.clone(), expected.clone()));
                *holder = Holder::View(view);
            }
            Op::Forget if !kept.is_empty() => drop(kept.remove(0)),
            Op::Slice { start, end } => {
                let (a, b) = (usize::from(start), usize::from(end));
                let (a, b) = (a.min(b).min(expected.len()), a.max(b).min(expected.len()));
                holder.slice(a, b);
                *expected = expected[a..b].to_vec();
            }
            Op::Append { len } => {
                let new = pattern(len.into(), salt);
                match holder {
                    Holder::Buf(buf) => buf.extend_from_slice(&new),
                    Holder::BytesMut(bytes) => bytes.extend_from_slice(&new),
                    Holder::Vec(vec) => vec.extend_from_slice(&new),
                    Holder::Composite(parts) => parts.push_back(new.clone()),
                    Holder::View(_) | Holder::Bytes(_) => return,
                }
                expected.extend(new);
            }
            _ => *holder = holder.take().convert(op, dropped, owners),
        }
        assert_eq!(holder.bytes(), *expected);
        for (view, bytes) in kept {
            assert_eq!(view, bytes);
        }
    }

    fn finish(self) {
        let Self { holder, kept, owners, dropped, .. } = self;
        drop((holder, kept));
        bytebuf::Pool::flush_thread();
        assert_eq!(dropped.load(Ordering::Relaxed), owners, "each owner is dropped once");
    }
}
