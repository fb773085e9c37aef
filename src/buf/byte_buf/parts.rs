//! Splitting, joining and freezing a `ByteBuf`: how its range changes hands.
#![allow(unsafe_code, reason = "hands the handle's own range on (W1)")]

use super::{ByteBuf, ByteView};
use crate::buf::{consume, range};
use crate::pool::Block;

impl ByteBuf {
    /// Gives writing up: what is readable as a view that can be cloned and shared.
    ///
    /// Cost: none; copies nothing.
    #[inline]
    #[must_use]
    #[doc(alias = "asReadOnly")]
    pub fn freeze(self) -> ByteView {
        let (ptr, len) = (self.at(self.reader), self.len());
        // SAFETY: initialised bytes of this handle's own range (W1, W3); the handle ends here, so that
        // nobody writes them while the view has the credit.
        unsafe { ByteView::from_parts(ptr, len, self.block) }
    }

    /// Splits at `at`, counted from the first readable byte: keeps what is before it, returns what is
    /// behind it, with the capacity behind it. Both can be written.
    ///
    /// # Panics
    ///
    /// If `at > capacity`.
    ///
    /// Cost: as cloning a view; copies nothing.
    #[must_use = "consider `truncate` if the rest is not needed"]
    pub fn split_off(&mut self, at: usize) -> Self {
        range::check_split("split_off", at, self.capacity());
        let index = self.reader + at;
        let mut rest = Self {
            base: self.at(index),
            reader: 0,
            writer: self.writer.saturating_sub(index),
            limit: self.limit - index,
            clean: self.initialised().saturating_sub(index),
            front: 0,
            max: usize::MAX,
            block: self.block.clone(),
        };
        self.limit = index;
        self.clean = self.clean.min(index);
        self.writer = self.writer.min(index);
        if rest.limit == 0 {
            rest.block = None;
        }
        rest
    }

    /// Takes all that is readable out, and leaves the room behind it. Both can be written.
    ///
    /// Cost: as cloning a view; copies nothing.
    #[inline]
    #[must_use = "consider `clear` if the bytes are not needed"]
    pub fn split(&mut self) -> Self {
        self.split_to(self.len())
    }

    /// Splits at `at`: returns the readable bytes before it, keeps the rest and its capacity, which begin
    /// a new region. Both can be written.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// Cost: as cloning a view; copies nothing.
    #[inline]
    #[must_use = "consider `advance` if the front is not needed"]
    #[doc(alias = "readRetainedSlice")]
    pub fn split_to(&mut self, at: usize) -> Self {
        range::check_split("split_to", at, self.len());
        let index = self.reader + at;
        let rest = self.at(index);
        let front = Self {
            base: self.base,
            reader: self.reader,
            writer: index,
            limit: index,
            clean: index,
            front: self.front,
            max: usize::MAX,
            block: self.block.clone(),
        };
        self.clean = self.clean.saturating_sub(index);
        self.base = rest;
        self.limit -= index;
        self.writer -= index;
        (self.reader, self.front) = (0, 0);
        front
    }

    /// Appends `other`: without copying if it is what was split off behind this one.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// Cost: gives one handle back; else one copy, and that of [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from(&b"head body"[..]);
    /// let body = buf.split_off(5);
    /// buf.unsplit(body);
    /// assert_eq!(buf, b"head body"[..]);
    /// ```
    #[track_caller]
    pub fn unsplit(&mut self, other: Self) {
        if self.is_empty() && self.headroom() == 0 && self.max == usize::MAX {
            *self = other;
        } else if let Err(other) = self.try_unsplit(other) {
            self.extend_from_slice(&other);
        }
    }

    /// Appends `other` if it is what was split off behind this one, without copying.
    ///
    /// # Errors
    ///
    /// `other`, if it does not begin where this one ends, in the same memory.
    pub fn try_unsplit(&mut self, other: Self) -> Result<(), Self> {
        if other.capacity() == 0 {
            return Ok(());
        }
        let same = match (&self.block, &other.block) {
            (Some(a), Some(b)) => Block::is_same(a, b),
            _ => false,
        };
        let adjoins = self.at(self.writer) == other.at(other.reader);
        let fits = self.limit == self.writer && self.limit + other.capacity() <= self.max;
        if !(same && adjoins && fits) {
            return Err(other);
        }
        // Where this one ends the other's range begins: together they are one (W1).
        self.clean = self.limit + other.initialised() - other.reader;
        self.limit += other.capacity();
        self.writer += other.len();
        Ok(())
    }
}

impl Clone for ByteBuf {
    /// A copy of what is readable, in memory of its own.
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl From<&[u8]> for ByteBuf {
    fn from(bytes: &[u8]) -> Self {
        let mut buf = Self::with_capacity(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }
}

impl From<&str> for ByteBuf {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<Vec<u8>> for ByteBuf {
    /// Adopts the vector's memory without copying. Its spare room stays unused.
    fn from(vec: Vec<u8>) -> Self {
        Self::from(ByteView::from(vec))
    }
}

impl From<ByteView> for ByteBuf {
    /// The view's own memory if no other handle holds it and it may be written, a copy otherwise.
    fn from(view: ByteView) -> Self {
        view.try_into_mut().unwrap_or_else(|view| consume(view, |view| Self::from(&**view)))
    }
}

impl From<ByteBuf> for Vec<u8> {
    /// As `Vec::from(ByteView)`.
    fn from(buf: ByteBuf) -> Self {
        buf.freeze().into()
    }
}
