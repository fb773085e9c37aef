//! The handles of a running trace, and what a call on one of them answers.

use std::{collections::BTreeMap, ops::Range};

use serde_json::Value;

use crate::{
    differences::Difference, processor::Processor, representation::Representation,
    subject::Subject, trace::from_hex,
};

/// What a call came to.
pub(crate) enum Outcome {
    /// It returns nothing.
    Done,
    Value(Value),
    New(Slot),
    /// The target is gone.
    Dropped,
}

/// Why a call came to nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    /// As Netty's `IndexOutOfBoundsException` or `IllegalArgumentException`: nothing has changed.
    Fails,
    /// The library does it another way, so there is nothing to compare.
    Differs(Difference),
}

pub(crate) type Answer = Result<Outcome, Stop>;

pub(crate) enum Slot {
    Buffer(Handle),
    Processor(Box<dyn Processor>),
}

pub(crate) struct Handle {
    pub(crate) subject: Box<dyn Subject>,
    pub(crate) reader_mark: usize,
    /// Falls below 0 where more bytes were discarded than it had before it.
    pub(crate) writer_mark: isize,
    pub(crate) composite: Option<Components>,
}

/// Netty's list of components, kept beside the bytes: theirs counts empty ones and never merges,
/// ours need not.
#[derive(Clone, Debug)]
pub(crate) struct Components {
    pub(crate) lengths: Vec<usize>,
    pub(crate) max: usize,
}

impl Handle {
    pub(crate) fn new(subject: Box<dyn Subject>) -> Self {
        Self { subject, reader_mark: 0, writer_mark: 0, composite: None }
    }

    pub(crate) fn readable(&self) -> Range<usize> {
        self.subject.reader()..self.subject.writer()
    }

    pub(crate) fn writable(&self) -> usize {
        self.subject.capacity() - self.subject.writer()
    }

    /// Both indexes at once.
    pub(crate) fn set_index(&mut self, reader: usize, writer: usize) -> Result<(), Stop> {
        let subject = &mut self.subject;
        need(reader <= writer)?;
        // Never with the reader above the writer.
        if writer < subject.reader() {
            need(subject.set_reader(reader))?;
        }
        need(subject.set_writer(writer) && subject.set_reader(reader))
    }

    /// The range, if it is within the capacity.
    pub(crate) fn range(&self, index: usize, n: usize) -> Result<Range<usize>, Stop> {
        let end = index.checked_add(n).ok_or(Stop::Fails)?;
        need(end <= self.subject.capacity())?;
        Ok(index..end)
    }

    pub(crate) fn next_readable(&self, n: usize) -> Result<Range<usize>, Stop> {
        let readable = self.readable();
        need(n <= readable.len())?;
        Ok(readable.start..readable.start + n)
    }

    pub(crate) fn bytes(&mut self, range: Range<usize>) -> Result<Vec<u8>, Stop> {
        self.subject.content().get_bytes(range).ok_or(Stop::Fails)
    }

    /// All that a failed call must leave as it was.
    pub(crate) fn state(&mut self) -> (usize, usize, Vec<usize>, Vec<u8>) {
        let all = 0..self.subject.capacity();
        let bytes = self.bytes(all).expect("all bytes up to the capacity");
        let lengths = self.composite.iter().flat_map(|list| list.lengths.clone()).collect();
        (self.subject.reader(), self.subject.writer(), lengths, bytes)
    }
}

pub(crate) struct World {
    pub(crate) representation: Representation,
    slots: BTreeMap<String, Slot>,
}

impl World {
    pub(crate) fn new(representation: Representation) -> Self {
        Self { representation, slots: BTreeMap::new() }
    }

    pub(crate) fn put(&mut self, name: &str, slot: Slot) {
        let before = self.slots.insert(name.into(), slot);
        assert!(before.is_none(), "{name} is there already");
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }

    pub(crate) fn take(&mut self, name: &str) -> Slot {
        self.slots.remove(name).unwrap_or_else(|| panic!("no handle {name}"))
    }

    pub(crate) fn buffer(&mut self, name: &str) -> &mut Handle {
        match self.slots.get_mut(name) {
            Some(Slot::Buffer(handle)) => handle,
            _ => panic!("no buffer {name}"),
        }
    }

    pub(crate) fn processor(&mut self, name: &str) -> &mut dyn Processor {
        match self.slots.get_mut(name) {
            Some(Slot::Processor(processor)) => &mut **processor,
            _ => panic!("no processor {name}"),
        }
    }

    pub(crate) fn buffers(&mut self) -> impl Iterator<Item = (&str, &mut Handle)> {
        self.slots.iter_mut().filter_map(|(name, slot)| match slot {
            Slot::Buffer(handle) => Some((&name[..], handle)),
            Slot::Processor(_) => None,
        })
    }
}

/// The arguments of a step.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(pub(crate) &'a [Value]);

impl<'a> Args<'a> {
    /// An index or a length, which Rust can't write down where it is negative.
    pub(crate) fn index(self, at: usize) -> Result<usize, Stop> {
        usize::try_from(self.integer(at)).map_err(|_| Stop::Differs(Difference::Negative))
    }

    pub(crate) fn integer(self, at: usize) -> i64 {
        self.0[at].as_i64().unwrap_or_else(|| panic!("argument {at} is no integer"))
    }

    /// A byte, which Java passes as a wider number.
    pub(crate) fn byte(self, at: usize) -> u8 {
        self.integer(at) as u8
    }

    pub(crate) fn flag(self, at: usize) -> bool {
        self.0[at].as_bool().unwrap_or_else(|| panic!("argument {at} is no flag"))
    }

    pub(crate) fn text(self, at: usize) -> &'a str {
        self.0[at].as_str().unwrap_or_else(|| panic!("argument {at} is no text"))
    }

    pub(crate) fn bytes(self, at: usize) -> Vec<u8> {
        from_hex(self.text(at))
    }

    pub(crate) fn handle(self, at: usize) -> &'a str {
        let name = self.text(at).strip_prefix('@');
        name.unwrap_or_else(|| panic!("argument {at} is no handle"))
    }
}

/// The names of the handles anywhere in these arguments.
pub(crate) fn handles_in(args: &[Value]) -> Vec<&str> {
    args.iter()
        .flat_map(|arg| match arg {
            Value::String(text) => text.strip_prefix('@').into_iter().collect(),
            Value::Array(list) => handles_in(list),
            _ => Vec::new(),
        })
        .collect()
}

pub(crate) fn need(condition: bool) -> Result<(), Stop> {
    if condition { Ok(()) } else { Err(Stop::Fails) }
}

pub(crate) fn value(value: impl Into<Value>) -> Answer {
    Ok(Outcome::Value(value.into()))
}
