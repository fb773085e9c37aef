//! A [`ByteBuf`], which has indexes of its own.

use std::{cmp::Ordering, ops::Range};

use bytebuf::{ByteBuf, CompositeByteBuf, Poke as _};
use bytes::{Buf, BufMut};
use serde_json::Value;

use crate::{
    native,
    panics::attempt,
    processor::Processor,
    search::searched,
    subject::{Content, Part, Subject},
};

/// The buffer, and the capacity that Netty has: ours may be more.
pub(crate) struct Own {
    buf: ByteBuf,
    capacity: usize,
}

impl Own {
    /// All of `buf` is content; the indexes are then 0.
    pub(crate) fn new(mut buf: ByteBuf, max_capacity: usize) -> Self {
        let capacity = buf.len();
        buf.set_max_capacity(max_capacity).expect("no less than the content");
        let mut own = Self { buf, capacity };
        own.place(0, 0);
        own
    }

    fn place(&mut self, reader: usize, writer: usize) {
        let moved = self.buf.set_reader_index(0).and_then(|()| self.buf.set_writer_index(writer));
        moved
            .and_then(|()| self.buf.set_reader_index(reader))
            .expect("indexes within the capacity");
    }

    /// Absolute access: the range becomes what is readable, for the time being.
    fn within<R>(&mut self, range: Range<usize>, look: impl FnOnce(&mut ByteBuf) -> R) -> R {
        let (reader, writer) = (self.buf.reader_index(), self.buf.writer_index());
        self.place(range.start, range.end);
        let result = look(&mut self.buf);
        self.place(reader, writer);
        result
    }

    fn whole<R>(&mut self, look: impl FnOnce(&mut ByteBuf) -> R) -> R {
        self.within(0..self.capacity, look)
    }
}

impl Content for Own {
    fn len(&self) -> usize {
        self.capacity
    }

    fn get(&mut self, kind: &str, index: usize) -> Option<Value> {
        self.whole(|buf| native::peek(&buf[..], kind, index))
    }

    fn set(&mut self, kind: &str, index: usize, value: &Value) -> bool {
        self.whole(|buf| native::poke(&mut buf[..], kind, index, value))
    }

    fn get_bytes(&mut self, range: Range<usize>) -> Option<Vec<u8>> {
        self.whole(|buf| buf.get(range).map(<[u8]>::to_vec))
    }

    fn set_bytes(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.whole(|buf| buf[..].set_slice(index, bytes).is_ok())
    }

    fn set_zero(&mut self, index: usize, n: usize) -> bool {
        self.whole(|buf| buf[..].set_bytes(index, 0, n).is_ok())
    }

    fn resize(&mut self, capacity: usize) {
        if capacity > self.capacity {
            self.whole(|buf| buf.resize(capacity, 0));
        }
        self.capacity = capacity;
    }

    fn slice(&mut self, _: Range<usize>) -> Option<Box<dyn Subject>> {
        unreachable!("frozen from the start where views of it are taken")
    }

    fn cursor(&mut self, _: Range<usize>) -> Box<dyn Buf> {
        unreachable!("reads by itself")
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
        let bytes = self.get_bytes(range).expect("a range within the capacity");
        Part::Views(CompositeByteBuf::from(bytes))
    }

    searched!();
}

impl Subject for Own {
    fn content(&mut self) -> &mut dyn Content {
        self
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn set_capacity(&mut self, capacity: usize) {
        self.resize(capacity);
    }

    fn reader(&self) -> usize {
        self.buf.reader_index()
    }

    fn writer(&self) -> usize {
        self.buf.writer_index()
    }

    fn set_reader(&mut self, index: usize) -> bool {
        self.buf.set_reader_index(index).is_ok()
    }

    fn set_writer(&mut self, index: usize) -> bool {
        index <= self.capacity && self.buf.set_writer_index(index).is_ok()
    }

    fn reserve(&mut self, n: usize) -> bool {
        let writer = self.buf.writer_index();
        let Some(more) = (writer.checked_add(n)).map(|end| end.saturating_sub(self.capacity))
        else {
            return false;
        };
        // Growing keeps what is readable, so all of it is.
        let made = self.whole(|buf| buf.try_reserve(more).is_ok());
        if made {
            self.capacity += more;
        }
        made
    }

    fn max_capacity(&self) -> usize {
        self.buf.max_capacity()
    }

    fn skip(&mut self, n: usize) -> bool {
        attempt(|| self.buf.advance(n)).is_some()
    }

    fn read(&mut self, kind: &str) -> Option<Value> {
        native::get(&mut self.buf, kind)
    }

    fn read_bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        // Not `copy_to_bytes`, which splits the region, and with it the indexes, in two.
        let bytes = self.buf.get(..n)?.to_vec();
        self.buf.advance(n);
        Some(bytes)
    }

    fn write(&mut self, kind: &str, value: &Value) -> bool {
        let made = self.reserve(crate::typed::width(kind));
        if made {
            native::put(&mut self.buf, kind, value);
        }
        made
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> bool {
        let made = self.reserve(bytes.len());
        if made {
            self.buf.put_slice(bytes);
        }
        made
    }

    fn discard_read(&mut self) {
        self.buf.discard_read();
    }
}
