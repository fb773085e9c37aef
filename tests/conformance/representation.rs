//! The ways in which the library can hold some bytes.

use std::{iter, ops::Range};

use bytebuf::{ByteView, CompositeByteBuf, Finder, MultiFinder, testing::Backing};

use crate::{
    buf::Own,
    processor::{Multi, Naive, Processor},
    rope::Rope,
    subject::{Indexed, Part, Subject},
    view::View,
};

/// What holds the bytes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representation {
    /// A `Vec` and the standard library, not ours: shows that the traces are read aright.
    Model,
    /// One range of memory of this kind.
    Flat(Backing),
    CompositeOfOne,
    /// Cut as the trace says, else in pieces of growing length.
    CompositeOfMany,
    CompositeOfBytes,
}

use Representation::{CompositeOfBytes, CompositeOfMany, CompositeOfOne, Flat, Model};

impl Representation {
    pub(crate) const ALL: [Self; 10] = [
        Model,
        Flat(Backing::Pooled),
        Flat(Backing::Vec),
        Flat(Backing::SpareVec),
        Flat(Backing::Owner),
        Flat(Backing::Bytes),
        Flat(Backing::Static),
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
                for view in self.components(data, pieces) {
                    rope.insert(rope.components().len(), view);
                }
                Box::new(Indexed::new(Rope(rope), max_capacity))
            }
            Flat(kind @ (Backing::Pooled | Backing::Vec | Backing::SpareVec)) if !shared => {
                Box::new(Own::new(kind.buf(data), max_capacity))
            }
            Flat(kind) => Box::new(Indexed::new(View::new(kind.view(data), kind), max_capacity)),
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
            Flat(kind) => Part::Views(kind.view(data).slice(range).into()),
            _ => Part::Views(self.components(&data[range], None).collect()),
        }
    }

    /// Returns `data` cut as for this representation, in all kinds of memory that do not leak.
    fn components<'d>(
        self,
        data: &'d [u8],
        pieces: Option<&'d [usize]>,
    ) -> impl Iterator<Item = ByteView> {
        let kinds = Backing::ALL.iter().filter(|kind| **kind != Backing::Static).cycle();
        self.cut(data, pieces).zip(kinds).map(|(piece, kind)| kind.view(piece))
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
