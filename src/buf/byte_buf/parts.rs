//! Splits, joins, freezes and copies a `ByteBuf`.
#![allow(unsafe_code, reason = "hands the handle's own range on (W1)")]

use super::ByteBuf;
use super::alloc::or_panic;
use super::fields::{Front, MadeWith};
use crate::buf::{ByteView, drop_after, range};
use crate::pool::{AllocError, Block};

impl ByteBuf {
    /// Turns the buffer into a view of its readable bytes, which can be cloned and shared.
    ///
    /// # Cost
    ///
    /// None; copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(100);
    /// buf.extend_from_slice(b"to many subscribers");
    /// let message = buf.freeze();
    /// let copies = vec![message.clone(); 1000]; // one block of memory
    /// assert!(copies.iter().all(|copy| copy.as_ptr() == message.as_ptr()));
    /// ```
    #[inline]
    #[must_use]
    #[doc(alias = "asReadOnly")]
    pub fn freeze(self) -> ByteView {
        let (ptr, len) = (self.at(self.reader), self.len());
        // Without capacity, the block only makes the buffer grow in its pool.
        let block = self.block.filter(|_| self.end > 0);
        // SAFETY: initialised bytes of this handle's own range (W1, W3); the handle ends here, so that
        // nothing writes them while the view holds its reference.
        unsafe { ByteView::from_parts(ptr, len, block) }
    }

    /// Splits the buffer at `at`, counted from the first readable byte: keeps the bytes before it, returns the
    /// rest with the spare capacity. Both buffers can be written.
    ///
    /// # Panics
    ///
    /// If `at > capacity`.
    ///
    /// # Cost
    ///
    /// As cloning a view; copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut head = ByteBuf::with_capacity(100);
    /// head.extend_from_slice(b"head body");
    /// let mut body = head.split_off(5);
    /// body.extend_from_slice(b", longer"); // into the spare capacity, which it got
    /// assert_eq!((head, body), (ByteBuf::from("head "), ByteBuf::from("body, longer")));
    /// ```
    #[must_use = "consider `truncate` if the rest is not needed"]
    pub fn split_off(&mut self, at: usize) -> Self {
        range::check_split("split_off", at, self.capacity());
        let index = self.reader + at;
        let rest = Self {
            base: self.at(index),
            reader: 0,
            writer: self.writer.saturating_sub(index),
            end: self.end - index,
            initialised: self.initialised_len().saturating_sub(index),
            max: self.max,
            block: self.block.clone(),
            made_with: self.made_with,
            front: Front::OfOthers,
        };
        self.end = index;
        self.initialised = self.initialised.min(index);
        self.writer = self.writer.min(index);
        rest
    }

    /// Returns the readable bytes and keeps the spare capacity. Both buffers can be written.
    ///
    /// # Cost
    ///
    /// As cloning a view; copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(100);
    /// buf.extend_from_slice(b"first message");
    /// let message = buf.split().freeze(); // can be sent, while
    /// buf.extend_from_slice(b"second"); // the rest of the block is filled
    /// assert_eq!((message, buf.len()), ("first message".into(), 6));
    /// ```
    #[inline]
    #[must_use = "consider `clear` if the bytes are not needed"]
    pub fn split(&mut self) -> Self {
        self.split_to(self.len())
    }

    /// Splits the buffer at `at`: returns the readable bytes before it, keeps the rest with the spare capacity,
    /// which begin a new region. Both buffers can be written.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// # Cost
    ///
    /// As cloning a view; copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut received = ByteBuf::from("line 1\nline 2\nli");
    /// let line = received.split_to(7).freeze(); // shares the memory that it was received into
    /// assert_eq!(line, "line 1\n");
    /// assert_eq!(received, "line 2\nli");
    /// ```
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
            end: index,
            initialised: index,
            max: self.max,
            block: self.block.clone(),
            made_with: self.made_with,
            front: self.front,
        };
        self.initialised = self.initialised.saturating_sub(index);
        self.base = rest;
        self.end -= index;
        self.writer -= index;
        (self.reader, self.front) = (0, Front::OfOthers);
        front
    }

    /// Appends `other`, without copying if it was split off from the end of this buffer.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cost
    ///
    /// None without a copy; otherwise one copy, and that of [`reserve`](Self::reserve).
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
    pub fn unsplit(&mut self, mut other: Self) {
        let max = self.max.get();
        // An empty buffer takes the memory of `other`, unless its bytes exceed the maximum.
        if self.is_empty() && self.headroom() == 0 && other.set_max_capacity(max).is_ok() {
            *self = other;
        } else if let Err(other) = self.try_unsplit(other) {
            self.extend_from_slice(&other);
        }
    }

    /// Appends `other` without copying, if it was split off from the end of this buffer.
    ///
    /// # Errors
    ///
    /// `other`, if it does not begin in the same memory where this buffer ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from("head body");
    /// let body = buf.split_off(5);
    /// assert!(buf.try_unsplit(body).is_ok());
    /// let other = buf.try_unsplit(ByteBuf::from(", of another block")).unwrap_err();
    /// assert_eq!((buf, other.len()), (ByteBuf::from("head body"), 18));
    /// ```
    pub fn try_unsplit(&mut self, other: Self) -> Result<(), Self> {
        if other.capacity() == 0 {
            return Ok(());
        }
        let same = match (&self.block, &other.block) {
            (Some(a), Some(b)) => Block::is_same(a, b),
            _ => false,
        };
        let adjoins = self.at(self.writer) == other.at(other.reader);
        let fits = self.end == self.writer && other.capacity() <= self.max.get() - self.end;
        if !(same && adjoins && fits) {
            return Err(other);
        }
        // Where this one ends the other's range begins: together they are one (W1).
        self.initialised = self.end + other.initialised_len() - other.reader;
        self.end += other.capacity();
        self.writer += other.len();
        Ok(())
    }
}

impl ByteBuf {
    /// Copies the readable bytes into a block of the same pool and budget, or returns an error. The copy has the
    /// same maximum.
    ///
    /// # Errors
    ///
    /// If the pool or the budget has no memory for it.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`Pool::alloc`](crate::Pool::alloc).
    #[track_caller]
    pub fn try_clone(&self) -> Result<Self, AllocError> {
        let mut clone = self.moved(0, self.len())?;
        clone.made_with = MadeWith::BLOCK;
        Ok(clone)
    }
}

impl Clone for ByteBuf {
    /// Copies the readable bytes into a block of the same pool and budget. The copy has the same maximum.
    ///
    /// # Panics
    ///
    /// If these have no memory for it; [`try_clone`](Self::try_clone) returns an error instead.
    #[track_caller]
    fn clone(&self) -> Self {
        or_panic(self.try_clone())
    }
}

impl From<&[u8]> for ByteBuf {
    /// Copies the bytes into the global pool.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_copy_from_slice`](crate::Pool::try_copy_from_slice) returns an error instead.
    #[track_caller]
    fn from(bytes: &[u8]) -> Self {
        let mut buf = Self::with_capacity(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }
}

impl From<&str> for ByteBuf {
    /// As `From<&[u8]>`.
    #[track_caller]
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<Vec<u8>> for ByteBuf {
    /// Adopts the vector's memory without copying. Its spare capacity stays unused.
    fn from(vec: Vec<u8>) -> Self {
        Self::from(ByteView::from(vec))
    }
}

impl From<ByteView> for ByteBuf {
    /// The view's own memory if no other handle holds it and it may be written, a copy in the view's own
    /// pool and budget otherwise.
    ///
    /// # Panics
    ///
    /// If these have no memory for the copy; [`ByteView::try_into_mut`] and [`ByteView::try_copy`] return an error instead.
    #[track_caller]
    fn from(view: ByteView) -> Self {
        match view.try_into_mut() {
            Ok(buf) => buf,
            Err(view) => {
                let copy = or_panic(view.try_copy());
                drop_after(view, |_| copy)
            }
        }
    }
}

impl From<ByteBuf> for Vec<u8> {
    /// As `Vec::from(ByteView)`.
    fn from(buf: ByteBuf) -> Self {
        buf.freeze().into()
    }
}
