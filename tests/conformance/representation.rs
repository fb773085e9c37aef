//! The ways in which the library can hold some bytes.

use std::ops::Range;

use crate::{
    processor::{Naive, Processor},
    subject::{Indexed, Part, Subject},
    world::{Stop, need},
};

/// What holds the bytes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Representation {
    /// A `Vec` and the standard library, not ours: shows that the traces are read aright.
    Model,
}

impl Representation {
    pub(crate) const ALL: [Self; 1] = [Self::Model];

    pub(crate) fn subject(
        self,
        data: &[u8],
        max_capacity: usize,
        _pieces: Option<&[usize]>,
        _shared: bool,
    ) -> Box<dyn Subject> {
        Box::new(Indexed::new(data.to_vec(), max_capacity))
    }

    /// A buffer of these bytes that nobody else sees.
    pub(crate) fn independent(self, bytes: &[u8]) -> Box<dyn Subject> {
        Box::new(Indexed::full(bytes.to_vec()))
    }

    pub(crate) fn alloc(self, capacity: usize, max_capacity: usize) -> Option<Box<dyn Subject>> {
        Some(Box::new(Indexed::new(vec![0; capacity], max_capacity)))
    }

    pub(crate) fn composite(self) -> Box<dyn Subject> {
        Box::new(Indexed::new(Vec::new(), i32::MAX as usize))
    }

    pub(crate) fn part(self, data: Vec<u8>, range: Range<usize>) -> Part {
        Part::Model(data[range].to_vec())
    }

    pub(crate) fn processor(self, needles: Vec<Vec<u8>>) -> Result<Box<dyn Processor>, Stop> {
        need(!needles.iter().any(Vec::is_empty))?;
        Ok(Box::new(Naive::new(needles)))
    }
}
