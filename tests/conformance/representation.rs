//! The ways in which the library can hold some bytes.

use std::{iter, ops::Range, sync::Arc};

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Finder, MultiFinder, Pool};

use crate::{
    buf::Own,
    processor::{Multi, Naive, Processor},
    rope::Rope,
    subject::{Indexed, Part, Subject},
    view::View,
};

/// What holds the bytes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Representation {
    /// A `Vec` and the standard library, not ours: shows that the traces are read aright.
    Model,
    Pooled,
    Heap,
    AdoptedVec,
    ForeignOwner,
    BytesBacked,
    Static,
    CompositeOfOne,
    /// Cut as the trace says, else in pieces of growing length.
    CompositeOfMany,
    CompositeOfBytes,
}

use Representation::{
    AdoptedVec, BytesBacked, CompositeOfBytes, CompositeOfMany, CompositeOfOne, ForeignOwner, Heap,
    Model, Pooled, Static,
};

impl Representation {
    pub(crate) const ALL: [Self; 10] = [
        Model,
        Pooled,
        Heap,
        AdoptedVec,
        ForeignOwner,
        BytesBacked,
        Static,
        CompositeOfOne,
        CompositeOfMany,
        CompositeOfBytes,
    ];

    /// The bytes, with both indexes 0. What is shared need not be writable.
    pub(crate) fn subject(
        self,
        data: &[u8],
        max_capacity: usize,
        pieces: Option<&[usize]>,
        shared: bool,
    ) -> Box<dyn Subject> {
        match self {
            Model => Box::new(Indexed::new(data.to_vec(), max_capacity)),
            CompositeOfOne | CompositeOfMany | CompositeOfBytes => {
                let mut rope = CompositeByteBuf::new();
                for piece in self.cut(data, pieces) {
                    rope.insert(rope.components().len(), self.view(piece));
                }
                Box::new(Indexed::new(Rope(rope), max_capacity))
            }
            Pooled | Heap | AdoptedVec if !shared => {
                Box::new(Own::new(self.buf(data), max_capacity))
            }
            _ => Box::new(Indexed::new(View::new(self.view(data), self), max_capacity)),
        }
    }

    /// Returns an unshared buffer of these bytes.
    pub(crate) fn independent(self, bytes: &[u8]) -> Box<dyn Subject> {
        let mut subject = self.subject(bytes, bytes.len(), None, false);
        assert!(subject.set_writer(bytes.len()), "all bytes are there");
        subject
    }

    pub(crate) fn composite(self) -> Box<dyn Subject> {
        let max = i32::MAX as usize;
        match self {
            Model => Box::new(Indexed::new(Vec::new(), max)),
            _ => Box::new(Indexed::new(Rope(CompositeByteBuf::new()), max)),
        }
    }

    /// A component of a composite.
    pub(crate) fn part(self, data: &[u8], range: Range<usize>) -> Part {
        match self {
            Model => Part::Model(data[range].to_vec()),
            CompositeOfMany | CompositeOfBytes => {
                let pieces = self.cut(&data[range], None).map(|piece| self.view(piece));
                Part::Views(pieces.collect())
            }
            _ => Part::Views(CompositeByteBuf::from(self.view(data).slice(range))),
        }
    }

    /// A view of memory of this kind.
    pub(crate) fn view(self, bytes: &[u8]) -> ByteView {
        match self {
            Heap => ByteView::from(Box::from(bytes)),
            AdoptedVec => ByteView::from(spacious(bytes)),
            ForeignOwner => ByteView::from_owner(Arc::<[u8]>::from(bytes)),
            BytesBacked => ByteView::from(bytes::Bytes::from(spacious(bytes))),
            Static => ByteView::from_static(bytes.to_vec().leak()),
            _ => self.buf(bytes).freeze(),
        }
    }

    fn buf(self, bytes: &[u8]) -> ByteBuf {
        match self {
            Heap | AdoptedVec => ByteBuf::from(self.view(bytes)),
            _ => {
                let mut buf = Pool::global().alloc(bytes.len());
                buf.extend_from_slice(bytes);
                buf
            }
        }
    }

    fn cut<'d>(
        self,
        data: &'d [u8],
        pieces: Option<&'d [usize]>,
    ) -> impl Iterator<Item = &'d [u8]> {
        let mut given =
            pieces.filter(|_| self == CompositeOfMany).map(|pieces| pieces.iter().copied());
        let (mut rest, mut n) = (data, 0);
        iter::from_fn(move || {
            n += 1;
            let len = match (&mut given, self) {
                (Some(lengths), _) => lengths.next().unwrap_or(rest.len()),
                (None, CompositeOfMany) => n,
                (None, CompositeOfBytes) => 1,
                _ => rest.len(),
            };
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            let over = rest.is_empty();
            rest = behind;
            (!over).then_some(piece)
        })
    }

    pub(crate) fn processor(self, needle: Vec<u8>) -> Option<Box<dyn Processor>> {
        Some(match self {
            Model => Box::new(Naive::new(vec![needle])?),
            _ => Box::new(Finder::new(&needle).ok()?.into_owned()),
        })
    }

    pub(crate) fn multi_processor(self, needles: Vec<Vec<u8>>) -> Option<Box<dyn Processor>> {
        Some(match self {
            Model => Box::new(Naive::new(needles)?),
            _ => Box::new(Multi::new(MultiFinder::new(needles).ok()?)),
        })
    }
}

/// With room behind the bytes, so that they are not just a boxed slice.
fn spacious(bytes: &[u8]) -> Vec<u8> {
    let mut vec = Vec::with_capacity(bytes.len() + 7);
    vec.extend_from_slice(bytes);
    vec
}
