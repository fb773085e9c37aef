//! Reader index, writer index and headroom of a `ByteBuf`, as in Netty.
#![allow(unsafe_code, reason = "copies within the handle's own range (W1)")]

use super::fields::{Front, MaxCapacity};
use super::{ByteBuf, TryReserveError, bytes_ptr};
use crate::buf::range;
use core::fmt;

/// An index out of its bounds. Nothing has changed.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
///
/// let mut buf = ByteBuf::from(&b"abc"[..]);
/// let error = buf.set_reader_index(4).unwrap_err();
/// assert_eq!((error.index(), error.bounds()), (4, 0..=3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexError {
    index: usize,
    least: usize,
    most: usize,
}

impl IndexError {
    /// Returns the requested index.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the range of valid indexes.
    #[must_use]
    pub fn bounds(&self) -> core::ops::RangeInclusive<usize> {
        self.least..=self.most
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {} is not within {}..={}", self.index, self.least, self.most)
    }
}

impl std::error::Error for IndexError {}

fn check(index: usize, least: usize, most: usize) -> Result<(), IndexError> {
    if (least..=most).contains(&index) { Ok(()) } else { Err(IndexError { index, least, most }) }
}

impl ByteBuf {
    /// Returns the index of the next byte to read, counted from the start of the handle's region. Splitting,
    /// freezing, prepending into headroom and growing may begin a new region.
    #[inline]
    #[must_use]
    #[doc(alias = "readerIndex")]
    pub const fn reader_index(&self) -> usize {
        self.reader
    }

    /// Returns the index of the next byte to write, counted as the [`reader_index`](Self::reader_index) is.
    #[inline]
    #[must_use]
    #[doc(alias = "writerIndex")]
    pub const fn writer_index(&self) -> usize {
        self.writer
    }

    /// Sets the reader index: back, to read consumed bytes again, or forward, to skip bytes.
    ///
    /// # Errors
    ///
    /// If it is above the writer index.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytes::Buf;
    ///
    /// let mut buf = ByteBuf::from(&b"\x00\x05hel"[..]);
    /// let start = buf.reader_index();
    /// let length = buf.get_u16();
    /// assert!(buf.len() < length as usize);
    /// buf.set_reader_index(start).unwrap(); // incomplete: read it again later
    /// assert_eq!(buf.len(), 5);
    /// ```
    #[doc(alias = "readerIndex")]
    #[doc(alias = "resetReaderIndex")]
    pub fn set_reader_index(&mut self, index: usize) -> Result<(), IndexError> {
        check(index, 0, self.writer)?;
        self.reader = index;
        Ok(())
    }

    /// Sets the writer index. Bytes that become readable and were never written are zeros.
    ///
    /// # Errors
    ///
    /// If it is below the reader index, or above it by more than the capacity.
    ///
    /// # Cost
    ///
    /// Writes the zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// buf.extend_from_slice(b"abc");
    /// buf.set_writer_index(2)?;
    /// assert_eq!(buf, b"ab"[..]);
    /// buf.set_writer_index(5)?;
    /// assert_eq!(buf, b"abc\0\0"[..]);
    /// # Ok::<_, bytebuf::IndexError>(())
    /// ```
    #[doc(alias = "writerIndex")]
    pub fn set_writer_index(&mut self, index: usize) -> Result<(), IndexError> {
        check(index, self.reader, self.end)?;
        self.initialise_to(index);
        self.set_writer(index);
        Ok(())
    }

    /// Moves the readable bytes to the start of the region, so that the space of the consumed bytes becomes
    /// spare capacity. Then the reader index is zero.
    ///
    /// # Cost
    ///
    /// Copies the readable bytes, if any were consumed.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytes::Buf;
    ///
    /// let mut buf = ByteBuf::from("head body");
    /// buf.advance(5);
    /// assert_eq!(buf.reader_index(), 5); // `set_reader_index(0)` would read the head again
    /// buf.discard_read();
    /// assert_eq!((buf.reader_index(), &buf[..]), (0, &b"body"[..]));
    /// ```
    #[doc(alias = "discardReadBytes")]
    #[doc(alias = "discardSomeReadBytes")]
    pub fn discard_read(&mut self) {
        let (from, len) = (self.reader, self.len());
        if from == 0 {
            return;
        }
        // SAFETY: both ranges are the handle's own (W1); `copy_from` allows them to overlap.
        unsafe { self.at(0).copy_from(self.at(from), len) };
        self.set_writer(from + len);
        self.reader = 0;
        self.writer = len;
    }

    /// Returns the number of bytes that can be prepended without moving the others: the consumed bytes, and those in
    /// front of the region.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.front_len() + self.reader
    }

    /// Returns the number of bytes in front of the region that belong to this handle.
    #[inline]
    pub(super) fn front_len(&self) -> usize {
        match &self.block {
            Some(block) if self.front == Front::Own => {
                self.base.addr().get() - block.data().addr().get()
            }
            _ => 0,
        }
    }

    /// Inserts `bytes` before the readable bytes.
    ///
    /// It uses the space of the consumed bytes, then the headroom in front of the region. In that case the region
    /// starts earlier and the reader index is zero. If the headroom is too small, the readable bytes are moved.
    ///
    /// # Panics
    ///
    /// If there is no memory, or the buffer would pass its maximum; [`try_prepend`](Self::try_prepend)
    /// returns an error instead.
    ///
    /// # Cost
    ///
    /// O(`bytes.len()`) with headroom; else O(`len`), and perhaps an allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut message = ByteBuf::with_headroom(2, 100);
    /// message.extend_from_slice(b"body");
    /// let len = message.len() as u16;
    /// message.prepend(&len.to_be_bytes());
    /// assert_eq!(message, b"\0\x04body"[..]);
    /// ```
    #[track_caller]
    pub fn prepend(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_prepend(bytes) {
            panic!("cannot prepend: {error}");
        }
    }

    /// Inserts bytes like [`prepend`](Self::prepend), or returns an error.
    ///
    /// # Errors
    ///
    /// Where `prepend` panics. The buffer is unchanged then.
    ///
    /// # Cost
    ///
    /// That of [`prepend`](Self::prepend).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut message = ByteBuf::from(&b"body"[..]);
    /// message.set_max_capacity(8).unwrap();
    /// assert!(message.try_prepend(b"header").is_err());
    /// assert_eq!(message, b"body"[..]);
    /// ```
    #[track_caller]
    pub fn try_prepend(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        let n = bytes.len();
        if n > self.reader {
            if n > self.headroom() || n > self.max.get() - self.len() {
                self.make_headroom(n)?;
            }
            // The region starts earlier, by what the consumed bytes do not cover.
            self.shift_base_back(n - self.reader);
        }
        self.reader -= n;
        // SAFETY: `n` bytes of the handle's own range (W1), before the readable bytes.
        unsafe { self.at(self.reader).copy_from_nonoverlapping(bytes_ptr(bytes), n) };
        Ok(())
    }

    /// Extends the region by `more` bytes of headroom, which the caller is about to write. Releases spare capacity
    /// that would exceed the maximum (W4).
    fn shift_base_back(&mut self, more: usize) {
        assert!(more <= self.front_len());
        // SAFETY: the headroom is part of the handle's range (W1).
        self.base = unsafe { self.base.sub(more) };
        self.reader += more;
        self.writer += more;
        self.end = (self.end + more).min(self.max.get());
        self.initialised = (self.initialised + more).min(self.end);
    }

    /// Drops the first `n` readable bytes, `n <= len`.
    #[inline]
    #[track_caller]
    pub(crate) fn skip(&mut self, n: usize) {
        range::check_advance(n, self.len());
        self.reader += n;
    }

    /// Returns the maximum number of bytes that the region may hold: `usize::MAX` unless it was set.
    #[must_use]
    #[doc(alias = "maxCapacity")]
    pub const fn max_capacity(&self) -> usize {
        self.max.get()
    }

    /// Sets the maximum number of bytes that the region may hold; releases spare capacity above it.
    ///
    /// Every buffer that is split off, and every clone, has the same maximum for its own bytes. A view has
    /// no maximum, so it is lost by [`freeze`](Self::freeze) and [`try_into_mut`](super::ByteView::try_into_mut).
    /// [`unsplit`](Self::unsplit) keeps the maximum of the buffer that it is called on.
    ///
    /// # Errors
    ///
    /// If the writer index is above it already.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut inbox = ByteBuf::with_capacity(1024);
    /// inbox.set_max_capacity(4096)?;
    /// inbox.extend_from_slice(&[0; 1000]);
    /// let frame = inbox.split_to(1000);
    /// assert_eq!((frame.max_capacity(), inbox.max_capacity()), (4096, 4096));
    /// # Ok::<_, bytebuf::IndexError>(())
    /// ```
    #[doc(alias = "maxCapacity")]
    pub fn set_max_capacity(&mut self, max: usize) -> Result<(), IndexError> {
        check(max, self.writer, usize::MAX)?;
        self.max = MaxCapacity::new(max);
        self.end = self.end.min(max);
        self.initialised = self.initialised.min(self.end);
        Ok(())
    }
}
