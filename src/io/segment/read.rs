//! Finding records again: for readers, and for the valid end after a crash.

use std::io;
use std::iter::FusedIterator;

use super::error::CorruptRecord;
use super::format::{self, FRAME};
use super::log::SegmentReader;
use crate::buf::ByteView;
use crate::io::scratch;
use crate::sys;

/// What is read at a time.
const WINDOW: usize = 64 * 1024;

/// A record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    position: u64,
    payload: ByteView,
}

impl Record {
    /// Where it stands in the segment.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What was appended. It shares memory with its neighbours; see
    /// [`ByteView::pinned`](crate::ByteView::pinned).
    pub fn payload(&self) -> &ByteView {
        &self.payload
    }

    /// As [`payload`](Self::payload), by value.
    pub fn into_payload(self) -> ByteView {
        self.payload
    }
}

/// The published records of a segment, each checked; made by
/// [`SegmentReader::records`](crate::SegmentReader::records).
///
/// It ends at what is published when it gets there, and after an error. Call `records` again with
/// [`position`](Self::position) to go on later.
///
/// # Cost
///
/// One read per 64 KiB, no copy per record.
#[derive(Debug)]
pub struct Records {
    reader: SegmentReader,
    position: u64,
    /// Bytes of the file from `position` on.
    window: ByteView,
    failed: bool,
}

impl Records {
    pub(super) fn new(reader: SegmentReader, position: u64) -> Records {
        Records { reader, position, window: ByteView::new(), failed: false }
    }

    /// The position of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The record at the position, if it is whole and valid.
    fn read(&mut self, end: u64) -> io::Result<Record> {
        let corrupt = CorruptRecord { position: self.position };
        self.need(FRAME, end)?;
        let frame = *self.window.first_chunk().ok_or(corrupt)?;
        let len = format::len_of(frame).ok_or(corrupt)?;
        self.need(FRAME + len, end)?;
        let payload = self.window.get(FRAME..FRAME + len).ok_or(corrupt)?;
        if !format::is_valid(frame, self.reader.epoch(), self.position, payload) {
            return Err(corrupt.into());
        }
        let payload = self.window.slice(FRAME..FRAME + len);
        let record = Record { position: self.position, payload };
        drop(self.window.split_to(FRAME + len));
        self.position += (FRAME + len) as u64;
        Ok(record)
    }

    /// Reads until the window holds `len` bytes, or all that there are before `end`.
    fn need(&mut self, len: usize, end: u64) -> io::Result<()> {
        let left = end.saturating_sub(self.position);
        if self.window.len() >= len || self.window.len() as u64 >= left {
            return Ok(());
        }
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(len.max(WINDOW));
        let mut bytes = scratch::block(want)?;
        while bytes.len() < want {
            let at = self.position + bytes.len() as u64;
            let most = want - bytes.len();
            let read =
                scratch::fill(&mut bytes, most, |room| sys::read_at(self.reader.file(), room, at))?;
            if read == 0 {
                break;
            }
        }
        self.window = bytes.freeze();
        Ok(())
    }
}

impl Iterator for Records {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        let end = self.reader.published();
        if self.failed || self.position == end {
            return None;
        }
        let record = self.read(end);
        self.failed = record.is_err();
        Some(record)
    }
}

impl FusedIterator for Records {}

/// The valid end of a segment whose whole file counts as published.
pub(super) fn valid_end(reader: &SegmentReader) -> io::Result<u64> {
    let mut records = reader.records(reader.start());
    for record in &mut records {
        match record {
            Err(e) if e.kind() != io::ErrorKind::InvalidData => return Err(e),
            _ => {}
        }
    }
    Ok(records.position())
}
