//! `Buf` and `BufMut` of the crate `bytes`, and the std traits that its types implement.
//!
//! Rules:
//!
//! * **A1** `set_len` makes bytes readable only after they were written: by the caller of
//!   `advance_mut`, as its contract requires, or by the loop before it.
#![allow(
    unsafe_code,
    reason = "`BufMut` is an unsafe trait; bytes that were written into spare capacity become readable"
)]

use crate::buf::{ByteBuf, ByteView, drop_after};
use crate::io::WriteQueue;
use bytes::buf::{IntoIter, UninitSlice};
use bytes::{Buf, BufMut, Bytes};
use core::borrow::BorrowMut;
use core::fmt;

/// The spare capacity that `chunk_mut` makes if less is left, so that a read does not get only the last few bytes of a
/// block. It reclaims space of the block, or takes a new block if the block is full. Just below the maximum, or if the
/// pool has no memory, it makes less.
const CHUNK: usize = 64;

impl ByteBuf {
    #[cold]
    #[track_caller]
    fn make_chunk(&mut self) {
        if self.capacity() > self.len() {
            _ = self.try_reclaim(CHUNK);
        } else if self.remaining_mut() > 0
            && let Err(error) = self.reserve_up_to(CHUNK)
        {
            panic!("{error}");
        }
    }
}

macro_rules! buf {
    ($type:ty) => {
        impl Buf for $type {
            #[inline]
            fn remaining(&self) -> usize {
                self.len()
            }

            #[inline]
            fn chunk(&self) -> &[u8] {
                self
            }

            #[inline]
            fn advance(&mut self, n: usize) {
                self.skip(n);
            }

            /// Copies no bytes.
            fn copy_to_bytes(&mut self, len: usize) -> Bytes {
                self.split_to(len).into()
            }
        }
    };
}

buf!(ByteView);
buf!(ByteBuf);

// SAFETY: `chunk_mut` returns the spare capacity behind the writer index. `advance_mut` checks the capacity and moves
// that index by the number of bytes that were written there (A1).
unsafe impl BufMut for ByteBuf {
    #[inline]
    fn remaining_mut(&self) -> usize {
        // No memory is larger than `isize::MAX`.
        self.max_capacity().min(isize::MAX as usize) - self.len()
    }

    #[inline]
    unsafe fn advance_mut(&mut self, n: usize) {
        let spare = self.capacity() - self.len();
        assert!(n <= spare, "cannot advance past the spare capacity: {n} <= {spare}");
        // SAFETY: the new length is within the capacity, as just checked; the caller has written the bytes (A1).
        unsafe { self.set_len(self.len() + n) }
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.capacity() - self.len() < CHUNK {
            self.make_chunk();
        }
        self.spare_capacity_mut().into()
    }

    #[inline]
    fn put<T: Buf>(&mut self, mut source: T) {
        let all = source.remaining();
        if source.chunk().len() < all {
            self.reserve(all);
        }
        while source.has_remaining() {
            let chunk = source.chunk();
            let n = chunk.len();
            assert!(n > 0, "a Buf reports remaining bytes and an empty chunk");
            self.extend_from_slice(chunk);
            source.advance(n);
        }
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_bytes(&mut self, value: u8, n: usize) {
        self.fill_with(n, value);
    }
}

// SAFETY: `chunk_mut` returns the spare capacity of the block that small parts are copied into. `advance_mut` moves
// the writer index of that block by the block's own `BufMut` (A1).
unsafe impl BufMut for WriteQueue {
    #[inline]
    fn remaining_mut(&self) -> usize {
        usize::try_from(self.pending_bytes())
            .map_or(0, |pending| (isize::MAX as usize).saturating_sub(pending))
    }

    #[inline]
    unsafe fn advance_mut(&mut self, n: usize) {
        let block = self.open_block(0).expect("the block that is open");
        // SAFETY: the caller has written the bytes; the block checks its capacity (A1).
        unsafe { block.advance_mut(n) }
    }

    /// # Panics
    ///
    /// As [`push_copy`](Self::push_copy).
    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        match self.open_block(CHUNK) {
            Ok(block) => block.spare_capacity_mut().into(),
            Err(error) => panic!("{error}"),
        }
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.push_copy(bytes);
    }
}

impl fmt::Write for WriteQueue {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.push_copy(text.as_bytes());
        Ok(())
    }
}

impl fmt::Write for ByteBuf {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.try_reserve(text.len()).is_err() {
            return Err(fmt::Error);
        }
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Implements the traits that both handles of contiguous bytes have.
macro_rules! contiguous {
    ($type:ty) => {
        impl AsRef<[u8]> for $type {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        impl IntoIterator for $type {
            type Item = u8;
            type IntoIter = IntoIter<Self>;

            fn into_iter(self) -> Self::IntoIter {
                IntoIter::new(self)
            }
        }

        impl<'a> IntoIterator for &'a $type {
            type Item = &'a u8;
            type IntoIter = core::slice::Iter<'a, u8>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }
    };
}

contiguous!(ByteView);
contiguous!(ByteBuf);

impl AsMut<[u8]> for ByteBuf {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl BorrowMut<[u8]> for ByteBuf {
    #[inline]
    fn borrow_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Extend<u8> for ByteBuf {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        let mut bytes = bytes.into_iter();
        loop {
            // A wrong hint costs at most 1 MiB of unused spare capacity. If the pool has no memory for the hint,
            // the bytes may still fit.
            _ = self.try_reserve(bytes.size_hint().0.min(1 << 20));
            let spare = self.spare_capacity_mut();
            let (most, mut n) = (spare.len(), 0);
            for (place, byte) in spare.iter_mut().zip(bytes.by_ref()) {
                place.write(byte);
                n += 1;
            }
            // SAFETY: the spare capacity has at least `n` bytes, and the first `n` were just written (A1).
            unsafe { self.set_len(self.len() + n) };
            // An iterator that has returned `None` may continue: it is not called again.
            if n < most {
                return;
            }
            match bytes.next() {
                Some(byte) => self.put_u8(byte),
                None => return,
            }
        }
    }
}

impl<'a> Extend<&'a u8> for ByteBuf {
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, bytes: T) {
        self.extend(bytes.into_iter().copied());
    }
}

impl Extend<ByteView> for ByteBuf {
    fn extend<T: IntoIterator<Item = ByteView>>(&mut self, views: T) {
        views.into_iter().for_each(|view| self.extend_from_slice(&view));
    }
}

impl Extend<Bytes> for ByteBuf {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, parts: T) {
        parts.into_iter().for_each(|part| self.extend_from_slice(&part));
    }
}

impl FromIterator<u8> for ByteBuf {
    fn from_iter<T: IntoIterator<Item = u8>>(bytes: T) -> Self {
        let mut buf = Self::new();
        buf.extend(bytes);
        buf
    }
}

impl<'a> FromIterator<&'a u8> for ByteBuf {
    fn from_iter<T: IntoIterator<Item = &'a u8>>(bytes: T) -> Self {
        bytes.into_iter().copied().collect()
    }
}

impl FromIterator<u8> for ByteView {
    fn from_iter<T: IntoIterator<Item = u8>>(bytes: T) -> Self {
        ByteBuf::from_iter(bytes).freeze()
    }
}

impl From<&'static [u8]> for ByteView {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_static(bytes)
    }
}

impl From<&'static str> for ByteView {
    fn from(text: &'static str) -> Self {
        Self::from_static(text.as_bytes())
    }
}

impl From<Box<[u8]>> for ByteView {
    fn from(bytes: Box<[u8]>) -> Self {
        Self::from(bytes.into_vec())
    }
}

impl From<String> for ByteView {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Bytes> for ByteBuf {
    /// Takes over the memory of a `Bytes` that was made of a `Vec` and has no other handle; otherwise
    /// copies.
    fn from(bytes: Bytes) -> Self {
        if bytes.is_unique() {
            Vec::from(bytes).into()
        } else {
            drop_after(bytes, |bytes| Self::from(&bytes[..]))
        }
    }
}

impl From<ByteBuf> for Bytes {
    /// Copies no bytes; makes one allocation.
    fn from(buf: ByteBuf) -> Self {
        buf.freeze().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_limits_the_spare_capacity() {
        let mut buf = ByteBuf::with_capacity(10);
        buf.set_max_capacity(30).unwrap();
        buf.put_bytes(b'x', 10);
        assert_eq!((buf.remaining_mut(), buf.chunk_mut().len()), (20, 20));
        buf.put_bytes(b'y', 20);
        assert_eq!((buf.remaining_mut(), buf.chunk_mut().len()), (0, 0));
        assert!(fmt::Write::write_str(&mut buf, "z").is_err());
        assert_eq!(buf.len(), 30);
    }

    #[test]
    fn a_wrong_size_hint_costs_only_capacity() {
        struct Liar;

        impl Iterator for Liar {
            type Item = u8;

            fn next(&mut self) -> Option<u8> {
                None
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (usize::MAX, None)
            }
        }

        assert!(ByteBuf::from_iter(Liar).is_empty());
    }

    #[test]
    fn an_iterator_is_read_up_to_its_first_end() {
        // Ends after `len` bytes, then starts again.
        let ends = |len: usize| {
            let mut n = 0;
            std::iter::from_fn(move || {
                n += 1;
                (n % (len + 1) != 0).then_some(n as u8)
            })
        };
        for len in [0, 1, 63, 64, 65, 127, 128, 129, 1000] {
            let expected: Vec<u8> = (1..=len).map(|n| n as u8).collect();
            assert_eq!(ByteBuf::from_iter(ends(len)), expected);
            let mut buf = ByteBuf::with_capacity(len);
            buf.extend(ends(len));
            assert_eq!(buf, expected);
        }
    }
}
