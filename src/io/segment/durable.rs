//! The durable end, and the header that stores it.
//!
//! * **SD1** One sync runs at a time. It covers the records that were published before it began.
//! * **SD2** After a failed sync every further sync fails: the kernel may have dropped the pages, and a second sync
//!   would not report it.
//! * **SD3** Records that opening found behind the durable end are rewritten before they are synced: after a failed
//!   sync of another process they can be only in memory, and no sync would write them.
//! * **SD4** Each call checks the file after the sync (SE1) and reports nothing durable if it is lost.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::extent::Extent;
use super::format::Header;
use super::published::Published;
use super::scan::read_at;
use crate::sync::{Mutex, lock};
use crate::sys;

#[derive(Debug)]
pub(super) struct Durability {
    durable: Published,
    pub(super) extent: Extent,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The header in the file.
    header: Header,
    /// The range to rewrite (SD3).
    again: Range<u64>,
    has_failed: bool,
}

impl Durability {
    /// Creates the state of an opened segment with records up to `end`.
    pub(super) fn new(header: Header, end: u64) -> Self {
        let again = header.durable..end;
        let state = Mutex::new(State { header, again, has_failed: false });
        Self { durable: Published::new(header.durable), extent: Extent::new(end), state }
    }

    pub(super) fn get(&self) -> u64 {
        self.durable.get()
    }

    /// Makes the bytes before `end`, which are in the file, durable. Returns the durable end.
    pub(super) fn sync(&self, file: &File, end: u64) -> io::Result<u64> {
        if self.durable.get() < end {
            let mut state = lock(&self.state);
            if self.durable.get() < end {
                let synced = write_again(file, &mut state.again).and_then(|()| state.sync(file));
                // Comes first: a lost file can be the reason that the sync failed.
                self.extent.check(file)?;
                synced?;
                self.durable.set(end);
                state.header.durable = end;
                // The records are durable even if this fails, but damage to them would then be mistaken for the
                // effect of a crash.
                let _ = state.write_header(file);
                return Ok(end);
            }
        }
        self.extent.check(file)?;
        Ok(self.durable.get())
    }

    /// Syncs the removal of stale bytes behind the records.
    pub(super) fn sync_cleared(&self, file: &File) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.sync(file)?;
        state.header.is_recycled = false;
        Ok(())
    }
}

impl State {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("an earlier sync of the segment failed"));
        }
        self.has_failed = true;
        sys::sync_data(file)?;
        self.has_failed = false;
        Ok(())
    }

    fn write_header(&mut self, file: &File) -> io::Result<()> {
        let next = Header { sequence: self.header.sequence + 1, ..self.header };
        write_all_at(file, &next.encode(), next.offset())?;
        self.header = next;
        Ok(())
    }
}

/// Rewrites a range of a file with its own bytes.
fn write_again(file: &File, range: &mut Range<u64>) -> io::Result<()> {
    const PIECE: u64 = 256 * 1024;
    while !range.is_empty() {
        let bytes = read_at(file, range.start, PIECE.min(range.end - range.start) as usize)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(file, &bytes, range.start)?;
        range.start += bytes.len() as u64;
    }
    Ok(())
}

pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = sys::write_at(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Overwrites the part of the range that is in the file with zeros. After an error, `range` is the rest.
pub(super) fn clear(file: &File, range: &mut Range<u64>) -> io::Result<()> {
    range.end = range.end.min(sys::len_of(file)?);
    sys::fill_range_with_zeros(file, range)
}
