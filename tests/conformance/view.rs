//! A [`ByteView`] of any kind of memory.

use std::{cmp::Ordering, mem, ops::Range};

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Poke as _, testing::Backing};
use bytes::Buf;
use serde_json::Value;

use crate::{
    native,
    panics::attempt,
    processor::Processor,
    search::searched,
    subject::{Content, Indexed, Part, Subject},
};

pub(crate) struct View {
    bytes: ByteView,
    kind: Backing,
}

impl View {
    pub(crate) fn new(bytes: ByteView, kind: Backing) -> Self {
        Self { bytes, kind }
    }

    /// Changes the bytes as a writer of a view does: takes the memory back if the view is unique, else copies it. Moves
    /// the result to memory of the same kind.
    fn edit<R>(&mut self, change: impl FnOnce(&mut ByteBuf) -> R) -> R {
        let mut buf = ByteBuf::from(mem::take(&mut self.bytes));
        let result = change(&mut buf);
        self.bytes = self.kind.view(&buf);
        result
    }

    fn within<R>(&mut self, range: Range<usize>, look: impl FnOnce(&mut ByteView) -> R) -> R {
        look(&mut self.bytes.slice(range))
    }
}

impl Content for View {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn get(&mut self, kind: &str, index: usize) -> Option<Value> {
        native::peek(&self.bytes[..], kind, index)
    }

    fn set(&mut self, kind: &str, index: usize, value: &Value) -> bool {
        self.edit(|buf| native::poke(&mut buf[..], kind, index, value))
    }

    fn get_bytes(&mut self, range: Range<usize>) -> Option<Vec<u8>> {
        self.bytes.get(range).map(<[u8]>::to_vec)
    }

    fn set_bytes(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.edit(|buf| buf[..].set_slice(index, bytes).is_ok())
    }

    fn set_zero(&mut self, index: usize, n: usize) -> bool {
        self.edit(|buf| buf[..].set_bytes(index, 0, n).is_ok())
    }

    fn resize(&mut self, capacity: usize) {
        self.edit(|buf| buf.resize(capacity, 0));
    }

    fn slice(&mut self, range: Range<usize>) -> Option<Box<dyn Subject>> {
        let bytes = attempt(|| self.bytes.slice(range))?;
        Some(Box::new(Indexed::full(Self::new(bytes, self.kind))))
    }

    fn cursor(&mut self, range: Range<usize>) -> Box<dyn Buf> {
        Box::new(self.bytes.slice(range))
    }

    fn insert(&mut self, _: usize, _: Part) {
        unreachable!("not a composite");
    }

    fn cut(&mut self, _: Range<usize>) {
        unreachable!("not a composite");
    }

    fn component_start(&mut self, _: usize) -> Option<usize> {
        unreachable!("not a composite");
    }

    fn merge(&mut self, _: Range<usize>) {
        unreachable!("not a composite");
    }

    fn part(&mut self, range: Range<usize>) -> Part {
        Part::Views(CompositeByteBuf::from(self.bytes.slice(range)))
    }

    searched!();
}
