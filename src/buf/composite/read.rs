//! Reading a composite from its front: `Buf`, `Read`, `BufRead`.

use std::cmp::Ordering;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, TryGetError};

use super::CompositeByteBuf;
use crate::buf::range;

impl CompositeByteBuf {
    /// Fills `dst` with the first components, and returns their number. O(`dst.len()`).
    ///
    /// The length of `dst` is the maximum: make it no longer than the system call accepts.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSlice;
    ///
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["a", "b", "c"]);
    /// let mut slices = [IoSlice::new(&[]); 2];
    /// assert_eq!(parts.io_slices(&mut slices), 2);
    /// assert_eq!(&slices[1][..], b"b");
    /// ```
    #[doc(alias = "nioBuffers")]
    pub fn io_slices<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let pairs = dst.iter_mut().zip(self.chunks());
        pairs.map(|(slot, chunk)| *slot = IoSlice::new(chunk)).count()
    }

    /// Reads `N` bytes; if the front component has more, it alone is accessed.
    #[inline]
    fn try_get_array<const N: usize>(&mut self) -> Result<[u8; N], TryGetError> {
        match self.front.first_chunk() {
            Some(&bytes) if self.front.len() > N => {
                self.front.advance(N);
                Ok(bytes)
            }
            _ => self.try_get_across(),
        }
    }

    #[cold]
    fn try_get_across<const N: usize>(&mut self) -> Result<[u8; N], TryGetError> {
        let mut bytes = [0; N];
        self.try_copy_to_slice(&mut bytes)?;
        Ok(bytes)
    }

    /// Advances to the end of the front component, or further.
    #[cold]
    fn advance_across(&mut self, mut cnt: usize) {
        range::check_advance(cnt, self.len());
        while cnt > 0 && cnt >= self.front.len() {
            cnt -= self.front.len();
            self.front = self.rest.pop_front().unwrap_or_default();
        }
        self.front.advance(cnt);
    }
}

#[cold]
fn too_few(error: &TryGetError) -> ! {
    panic!("{error}")
}

/// Reads that are faster than the provided ones of `Buf`, which call `remaining`, `chunk` and `advance`.
macro_rules! typed_reads {
    ($($type:ident { $($from:ident $get:ident $try_get:ident),+ })+) => { $($(
        #[inline]
        fn $get(&mut self) -> $type {
            $type::$from(self.try_get_array().unwrap_or_else(|error| too_few(&error)))
        }

        #[inline]
        fn $try_get(&mut self) -> Result<$type, TryGetError> {
            self.try_get_array().map($type::$from)
        }
    )+)+ };
}

/// Reads move the front only; components that were read are dropped at once.
impl Buf for CompositeByteBuf {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        &self.front
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        self.io_slices(dst)
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        if cnt < self.front.len() {
            self.front.advance(cnt);
        } else {
            self.advance_across(cnt);
        }
    }

    /// Shares the bytes if they lie in one component, otherwise copies them once. Without memory for the copy, it panics
    /// and removes nothing.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        range::check_split("copy_to_bytes", len, self.len());
        match len.cmp(&self.front.len()) {
            Ordering::Less => self.front.split_to(len),
            Ordering::Equal => self.remove(0).unwrap_or_default(),
            Ordering::Greater => {
                let bytes = self.slice(..len).to_byte_view();
                self.advance(len);
                bytes
            }
        }
        .into()
    }

    typed_reads! {
        u8 { from_ne_bytes get_u8 try_get_u8 }
        i8 { from_ne_bytes get_i8 try_get_i8 }
        u16 { from_be_bytes get_u16 try_get_u16, from_le_bytes get_u16_le try_get_u16_le,
              from_ne_bytes get_u16_ne try_get_u16_ne }
        i16 { from_be_bytes get_i16 try_get_i16, from_le_bytes get_i16_le try_get_i16_le,
              from_ne_bytes get_i16_ne try_get_i16_ne }
        u32 { from_be_bytes get_u32 try_get_u32, from_le_bytes get_u32_le try_get_u32_le,
              from_ne_bytes get_u32_ne try_get_u32_ne }
        i32 { from_be_bytes get_i32 try_get_i32, from_le_bytes get_i32_le try_get_i32_le,
              from_ne_bytes get_i32_ne try_get_i32_ne }
        u64 { from_be_bytes get_u64 try_get_u64, from_le_bytes get_u64_le try_get_u64_le,
              from_ne_bytes get_u64_ne try_get_u64_ne }
        i64 { from_be_bytes get_i64 try_get_i64, from_le_bytes get_i64_le try_get_i64_le,
              from_ne_bytes get_i64_ne try_get_i64_ne }
        u128 { from_be_bytes get_u128 try_get_u128, from_le_bytes get_u128_le try_get_u128_le,
               from_ne_bytes get_u128_ne try_get_u128_ne }
        i128 { from_be_bytes get_i128 try_get_i128, from_le_bytes get_i128_le try_get_i128_le,
               from_ne_bytes get_i128_ne try_get_i128_ne }
    }

    fn try_copy_to_slice(&mut self, dst: &mut [u8]) -> Result<(), TryGetError> {
        if dst.len() > self.len() {
            return Err(TryGetError { requested: dst.len(), available: self.len() });
        }
        let mut at = 0;
        for chunk in self.chunks_in(..dst.len()) {
            dst[at..at + chunk.len()].copy_from_slice(chunk);
            at += chunk.len();
        }
        self.advance(at);
        Ok(())
    }
}

/// Never fails. Fills the slice, across components.
impl io::Read for CompositeByteBuf {
    fn read(&mut self, dst: &mut [u8]) -> io::Result<usize> {
        let len = dst.len().min(self.len());
        self.copy_to_slice(&mut dst[..len]);
        Ok(len)
    }

    fn read_to_end(&mut self, dst: &mut Vec<u8>) -> io::Result<usize> {
        let len = self.len();
        dst.try_reserve(len)?;
        self.chunks().for_each(|chunk| dst.extend_from_slice(chunk));
        self.clear();
        Ok(len)
    }
}

/// Never fails. The buffered bytes are those of the first component.
impl io::BufRead for CompositeByteBuf {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.front)
    }

    fn consume(&mut self, amount: usize) {
        self.advance(amount);
    }
}
