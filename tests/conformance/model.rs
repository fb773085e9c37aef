//! The model: a `Vec<u8>` and the standard library, to show that the traces are read aright.

use std::{cmp::Ordering, io::Cursor, ops::Range};

use bytes::Buf;
use serde_json::Value;

use crate::{
    processor::Processor,
    subject::{Content, Indexed, Part, Subject},
    trace::to_hex,
    typed::{decode, encode, width},
};

impl Content for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&mut self, kind: &str, index: usize) -> Option<Value> {
        let end = index.checked_add(width(kind))?;
        <[u8]>::get(self, index..end).map(|bytes| decode(kind, bytes))
    }

    fn set(&mut self, kind: &str, index: usize, value: &Value) -> bool {
        self.set_bytes(index, &encode(kind, value))
    }

    fn get_bytes(&mut self, range: Range<usize>) -> Option<Vec<u8>> {
        <[u8]>::get(self, range).map(<[u8]>::to_vec)
    }

    fn set_bytes(&mut self, index: usize, bytes: &[u8]) -> bool {
        let end = index.checked_add(bytes.len());
        let place = end.and_then(|end| self.get_mut(index..end));
        place.map(|place| place.copy_from_slice(bytes)).is_some()
    }

    fn set_zero(&mut self, index: usize, n: usize) -> bool {
        let end = index.checked_add(n);
        let place = end.and_then(|end| self.get_mut(index..end));
        place.map(|place| place.fill(0)).is_some()
    }

    fn resize(&mut self, capacity: usize) {
        Self::resize(self, capacity, 0);
    }

    fn slice(&mut self, range: Range<usize>) -> Option<Box<dyn Subject>> {
        let bytes = self.get_bytes(range)?;
        Some(Box::new(Indexed::full(bytes)))
    }

    fn cursor(&mut self, range: Range<usize>) -> Box<dyn Buf> {
        Box::new(Cursor::new(self[range].to_vec()))
    }

    fn find_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize> {
        self.position(range, &|this| this == byte)
    }

    fn rfind_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize> {
        self.rposition(range, &|this| this == byte)
    }

    fn position(&mut self, mut range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize> {
        range.find(|index| stop(self[*index]))
    }

    fn rposition(&mut self, range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize> {
        range.rev().find(|index| stop(self[*index]))
    }

    fn find(&mut self, mut range: Range<usize>, needle: &[u8]) -> Option<usize> {
        let end = range.end;
        range.find(|index| self[*index..end].starts_with(needle))
    }

    fn feed(&mut self, mut range: Range<usize>, to: &mut dyn Processor) -> Option<usize> {
        range.find(|index| to.feed(&self[*index..=*index]).is_some())
    }

    fn compare(&mut self, range: Range<usize>, other: &[u8]) -> Ordering {
        self[range].cmp(other)
    }

    fn equals(&mut self, range: Range<usize>, other: &[u8]) -> bool {
        self[range] == *other
    }

    fn hex(&mut self, range: Range<usize>) -> String {
        to_hex(&self[range])
    }

    fn hex_box(&mut self, range: Range<usize>) -> String {
        if range.is_empty() {
            return String::new();
        }
        let line = format!("+--------+{}+----------------+", "-".repeat(49));
        let head = "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |";
        let mut lines = vec![format!("         +{}+", "-".repeat(49)), head.into(), line.clone()];
        for (row, bytes) in self[range].chunks(16).enumerate() {
            let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
            let shown =
                |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
            let text: String = bytes.iter().map(shown).collect();
            lines.push(format!("|{:08x}|{hex:<48} |{text:<16}|", row * 16));
        }
        lines.push(line);
        lines.join("\n")
    }

    fn insert(&mut self, at: usize, part: Part) {
        let Part::Model(bytes) = part else { unreachable!("a model is made of models") };
        self.splice(at..at, bytes);
    }

    fn cut(&mut self, range: Range<usize>) {
        self.drain(range);
    }

    fn component_start(&mut self, offset: usize) -> Option<usize> {
        (offset < self.len()).then_some(offset)
    }

    fn merge(&mut self, _: Range<usize>) {}

    fn part(&mut self, range: Range<usize>) -> Part {
        Part::Model(self[range].to_vec())
    }
}
