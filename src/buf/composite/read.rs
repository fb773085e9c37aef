//! Reading a composite from its front: `Buf`, `Read`, `BufRead`.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, TryGetError};

use super::CompositeByteBuf;
use crate::buf::ByteView;

impl CompositeByteBuf {
    /// Fills `dst` with the components, first to last, and returns how many it took.
    ///
    /// `dst` decides how many there can be: give no more than the system call takes.
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

    /// `advance` to the end of the front component, or further.
    #[cold]
    fn advance_across(&mut self, mut cnt: usize) {
        self.range(..cnt);
        while cnt > 0 && cnt >= self.front.len() {
            cnt -= self.front.len();
            self.front = self.rest.pop_front().unwrap_or_default();
        }
        self.front.advance(cnt);
    }
}

/// Reads move the front only; components that were read are let go at once.
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

    /// Shares the bytes where they lie in one component, else copies them once.
    #[allow(clippy::useless_conversion, reason = "interim: a view is a `Bytes`")]
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.range(..len);
        if len < self.front.len() {
            return self.front.split_to(len).into();
        }
        ByteView::from(self.split_to(len)).into()
    }

    fn try_copy_to_slice(&mut self, dst: &mut [u8]) -> Result<(), TryGetError> {
        if dst.len() > self.len() {
            return Err(TryGetError { requested: dst.len(), available: self.len() });
        }
        let mut at = 0;
        for chunk in self.chunks_in(0, dst.len()) {
            dst[at..at + chunk.len()].copy_from_slice(chunk);
            at += chunk.len();
        }
        self.advance(at);
        Ok(())
    }
}

/// Never fails. Reads as much as there is room for, across components.
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
