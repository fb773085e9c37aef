//! Searches in slices, composites and streams, against windows looked at one by one.

use std::cmp::Reverse;

use arbitrary::Arbitrary;
use bytebuf::{ByteView, CompositeByteBuf, Finder, MultiFinder, Search};

use super::Model;

#[derive(Arbitrary, Debug)]
pub enum Op {
    Push(Text),
    /// One letter over and over.
    Run {
        len: u8,
    },
    Clear,
    Find(Text),
    /// What is there to be found.
    FindOwn {
        start: u8,
        end: u8,
    },
    Byte(u8),
    Any {
        set: [u8; 5],
        len: u8,
    },
    By {
        least: u8,
    },
    Stream {
        needle: Text,
        cut: u8,
    },
    Many {
        needles: [Text; 3],
        cut: u8,
    },
}

/// Up to 16 letters of three, so that needles begin often and end seldom.
#[derive(Arbitrary, Debug)]
pub struct Text {
    letters: u32,
    len: u8,
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        let len = u32::from(self.len % 17);
        (0..len).map(|i| b"aabc"[(self.letters >> (2 * i)) as usize % 4]).collect()
    }
}

const LONGEST: usize = 2000;

/// The haystack, in parts and flat.
pub struct Haystack {
    parts: CompositeByteBuf,
    flat: Vec<u8>,
}

/// Where the matches begin, overlapping ones among them.
fn matches(flat: &[u8], needle: &[u8]) -> Vec<usize> {
    (0..=flat.len()).filter(|&at| flat[at..].starts_with(needle)).collect()
}

impl Haystack {
    fn push(&mut self, part: Vec<u8>) {
        if self.flat.len() + part.len() <= LONGEST {
            self.flat.extend_from_slice(&part);
            self.parts.insert(self.parts.components().len(), part);
        }
    }

    /// Everything that holds bytes gives the same first and last place.
    fn check(
        &self,
        expected: (Option<usize>, Option<usize>),
        in_parts: impl Fn(&CompositeByteBuf) -> (Option<usize>, Option<usize>),
        in_slice: impl Fn(&[u8]) -> (Option<usize>, Option<usize>),
    ) {
        assert_eq!(in_parts(&self.parts), expected);
        assert_eq!(in_slice(&self.flat), expected);
    }

    fn find(&self, needle: &[u8]) {
        let all = matches(&self.flat, needle);
        self.check(
            (all.first().copied(), all.last().copied()),
            |parts| (parts.find(needle), parts.rfind(needle)),
            |slice| (slice.find(needle), slice.rfind(needle)),
        );
    }

    fn positions(&self, is: impl Fn(u8) -> bool) -> (Option<usize>, Option<usize>) {
        (self.flat.iter().position(|&byte| is(byte)), self.flat.iter().rposition(|&byte| is(byte)))
    }

    /// What `feed` finds in the haystack cut so, with the ends counted from its beginning.
    fn feed<F>(
        &self,
        cut: u8,
        mut feed: impl FnMut(&[u8]) -> Option<F>,
        end: impl Fn(&mut F) -> &mut usize,
    ) -> Vec<F> {
        let (mut found, mut at) = (Vec::new(), 0);
        for mut chunk in self.flat.chunks(usize::from(cut) + 1) {
            while let Some(mut one) = feed(chunk) {
                let taken = *end(&mut one);
                assert!(0 < taken && taken <= chunk.len());
                at += taken;
                chunk = &chunk[taken..];
                *end(&mut one) = at;
                found.push(one);
            }
            at += chunk.len();
        }
        found
    }

    fn stream(&self, needle: &[u8], cut: u8) {
        let Ok(mut finder) = Finder::new(needle) else { return assert!(needle.is_empty()) };
        let expected: Vec<_> =
            matches(&self.flat, needle).iter().map(|at| at + needle.len()).collect();
        for _ in 0..2 {
            assert_eq!(self.feed(cut, |chunk| finder.feed(chunk), |end| end), expected);
            finder.reset();
        }
    }

    fn many(&self, needles: &[Vec<u8>], cut: u8) {
        let Ok(mut finder) = MultiFinder::new(needles) else {
            return assert!(needles.iter().any(Vec::is_empty));
        };
        let mut longest_first: Vec<_> = needles.iter().collect();
        longest_first.sort_by_key(|needle| Reverse(needle.len()));
        let ending_at = |end| longest_first.iter().find(|n| self.flat[..end].ends_with(n));
        let expected: Vec<_> =
            (1..=self.flat.len()).filter_map(|end| Some((*ending_at(end)?, end))).collect();
        let found = self.feed(cut, |chunk| finder.feed(chunk), |found| &mut found.end);
        assert!(found.iter().map(|one| (&needles[one.needle], one.end)).eq(expected));
    }
}

impl Model for Haystack {
    type Op = Op;

    fn new() -> Self {
        Self { parts: CompositeByteBuf::new(), flat: Vec::new() }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        match op {
            Op::Push(text) => self.push(text.bytes()),
            Op::Run { len } => self.push(vec![b"aabc"[usize::from(salt) % 4]; usize::from(*len)]),
            Op::Clear => *self = Self::new(),
            Op::Find(text) => self.find(&text.bytes()),
            Op::FindOwn { start, end } => {
                let (a, b) = (usize::from(*start), usize::from(*end));
                let view = ByteView::copy_from_slice(&self.flat);
                let needle = view.get(a.min(b)..a.max(b)).unwrap_or_default();
                self.find(needle);
            }
            Op::Byte(byte) => {
                let byte = if byte % 4 == 0 { *byte } else { b"aabc"[usize::from(byte % 4)] };
                self.check(
                    self.positions(|there| there == byte),
                    |parts| (parts.find_byte(byte), parts.rfind_byte(byte)),
                    |slice| (slice.find_byte(byte), slice.rfind_byte(byte)),
                );
            }
            Op::Any { set, len } => {
                let set = &set[..usize::from(*len) % 6];
                self.check(
                    self.positions(|there| set.contains(&there)),
                    |parts| (parts.find_any(set), parts.rfind_any(set)),
                    |slice| (slice.find_any(set), slice.rfind_any(set)),
                );
            }
            Op::By { least } => {
                let stop = |byte| byte >= *least;
                self.check(
                    self.positions(stop),
                    |parts| (parts.find_by(stop), parts.rfind_by(stop)),
                    |slice| (slice.find_by(stop), slice.rfind_by(stop)),
                );
            }
            Op::Stream { needle, cut } => self.stream(&needle.bytes(), cut % 24),
            Op::Many { needles, cut } => {
                let needles: Vec<_> = needles.iter().map(Text::bytes).collect();
                self.many(&needles, cut % 24);
            }
        }
    }
}
