//! A full segment, which is read at the first request for it.

use std::io;
use std::path::{Path, PathBuf};

use bytebuf::{CorruptRecord, Record, Segment, SegmentReader};

use super::files::path;
use super::framing::Batches;
use super::index::Index;
use super::{damaged, is_a};
use crate::batch::{self, Batch};

#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) base: i64,
    /// `None` until the segment has been read. Consumers never see a damaged segment.
    pub(super) content: Option<Content>,
}

/// A segment that has been read and is valid.
#[derive(Debug)]
pub(crate) struct Content {
    pub(super) reader: SegmentReader<Batches>,
    pub(super) index: Index,
}

/// A segment that has to be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) base: i64,
    /// The base of the next segment.
    end: i64,
    path: PathBuf,
}

impl Unread {
    pub(super) fn new(directory: &Path, base: i64, end: i64) -> Self {
        Self { base, end, path: path(directory, base) }
    }

    /// Reads and checks all batches. Blocks on the disk.
    pub(crate) fn read(&self) -> io::Result<Content> {
        let context = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        };
        self.read_durable().map_err(context)
    }

    fn read_durable(&self) -> io::Result<Content> {
        let reader = SegmentReader::open_durable(&self.path, Batches)?;
        let (index, end) = read(&reader, self.base, |_, _| {})?;
        if end == self.end {
            return Ok(Content { reader, index });
        }
        drop(reader);
        // The broker was killed before it had synced the whole segment.
        let mut segment = Segment::open_with(&self.path, Batches)?;
        segment.flush()?;
        let (index, end) = read(&segment, self.base, |_, _| {})?;
        match end == self.end {
            true => Ok(Content { reader: segment.reader(), index }),
            false => Err(damaged(format!("damaged: it ends at offset {end}, not {}", self.end))),
        }
    }
}

/// Reads the batches of a segment whose first record has the offset `base`; returns their index, and the
/// offset behind them.
pub(super) fn read(
    reader: &SegmentReader<Batches>,
    base: i64,
    mut found: impl FnMut(&Batch, i64),
) -> io::Result<(Index, i64)> {
    let (mut index, mut next) = (Index::default(), base);
    for record in reader.records(reader.start()) {
        let record: Record = record.map_err(|error| match is_a::<CorruptRecord>(&error) {
            true => damaged(format!("damaged: {error}")),
            false => error,
        })?;
        let batch = batch::parse(record.payload()).map_err(|error| damaged(error.to_string()))?;
        if batch.base_offset != next {
            let offset = batch.base_offset;
            return Err(damaged(format!("damaged: a batch of offset {offset} at offset {next}")));
        }
        index.push(next, record.position(), batch.max_timestamp);
        found(&batch, next);
        next += i64::from(batch.records);
    }
    Ok((index, next))
}
