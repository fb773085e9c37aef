//! The log of one partition: segments in a directory, each named by the offset of its first record.
//!
//! `files.rs` creates and finds the files, `framing.rs` makes batches the records of a segment, `index.rs` finds them, `next.rs` is
//! a segment that is to be created, `presence.rs` finds files that are gone, `sealed.rs` is a full segment, `snapshot.rs` stores the
//! state of producers; `partition.rs` is shared by the connections, `topics.rs` has all
//! partitions; this file is the log itself, without locks.
//!
//! 1. Offsets have no gaps, within a segment and between segments.
//! 2. Batches go only to the last segment. A full segment never changes. It is synced before the next is created, or soon
//!    after if no request waits for syncs.
//! 3. Consumers see the log up to `visible`, which is the end of a batch in the last segment, or the start of that segment.
//! 4. A segment gets its name when it is complete, so every file with such a name is a segment, whenever the process was killed.
//! 5. Opening a log reads its last segment. An earlier segment is read and checked before a consumer sees any of it; if
//!    it is damaged, the log is out of service from then on.
//! 6. When a batch does not fit into the last segment, no batch is appended before the next segment exists: its file may exist
//!    already, and has the next offset in its name.
//! 7. The name of an empty file says which segment is the last, so that a log whose last segments were deleted is not opened.

mod files;
pub(crate) mod framing;
mod index;
mod next;
pub(crate) mod partition;
pub(crate) mod presence;
mod sealed;
mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod topics;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytebuf::{CorruptRecord, FileRegion, Peek, Segment, SegmentReader, SegmentSyncer};

use crate::api::code::Code;
use crate::batch::{self, Batch, HEAD};
use crate::output::warn;
use crate::producers::{Producers, Total, Verdict};
use files::{Found, find, mark_newest, path};
use framing::Batches;
use index::{Index, SPAN};
use next::{Last, Next};
use partition::SyncMode;
use presence::Expected;
use sealed::{Content, Sealed, Unread};

/// More than the bytes of a segment before its records.
const FRONT: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    /// The size of new segments.
    capacity: u64,
    mode: SyncMode,
    sealed: Vec<Sealed>,
    /// The last segment; `None` before the first batch.
    active: Option<Active>,
    producers: Producers,
    /// The offset of the next record.
    next: i64,
    /// The end of the last batch.
    written: End,
    visible: End,
}

#[derive(Debug)]
struct Active {
    base: i64,
    segment: Segment<Batches>,
    index: Index,
    is_full: bool,
    /// The least length of the file.
    reserved: u64,
}

/// The end of a batch: the offset behind it, and its position in the last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) offset: i64,
    position: u64,
}

/// A batch that is in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    /// The offset of the first record.
    pub(crate) base: i64,
    /// The offset behind all that has been appended.
    pub(crate) end: i64,
    pub(crate) batches: u64,
    /// Whether the batch was in the log already.
    pub(crate) duplicate: bool,
}

/// Why batches are not appended.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// The batch is in the log already, at this offset.
    Duplicate(i64),
    Invalid(Code),
}

impl Log {
    /// Opens the log in a directory. Reads the last segment, to find its end and its batches; and earlier
    /// segments, if there is no snapshot of the producers at its start.
    pub(crate) fn open(
        directory: &Path,
        capacity: u64,
        mode: SyncMode,
        total: &Total,
    ) -> io::Result<Self> {
        let mut log = Self {
            directory: directory.to_owned(),
            capacity,
            mode,
            sealed: Vec::new(),
            active: None,
            producers: Producers::new(total.clone()),
            next: 0,
            written: End { offset: 0, position: 0 },
            visible: End { offset: 0, position: 0 },
        };
        let Found { bases, newest } = find(directory)?;
        let last = bases.last().copied();
        if let Some(newest) = newest.filter(|newest| Some(*newest) > last) {
            let path = path(directory, newest);
            return Err(damaged(format!("the last segment is missing: {}", path.display())));
        }
        if let Some(&first @ 1..) = bases.first() {
            let message = format!("{}: the log begins at {first}", directory.display());
            return Err(damaged(message));
        }
        let known =
            |n: &usize| snapshot::read(directory, bases[*n], total).map(|state| (*n, state));
        let Some((unread, producers)) = (0..bases.len()).rev().find_map(|n| known(&n)) else {
            return Ok(log);
        };
        (log.next, log.producers) = (bases[unread], producers);
        log.sealed = bases[..unread].iter().map(|&base| Sealed { base, content: None }).collect();
        for &base in &bases[unread..] {
            let path = path(directory, base);
            log.open_segment(base, &path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        }
        log.show_all();
        // The broker may have been killed before the last segment was marked.
        if let Some(last) = last.filter(|last| newest != Some(*last)) {
            mark_newest(directory, last, newest)?;
        }
        Ok(log)
    }

    fn open_segment(&mut self, base: i64, path: &Path) -> io::Result<()> {
        if base != self.next {
            return Err(damaged(format!("the log before it ends at offset {}", self.next)));
        }
        let mut segment = Segment::open_with(path, Batches)?;
        // Consumers may see batches that were written but not synced before a crash, so these are synced now.
        segment.flush()?;
        let producers = &mut self.producers;
        let (index, next) = sealed::read(&segment, base, |batch, offset| {
            producers.appended(batch, offset);
        })?;
        self.next = next;
        drop(self.seal());
        self.written = End { offset: self.next, position: segment.end() };
        let reserved = segment.end();
        self.active = Some(Active { base, segment, index, is_full: false, reserved });
        Ok(())
    }

    /// Checks the batches of a partition, writes their offsets into them, and appends all by one system call and without a
    /// copy, or none. `None` if that takes a [further segment](Self::next_segment).
    pub(crate) fn append(&mut self, batches: &mut [u8]) -> Result<Option<Appended>, Code> {
        let parsed = match self.judge(batches) {
            Ok(parsed) => parsed,
            // A damaged head may look like a duplicate, or like anything that a producer must not send again.
            Err(_) if batch::is_damaged(batches) => return Err(Code::CORRUPT_MESSAGE),
            Err(Refused::Duplicate(base)) => {
                let known = Appended { base, end: self.next, batches: 1, duplicate: true };
                return Ok(Some(known));
            }
            Err(Refused::Invalid(code)) => return Err(code),
        };
        let length = batches.len() as u64;
        let has_space = |active: &&mut Active| {
            !active.is_full && active.segment.capacity() - active.segment.end() >= length
        };
        let Some(active) = self.active.as_mut().filter(has_space) else {
            if batch::is_damaged(batches) {
                return Err(Code::CORRUPT_MESSAGE);
            }
            self.active.iter_mut().for_each(|active| active.is_full = true);
            return Ok(None);
        };
        // This verifies the checksums.
        let published = active.segment.publish_framed(batches);
        let position = published.map_err(|error| {
            if is_a::<CorruptRecord>(&error) {
                return Code::CORRUPT_MESSAGE;
            }
            warn(format_args!("cannot append to {}: {error}", self.directory.display()));
            Code::KAFKA_STORAGE_ERROR
        })?;
        active.reserved = active.segment.capacity();
        let base = self.next;
        for (at, batch) in &parsed {
            active.index.push(batch.base_offset, position + at, batch.max_timestamp);
            self.next += i64::from(batch.records);
            self.producers.appended(batch, batch.base_offset);
        }
        self.written = End { offset: self.next, position: position + length };
        let batches = parsed.len() as u64;
        Ok(Some(Appended { base, end: self.next, batches, duplicate: false }))
    }

    /// Checks batches, except for their checksums, and writes their offsets into them. Returns the position of each among
    /// them.
    fn judge(&self, batches: &mut [u8]) -> Result<Vec<(u64, Batch)>, Refused> {
        let invalid = Refused::Invalid(Code::INVALID_RECORD);
        let mut parsed = Vec::new();
        let (mut at, mut next) = (0, self.next);
        while at < batches.len() {
            let found = batch::head(&batches[at..]).map_err(|e| Refused::Invalid(e.code()))?;
            match self.producers.judge(&found) {
                Verdict::Append => {}
                // An idempotent producer sends one batch for each partition, so no part of a request is a duplicate.
                _ if found.length < batches.len() => return Err(invalid),
                Verdict::Refuse(code) => return Err(Refused::Invalid(code)),
                Verdict::Duplicate(base) => return Err(Refused::Duplicate(base)),
            }
            let batch = &mut batches[at..at + found.length];
            batch::place(batch, next, crate::api::metadata::LEADER_EPOCH);
            parsed.push((at as u64, Batch { base_offset: next, ..found }));
            next = next.checked_add(found.records.into()).ok_or(invalid)?;
            at += found.length;
        }
        let is_idempotent = parsed.iter().any(|(_, batch)| batch.producer.is_some());
        if parsed.is_empty() || parsed.len() > 1 && is_idempotent {
            return Err(invalid);
        }
        Ok(parsed)
    }

    /// What creates a segment with space for so many bytes, if the last segment is full.
    pub(crate) fn next_segment(&self, needed: usize) -> Option<Next> {
        if self.active.as_ref().is_some_and(|active| !active.is_full) {
            return None;
        }
        let last = self.active.as_ref().map(|Active { base, segment, .. }| Last {
            base: *base,
            syncer: (self.mode == SyncMode::Batch).then(|| segment.syncer()),
        });
        Some(Next {
            directory: self.directory.clone(),
            base: self.next,
            capacity: self.capacity.max(needed as u64 + FRONT),
            producers: self.producers.encode(),
            last,
            old_snapshot: self.sealed.last().map(|sealed| sealed.base),
        })
    }

    /// Takes the [next segment](Self::next_segment). Returns the writer of the full one, which has been synced if requests wait
    /// for syncs, and is to be trimmed.
    pub(crate) fn begin(&mut self, segment: Segment<Batches>) -> Option<Segment<Batches>> {
        let full = self.seal();
        self.written = End { offset: self.next, position: segment.end() };
        self.visible = self.written;
        let (index, reserved) = (Index::default(), segment.end());
        self.active = Some(Active { base: self.next, segment, index, is_full: false, reserved });
        full
    }

    fn seal(&mut self) -> Option<Segment<Batches>> {
        let Active { base, segment, index, .. } = self.active.take()?;
        let content = Some(Content { reader: segment.reader(), index });
        self.sealed.push(Sealed { base, content });
        Some(segment)
    }

    /// The files of all segments.
    pub(crate) fn files(&self) -> Vec<Expected> {
        let sealed = self.sealed.iter().map(|Sealed { base, content }| {
            let path = path(&self.directory, *base);
            match content {
                Some(Content { reader, .. }) => Expected::open(path, reader, reader.published()),
                None => Expected::closed(path),
            }
        });
        let active = self.active.iter().map(|Active { base, segment, reserved, .. }| {
            Expected::open(path(&self.directory, *base), segment, *reserved)
        });
        sealed.chain(active).collect()
    }

    /// Returns the offset after the last record.
    pub(crate) fn end(&self) -> i64 {
        self.next
    }

    /// The offset up to which consumers see the log.
    pub(crate) fn visible(&self) -> i64 {
        self.visible.offset
    }

    pub(crate) fn show_all(&mut self) {
        self.visible = self.written;
    }

    /// Returns a syncer for all written batches, and their end for [`synced`](Self::synced).
    pub(crate) fn to_sync(&self) -> Option<(SegmentSyncer<Batches>, End)> {
        self.active.as_ref().map(|active| (active.segment.syncer(), self.written))
    }

    /// Lets consumers see what has been synced.
    pub(crate) fn synced(&mut self, end: End) {
        // If a later segment exists by now, this one was synced before its creation.
        if end.offset > self.visible.offset {
            self.visible = end;
        }
    }

    /// The segment that holds an offset, if it has to be read before [`fetch`](Self::fetch).
    pub(crate) fn unread(&self, offset: i64) -> Option<Unread> {
        let n = self.sealed.partition_point(|sealed| sealed.base <= offset).checked_sub(1)?;
        let active = self.active.as_ref()?.base;
        let end = self.sealed.get(n + 1).map_or(active, |next| next.base);
        let is_unread = self.sealed[n].content.is_none() && offset < end;
        is_unread.then(|| Unread::new(&self.directory, self.sealed[n].base, end))
    }

    /// Takes what was read of an [`unread`](Self::unread) segment.
    pub(crate) fn has_read(&mut self, base: i64, content: Content) {
        if let Ok(n) = self.sealed.binary_search_by_key(&base, |sealed| sealed.base) {
            self.sealed[n].content = Some(content);
        }
    }

    /// The visible batches from the one that holds `offset` on, of one segment: of at most `max`
    /// bytes, or the first of them. None at the end. Reads 4 KiB of the file for an offset between two entries of the index.
    pub(crate) fn fetch(&self, offset: i64, max: u64) -> io::Result<Option<FileRegion>> {
        if offset >= self.visible.offset {
            return Ok(None);
        }
        let after = self.sealed.partition_point(|sealed| sealed.base <= offset);
        let (index, end, reader) = match &self.active {
            Some(active) if offset >= active.base => {
                (&active.index, self.visible.position, &*active.segment)
            }
            _ => {
                let Some(sealed) = after.checked_sub(1).map(|n| &self.sealed[n]) else {
                    return Ok(None);
                };
                let Some(Content { reader, index }) = &sealed.content else {
                    return Err(io::Error::other("a segment that could not be read"));
                };
                (index, reader.published(), reader)
            }
        };
        let mut range = index.range(offset, max, end);
        if index.is_within_a_span(offset) {
            range.start = start_of_batch(reader, range.clone(), offset)?;
        }
        reader.region(range).map(Some)
    }

    /// The offset and the latest time of the first batch with a record of this time or later; or a segment
    /// that has to be read first.
    pub(crate) fn at_time(&self, timestamp: i64) -> io::Result<Result<Option<(i64, i64)>, Unread>> {
        for sealed in &self.sealed {
            let Some(Content { reader, index }) = &sealed.content else {
                return Ok(self.unread(sealed.base).map_or(Ok(None), Err));
            };
            if let Some(found) = self.at_time_in(reader, index, timestamp)? {
                return Ok(Ok(Some(found)));
            }
        }
        let Some(Active { segment, index, .. }) = &self.active else { return Ok(Ok(None)) };
        self.at_time_in(segment, index, timestamp).map(Ok)
    }

    fn at_time_in(
        &self,
        reader: &SegmentReader<Batches>,
        index: &Index,
        timestamp: i64,
    ) -> io::Result<Option<(i64, i64)>> {
        let Some(position) = index.at_time(timestamp) else { return Ok(None) };
        for record in reader.records(position) {
            let found = batch::parse(record?.payload()).map_err(|e| damaged(e.to_string()))?;
            if found.base_offset >= self.visible.offset {
                return Ok(None);
            }
            if found.max_timestamp >= timestamp {
                return Ok(Some((found.base_offset, found.max_timestamp)));
            }
        }
        Ok(None)
    }
}

/// Returns the position of the batch that holds `offset`, by the heads of the batches that start within a span. aiokafka takes
/// records in front of `offset` for new ones if a batch in front of it is whole.
fn start_of_batch(
    reader: &SegmentReader<Batches>,
    Range { start, end }: Range<u64>,
    offset: i64,
) -> io::Result<u64> {
    let heads = reader.region(start..end.min(start + SPAN + HEAD as u64))?.read_all()?;
    let (mut found, mut next) = (0, 0);
    while let Some(head) = heads.get(next..)
        && head.peek_i64(0).is_some_and(|base| base <= offset)
        && let Some(length) = batch::length(head)
    {
        found = next;
        next += length;
    }
    Ok(start + found as u64)
}

fn damaged(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Returns whether the error is of this type of the crate, and not of the disk.
fn is_a<E: std::error::Error + 'static>(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<E>())
}
