//! Netty's index model over anything that holds bytes.
//!
//! [`Content`] is what the bytes can do, addressed from 0 to the capacity; [`Subject`] adds the two
//! indexes. A type of the library that has no indexes of its own gets them from [`Indexed`].
//! Everything answers "that cannot be" with `None` or `false` and must then have changed nothing.

use std::{cmp::Ordering, ops::Range};

use bytebuf::CompositeByteBuf;
use bytes::Buf;
use serde_json::Value;

use crate::{native, panics::attempt, processor::Processor, typed::width};

pub(crate) trait Content {
    /// Netty's capacity.
    fn len(&self) -> usize;
    fn get(&mut self, kind: &str, index: usize) -> Option<Value>;
    fn set(&mut self, kind: &str, index: usize, value: &Value) -> bool;
    fn get_bytes(&mut self, range: Range<usize>) -> Option<Vec<u8>>;
    fn set_bytes(&mut self, index: usize, bytes: &[u8]) -> bool;
    fn set_zero(&mut self, index: usize, n: usize) -> bool;
    /// Cuts the end off, or adds zeros.
    fn resize(&mut self, capacity: usize);
    /// A view of the range, with nothing copied where the library can do that.
    fn slice(&mut self, range: Range<usize>) -> Option<Box<dyn Subject>>;

    // All ranges below are within the capacity.
    fn cursor(&mut self, range: Range<usize>) -> Box<dyn Buf>;
    fn find_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize>;
    fn rfind_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize>;
    fn position(&mut self, range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize>;
    fn rposition(&mut self, range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize>;
    fn find(&mut self, range: Range<usize>, needle: &[u8]) -> Option<usize>;
    fn feed(&mut self, range: Range<usize>, to: &mut dyn Processor) -> Option<usize>;
    fn compare(&mut self, range: Range<usize>, other: &[u8]) -> Ordering;
    fn equals(&mut self, range: Range<usize>, other: &[u8]) -> bool;
    fn hex(&mut self, range: Range<usize>) -> String;
    fn hex_box(&mut self, range: Range<usize>) -> String;

    fn holds_utf8(&mut self, range: Range<usize>) -> bool {
        str::from_utf8(&self.get_bytes(range).expect("in range")).is_ok()
    }

    fn holds_ascii(&mut self, range: Range<usize>) -> bool {
        self.get_bytes(range).expect("in range").is_ascii()
    }

    /// The range as text, with what is malformed replaced.
    fn text(&mut self, range: Range<usize>) -> String {
        String::from_utf8_lossy(&self.get_bytes(range).expect("in range")).into()
    }

    /// The range as the pieces of memory that hold it.
    fn pieces(&mut self, range: Range<usize>) -> Vec<Vec<u8>> {
        let mut cursor = self.cursor(range);
        let mut pieces = Vec::new();
        while cursor.has_remaining() {
            pieces.push(cursor.chunk().to_vec());
            cursor.advance(cursor.chunk().len());
        }
        pieces
    }

    // What only a composite is asked.
    fn insert(&mut self, at: usize, part: Part);
    fn cut(&mut self, range: Range<usize>);
    /// Where the component begins that holds the byte at `offset`.
    fn component_start(&mut self, offset: usize) -> Option<usize>;
    fn merge(&mut self, range: Range<usize>);
    fn part(&mut self, range: Range<usize>) -> Part;
}

/// What becomes a component.
#[derive(Debug)]
pub(crate) enum Part {
    Model(Vec<u8>),
    Views(CompositeByteBuf),
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Model(bytes) => bytes.len(),
            Self::Views(views) => views.len(),
        }
    }
}

pub(crate) trait Subject {
    fn content(&mut self) -> &mut dyn Content;
    fn capacity(&self) -> usize;
    fn set_capacity(&mut self, capacity: usize);
    fn reader(&self) -> usize;
    fn writer(&self) -> usize;
    fn set_reader(&mut self, index: usize) -> bool;
    fn set_writer(&mut self, index: usize) -> bool;
    /// Makes space for `n` more bytes, up to the largest capacity.
    fn reserve(&mut self, n: usize) -> bool;
    fn max_capacity(&self) -> usize;
    fn skip(&mut self, n: usize) -> bool;
    fn read(&mut self, kind: &str) -> Option<Value>;
    fn read_bytes(&mut self, n: usize) -> Option<Vec<u8>>;
    fn write(&mut self, kind: &str, value: &Value) -> bool;
    fn write_bytes(&mut self, bytes: &[u8]) -> bool;
    /// Moves the readable bytes to index 0.
    fn discard_read(&mut self);
}

/// Bytes of a type that knows no indexes, with Netty's two beside it.
pub(crate) struct Indexed<C> {
    content: C,
    reader: usize,
    writer: usize,
    max_capacity: usize,
}

impl<C: Content> Indexed<C> {
    pub(crate) fn new(content: C, max_capacity: usize) -> Self {
        Self { content, reader: 0, writer: 0, max_capacity }
    }

    pub(crate) fn full(content: C) -> Self {
        let writer = content.len();
        Self { content, reader: 0, writer, max_capacity: writer }
    }

    /// Reads, and moves the reader as far as the library moved its own cursor.
    fn advance<R>(&mut self, read: impl FnOnce(&mut dyn Buf) -> R) -> R {
        let mut cursor = self.content.cursor(self.reader..self.writer);
        let result = read(&mut *cursor);
        self.reader = self.writer - cursor.remaining();
        result
    }
}

impl<C: Content + 'static> Subject for Indexed<C> {
    fn content(&mut self) -> &mut dyn Content {
        &mut self.content
    }

    fn capacity(&self) -> usize {
        self.content.len()
    }

    fn set_capacity(&mut self, capacity: usize) {
        self.content.resize(capacity);
    }

    fn reader(&self) -> usize {
        self.reader
    }

    fn writer(&self) -> usize {
        self.writer
    }

    fn set_reader(&mut self, index: usize) -> bool {
        let fits = index <= self.writer;
        if fits {
            self.reader = index;
        }
        fits
    }

    fn set_writer(&mut self, index: usize) -> bool {
        let fits = (self.reader..=self.content.len()).contains(&index);
        if fits {
            self.writer = index;
        }
        fits
    }

    fn reserve(&mut self, n: usize) -> bool {
        let Some(end) = self.writer.checked_add(n).filter(|end| *end <= self.max_capacity) else {
            return false;
        };
        if end > self.content.len() {
            self.content.resize(end);
        }
        true
    }

    fn max_capacity(&self) -> usize {
        self.max_capacity
    }

    fn skip(&mut self, n: usize) -> bool {
        self.advance(|cursor| attempt(|| cursor.advance(n))).is_some()
    }

    fn read(&mut self, kind: &str) -> Option<Value> {
        self.advance(|mut cursor| native::get(&mut cursor, kind))
    }

    fn read_bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        self.advance(|cursor| attempt(|| cursor.copy_to_bytes(n).to_vec()))
    }

    fn write(&mut self, kind: &str, value: &Value) -> bool {
        let width = width(kind);
        let written = self.reserve(width) && self.content.set(kind, self.writer, value);
        if written {
            self.writer += width;
        }
        written
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> bool {
        let written = self.reserve(bytes.len()) && self.content.set_bytes(self.writer, bytes);
        if written {
            self.writer += bytes.len();
        }
        written
    }

    fn discard_read(&mut self) {
        let readable = self.reader..self.writer;
        let kept = self.content.get_bytes(readable).expect("the indexes are within the capacity");
        assert!(self.content.set_bytes(0, &kept));
        self.reader = 0;
        self.writer = kept.len();
    }
}
