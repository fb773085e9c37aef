//! Iterators of a composite: by component, by byte, by value.

use std::{iter::FusedIterator, mem, slice};

use super::{CompositeByteBuf, Parts};
use crate::buf::ByteView;

/// The components of a [`CompositeByteBuf`], by reference.
///
/// # Examples
///
/// ```
/// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
/// let lens: Vec<_> = parts.components().map(|view| view.len()).collect();
/// assert_eq!(lens, [2, 1]);
/// ```
#[derive(Clone)]
pub struct Components<'a> {
    front: Option<&'a ByteView>,
    rest: slice::Iter<'a, ByteView>,
}

impl<'a> Components<'a> {
    pub(super) fn new(front: Option<&'a ByteView>, rest: &'a [ByteView]) -> Self {
        Self { front, rest: rest.iter() }
    }
}

impl<'a> Iterator for Components<'a> {
    type Item = &'a ByteView;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.front.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.len() + usize::from(self.front.is_some());
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Components<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rest.next_back().or_else(|| self.front.take())
    }
}

impl ExactSizeIterator for Components<'_> {}
impl FusedIterator for Components<'_> {}

/// The components of a [`CompositeByteBuf`], by value, from its `into_iter`.
///
/// # Examples
///
/// ```
/// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
/// let views: Vec<bytebuf::ByteView> = parts.into_iter().collect();
/// assert_eq!(views, ["ab", "c"]);
/// ```
#[derive(Debug)]
pub struct IntoComponents {
    left: CompositeByteBuf,
}

impl Iterator for IntoComponents {
    type Item = ByteView;

    fn next(&mut self) -> Option<ByteView> {
        self.left.remove(0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.left.components().len();
        (len, Some(len))
    }
}

impl DoubleEndedIterator for IntoComponents {
    fn next_back(&mut self) -> Option<ByteView> {
        self.left.pop_back()
    }
}

impl ExactSizeIterator for IntoComponents {}
impl FusedIterator for IntoComponents {}

impl IntoIterator for CompositeByteBuf {
    type Item = ByteView;
    type IntoIter = IntoComponents;

    fn into_iter(self) -> IntoComponents {
        IntoComponents { left: self }
    }
}

impl<'a> IntoIterator for &'a CompositeByteBuf {
    type Item = &'a ByteView;
    type IntoIter = Components<'a>;

    fn into_iter(self) -> Components<'a> {
        self.components()
    }
}

/// The bytes of a [`CompositeByteBuf`], one by one, from both ends.
///
/// # Examples
///
/// ```
/// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
/// assert!(parts.iter_bytes().rev().eq(*b"cba"));
/// ```
#[derive(Clone)]
pub struct ByteIter<'a> {
    front: slice::Iter<'a, u8>,
    middle: Components<'a>,
    middle_len: usize,
    back: slice::Iter<'a, u8>,
}

impl<'a> ByteIter<'a> {
    /// Makes the next run of bytes the front run, which must be used up. The last run may be empty.
    fn next_run(&mut self) -> &mut slice::Iter<'a, u8> {
        match self.middle.next() {
            Some(view) => {
                self.middle_len -= view.len();
                self.front = view.iter();
            }
            None => self.front = mem::take(&mut self.back),
        }
        &mut self.front
    }

    #[cold]
    fn next_across(&mut self) -> Option<u8> {
        self.next_run().next().copied()
    }

    /// Runs a loop over each run of bytes, until one returns a result.
    fn walk<B>(&mut self, mut run: impl FnMut(&mut slice::Iter<'a, u8>) -> Option<B>) -> Option<B> {
        loop {
            match run(&mut self.front) {
                None if self.len() == 0 => return None,
                None => self.next_run(),
                found => return found,
            };
        }
    }

    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let none = Components::new(None, &[]);
        Self { front: bytes.iter(), middle: none, middle_len: 0, back: [].iter() }
    }
}

impl CompositeByteBuf {
    /// Returns the bytes, one by one, from both ends.
    ///
    /// For work on runs of bytes, [`components`](Self::components) is faster.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["ab", "c"]);
    /// assert_eq!(parts.iter_bytes().map(u32::from).sum::<u32>(), 294);
    /// ```
    #[must_use]
    pub fn iter_bytes(&self) -> ByteIter<'_> {
        ByteIter {
            front: self.front.iter(),
            middle: Components::new(None, self.rest.views(0)),
            middle_len: Parts::bytes(&self.rest),
            back: [].iter(),
        }
    }
}

impl Iterator for ByteIter<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        match self.front.next() {
            Some(&byte) => Some(byte),
            None => self.next_across(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.front.len() + self.middle_len + self.back.len();
        (len, Some(len))
    }

    // The loops that can end early: `next` would check the run at each byte.

    fn any<F: FnMut(u8) -> bool>(&mut self, mut f: F) -> bool {
        self.walk(|run| run.any(|&byte| f(byte)).then_some(())).is_some()
    }

    fn all<F: FnMut(u8) -> bool>(&mut self, mut f: F) -> bool {
        !self.any(|byte| !f(byte))
    }

    fn find<P: FnMut(&u8) -> bool>(&mut self, mut predicate: P) -> Option<u8> {
        self.walk(|run| run.copied().find(&mut predicate))
    }

    fn position<P: FnMut(u8) -> bool>(&mut self, mut predicate: P) -> Option<usize> {
        let mut before = 0;
        self.walk(|run| {
            let len = run.len();
            let found = run.position(|&byte| predicate(byte)).map(|at| before + at);
            before += len;
            found
        })
    }

    fn fold<B, F: FnMut(B, u8) -> B>(self, init: B, mut f: F) -> B {
        let all = [self.front].into_iter().chain(self.middle.map(|view| view.iter()));
        all.chain([self.back]).fold(init, |acc, chunk| chunk.fold(acc, |acc, &byte| f(acc, byte)))
    }
}

impl DoubleEndedIterator for ByteIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<u8> {
        loop {
            if let Some(&byte) = self.back.next_back() {
                return Some(byte);
            }
            let Some(view) = self.middle.next_back() else {
                return self.front.next_back().copied();
            };
            self.middle_len -= view.len();
            self.back = view.iter();
        }
    }
}

impl ExactSizeIterator for ByteIter<'_> {}
impl FusedIterator for ByteIter<'_> {}
