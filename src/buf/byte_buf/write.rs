//! Appends to a `ByteBuf`, and truncates it.
#![allow(unsafe_code, reason = "writes within the handle's own range (W1)")]

use super::{ByteBuf, TryReserveError, bytes_ptr};
use crate::buf::range;
use core::ops::RangeBounds;

impl ByteBuf {
    /// Appends `bytes`, growing as needed.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cost
    ///
    /// One copy, and that of [`reserve`](Self::reserve).
    #[inline]
    #[track_caller]
    #[doc(alias = "writeBytes")]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: the spare capacity is large enough and this handle's alone (W1), so that `bytes` is not in it.
        unsafe { self.at(self.writer).copy_from_nonoverlapping(bytes_ptr(bytes), bytes.len()) };
        self.writer += bytes.len();
    }

    /// Appends `bytes`, growing as needed, or returns an error.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is unchanged then.
    ///
    /// # Cost
    ///
    /// That of [`extend_from_slice`](Self::extend_from_slice).
    #[inline]
    #[track_caller]
    pub fn try_extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.try_reserve(bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a copy of a range of the readable bytes.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end; as [`reserve`](Self::reserve), where
    /// [`try_extend_from_within`](Self::try_extend_from_within) is an error.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut text = ByteBuf::from("abc");
    /// text.extend_from_within(1..); // as a decompressor repeats what it wrote
    /// assert_eq!(text, "abcbc");
    /// ```
    #[track_caller]
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>) {
        let range = range::of(range, self.len());
        self.reserve(range.len());
        let from = self.at(self.reader + range.start);
        // SAFETY: both are within the handle's range (W1), and the source ends at or before the writer.
        unsafe { self.at(self.writer).copy_from_nonoverlapping(from, range.len()) };
        self.writer += range.len();
    }

    /// Appends bytes like [`extend_from_within`](Self::extend_from_within), or returns an error.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is unchanged then.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Cost
    ///
    /// That of [`extend_from_within`](Self::extend_from_within).
    #[track_caller]
    pub fn try_extend_from_within(
        &mut self,
        range: impl RangeBounds<usize>,
    ) -> Result<(), TryReserveError> {
        let range = range::of(range, self.len());
        self.try_reserve(range.len())?;
        self.extend_from_within(range);
        Ok(())
    }

    /// Sets the length to `len`: truncates, or appends copies of `value`.
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve); [`try_resize`](Self::try_resize) returns an error instead.
    ///
    /// # Cost
    ///
    /// Writes the appended bytes, and that of [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from("abc");
    /// buf.resize(5, b'-');
    /// assert_eq!(buf, "abc--");
    /// buf.resize(2, 0);
    /// assert_eq!(buf, "ab");
    /// ```
    #[track_caller]
    pub fn resize(&mut self, len: usize, value: u8) {
        match len.checked_sub(self.len()) {
            Some(more) => self.fill_with(more, value),
            None => self.truncate(len),
        }
    }

    /// Sets the length like [`resize`](Self::resize), or returns an error.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve). The buffer is unchanged then.
    ///
    /// # Cost
    ///
    /// That of [`resize`](Self::resize).
    #[track_caller]
    pub fn try_resize(&mut self, len: usize, value: u8) -> Result<(), TryReserveError> {
        self.try_reserve(len.saturating_sub(self.len()))?;
        self.resize(len, value);
        Ok(())
    }

    /// Appends `n` copies of `value`.
    #[track_caller]
    pub(crate) fn fill_with(&mut self, n: usize, value: u8) {
        self.reserve(n);
        // SAFETY: the spare capacity is large enough (W1).
        unsafe { self.at(self.writer).write_bytes(value, n) };
        self.writer += n;
    }

    /// Drops the readable bytes after the first `len`; does nothing if there are none.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.set_writer(self.reader + len);
        }
    }

    /// Makes the buffer empty. The capacity stays, and both indexes stay where the reader was, as with
    /// [`BytesMut`](bytes::BytesMut). [`discard_read`](Self::discard_read) then moves them to 0, so that a loop that
    /// reuses the buffer without [`reserve`](Self::reserve) can write to the space of the bytes that were read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::ByteBuf;
    /// use bytes::Buf;
    /// use std::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let peer = UdpSocket::bind("127.0.0.1:0")?;
    /// let mut datagram = ByteBuf::with_capacity(1500);
    /// for number in 0..3 {
    ///     peer.send_to(&[0, number], socket.local_addr()?)?;
    ///     datagram.clear();
    ///     datagram.discard_read();
    ///     let (length, _) = socket.recv_from(datagram.writable())?;
    ///     datagram.commit(length);
    ///     assert_eq!(datagram.get_u16(), u16::from(number));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }
}
