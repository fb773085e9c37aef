//! A [`CompositeByteBuf`], cut wherever one likes.

use std::{cmp::Ordering, ops::Range};

use bytebuf::CompositeByteBuf;
use bytes::Buf;
use serde_json::Value;

use crate::{
    native,
    panics::attempt,
    processor::Processor,
    search::searched,
    subject::{Content, Indexed, Part, Subject},
};

pub(crate) struct Rope(pub(crate) CompositeByteBuf);

impl Rope {
    fn within<R>(
        &mut self,
        range: Range<usize>,
        look: impl FnOnce(&mut CompositeByteBuf) -> R,
    ) -> R {
        look(&mut self.0.slice(range))
    }

    /// The index of the component that begins at `offset`, or the number of them at the end.
    fn boundary(&self, offset: usize) -> Option<usize> {
        if offset == self.0.len() {
            return Some(self.0.components().len());
        }
        let index = self.0.component_index(offset)?;
        (self.0.component_offset(index) == Some(offset)).then_some(index)
    }
}

impl Content for Rope {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&mut self, kind: &str, index: usize) -> Option<Value> {
        native::peek(&self.0, kind, index)
    }

    fn set(&mut self, kind: &str, index: usize, value: &Value) -> bool {
        native::poke(&mut self.0, kind, index, value)
    }

    fn get_bytes(&mut self, range: Range<usize>) -> Option<Vec<u8>> {
        attempt(|| self.0.slice(range).to_vec())
    }

    fn set_bytes(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.0.set_slice(index, bytes).is_ok()
    }

    fn set_zero(&mut self, index: usize, n: usize) -> bool {
        self.0.set_bytes(index, 0, n).is_ok()
    }

    fn resize(&mut self, capacity: usize) {
        match capacity.checked_sub(self.0.len()) {
            Some(more) => self.0.insert(self.0.components().len(), vec![0; more]),
            None => self.0.truncate(capacity),
        }
    }

    fn slice(&mut self, range: Range<usize>) -> Option<Box<dyn Subject>> {
        let slice = attempt(|| self.0.slice(range))?;
        Some(Box::new(Indexed::full(Self(slice))))
    }

    fn holds_utf8(&mut self, range: Range<usize>) -> bool {
        self.0.slice(range).is_utf8()
    }

    fn holds_ascii(&mut self, range: Range<usize>) -> bool {
        self.0.slice(range).is_ascii()
    }

    fn text(&mut self, range: Range<usize>) -> String {
        let text = self.0.slice(range);
        text.to_str().map_or_else(|_| String::from_utf8_lossy(&text.to_vec()).into(), Into::into)
    }

    fn cursor(&mut self, range: Range<usize>) -> Box<dyn Buf> {
        Box::new(self.0.slice(range))
    }

    /// As components where one begins at that place, else by cutting.
    fn insert(&mut self, at: usize, part: Part) {
        let Part::Views(views) = part else { unreachable!("a rope is made of views") };
        if let Some(index) = self.boundary(at) {
            for (i, view) in views.into_iter().enumerate() {
                self.0.insert(index + i, view);
            }
        } else {
            let rest = self.0.split_off(at);
            self.0.append(views);
            self.0.append(rest);
        }
    }

    fn cut(&mut self, range: Range<usize>) {
        if let (Some(first), Some(last)) = (self.boundary(range.start), self.boundary(range.end)) {
            for _ in first..last {
                self.0.remove(first);
            }
        } else {
            let rest = self.0.split_off(range.end);
            self.0.truncate(range.start);
            self.0.append(rest);
        }
    }

    fn component_start(&mut self, offset: usize) -> Option<usize> {
        self.0.component_offset(self.0.component_index(offset)?)
    }

    fn merge(&mut self, range: Range<usize>) {
        let boundary =
            |offset| self.boundary(offset).expect("a boundary of Netty is a boundary here");
        let (first, last) = (boundary(range.start), boundary(range.end));
        if (first, last) == (0, self.0.components().len()) {
            self.0.consolidate();
        } else {
            self.0.consolidate_components(first..last);
        }
    }

    fn part(&mut self, range: Range<usize>) -> Part {
        Part::Views(self.0.slice(range))
    }

    searched!();
}
