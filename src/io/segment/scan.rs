//! Finding the record at a position of a file, in a window of its bytes.

use std::fs::File;
use std::io;

use bytes::Buf;

use super::framing::{Framing, Parsed, Place};
use crate::buf::ByteView;
use crate::io::scratch;
use crate::sys;

/// The number of bytes read at a time.
const WINDOW: usize = 64 * 1024;

/// The kind of bytes at a position of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This many bytes at the front of the window are a record.
    Record(usize),
    /// This many bytes must be skipped.
    Filler(usize),
    Nothing,
}

/// A file in which records are found.
#[derive(Debug)]
pub(super) struct Log<'a, F> {
    pub(super) file: &'a File,
    pub(super) framing: &'a F,
    pub(super) epoch: u64,
}

/// The bytes of a file from a position on.
#[derive(Debug)]
pub(super) struct Window {
    position: u64,
    bytes: ByteView,
}

impl Window {
    pub(super) fn new(position: u64) -> Self {
        Self { position, bytes: ByteView::new() }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn bytes(&self) -> &ByteView {
        &self.bytes
    }

    /// Advances by `len` bytes, which may end behind the window.
    pub(super) fn skip(&mut self, len: usize) {
        self.bytes.advance(len.min(self.bytes.len()));
        self.position += len as u64;
    }

    /// Takes `len` bytes that are in the window.
    pub(super) fn take(&mut self, len: usize) -> ByteView {
        self.position += len as u64;
        self.bytes.split_to(len)
    }

    /// Reads until the window holds `len` bytes, or all bytes before `end`.
    pub(super) fn need(&mut self, file: &File, len: usize, end: u64) -> io::Result<()> {
        let left = end.saturating_sub(self.position);
        if self.bytes.len() >= len || self.bytes.len() as u64 >= left {
            return Ok(());
        }
        // Reads ahead behind the record, for the next records.
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(len.max(WINDOW));
        self.bytes = read_at(file, self.position, want)?;
        Ok(())
    }
}

/// Reads `len` bytes, or fewer at the end of the file.
pub(super) fn read_at(file: &File, position: u64, len: usize) -> io::Result<ByteView> {
    let mut bytes = scratch::block(len)?;
    while bytes.len() < len {
        let at = position + bytes.len() as u64;
        let most = len - bytes.len();
        if scratch::fill(&mut bytes, most, |spare| sys::read_at(file, spare, at))? == 0 {
            break;
        }
    }
    Ok(bytes.freeze())
}

impl<F: Framing> Log<'_, F> {
    /// Parses the front of the window. A record must end before or at `end`.
    pub(super) fn find(&self, window: &mut Window, end: u64) -> io::Result<Found> {
        let left = end.saturating_sub(window.position);
        loop {
            match self.parse(window.position, &window.bytes) {
                Parsed::Valid(len) if len as u64 <= left => return Ok(Found::Record(len)),
                Parsed::Filler(len) if len as u64 <= left => return Ok(Found::Filler(len)),
                Parsed::Incomplete(len) if len as u64 <= left => {
                    window.need(self.file, len, end)?;
                    if window.bytes.len() < len {
                        return Ok(Found::Nothing);
                    }
                }
                _ => return Ok(Found::Nothing),
            }
        }
    }

    /// Returns the result of the framing, or `Corrupt` if the result breaks the contract of
    /// [`Framing`].
    pub(super) fn parse(&self, position: u64, bytes: &[u8]) -> Parsed {
        let parsed = self.framing.parse(Place { epoch: self.epoch, position }, bytes);
        let may_be = match parsed {
            Parsed::Valid(len) => 0 < len && len <= bytes.len() && len <= self.framing.max_len(),
            Parsed::Filler(len) => 0 < len,
            Parsed::Incomplete(len) => bytes.len() < len && len <= self.framing.max_len(),
            Parsed::Corrupt => true,
        };
        if may_be { parsed } else { Parsed::Corrupt }
    }
}
