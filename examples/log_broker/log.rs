//! The log: segments in a directory, each named by the offset at which it begins.
//!
//! 1. Offsets count the bytes of all segments from the first on: a record's is the base of its
//!    segment and its position in there, and the base of a segment is the end of the one before.
//! 2. Records go to the last segment only; one that is full has been synced before the next is
//!    made.
//! 3. A segment gets its name when it is whole, so every file of such a name is one, whenever the
//!    process was killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytebuf::{FileRegion, Segment, SegmentFull, SegmentReader};

#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    capacity: u64,
    /// The full segments, by ascending base.
    full: Vec<(u64, SegmentReader)>,
    base: u64,
    last: Segment,
}

impl Log {
    /// Opens the log in a directory, or begins one there. Reads all of it once, to find its end.
    pub(crate) fn open(directory: &Path, capacity: u64) -> io::Result<Log> {
        fs::create_dir_all(directory)?;
        let mut bases = bases(directory)?;
        let last = bases.pop();
        let mut full = Vec::with_capacity(bases.len());
        let mut end = 0;
        for base in bases {
            continues(base, end)?;
            let segment = Segment::open(path(directory, base))?;
            end = base + segment.end();
            full.push((base, segment.reader()));
        }
        let last = match last {
            Some(base) => {
                continues(base, end)?;
                let mut last = Segment::open(path(directory, base))?;
                // What is there counts as safe from here on.
                last.flush()?;
                last
            }
            None => create(directory, 0, capacity)?,
        };
        Ok(Log { directory: directory.to_owned(), capacity, full, base: end, last })
    }

    /// Appends a record and gives its offset. It is safe once it has been flushed.
    pub(crate) fn append(&mut self, record: &[u8]) -> io::Result<u64> {
        let position = match self.last.append(record) {
            Err(error) if is_full(&error) && self.last.end() > self.last.start() => {
                self.begin_segment()?;
                self.last.append(record)
            }
            other => other,
        };
        Ok(self.base + position?)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let base = self.flush()?;
        let full = std::mem::replace(&mut self.last, create(&self.directory, base, self.capacity)?);
        self.full.push((self.base, full.reader()));
        self.base = base;
        Ok(())
    }

    /// Syncs what was appended, and gives the end of it.
    pub(crate) fn flush(&mut self) -> io::Result<u64> {
        Ok(self.base + self.last.flush()?)
    }

    /// The offset of the next record.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.last.end()
    }

    pub(crate) fn segments(&self) -> usize {
        self.full.len() + 1
    }

    /// Up to `most` bytes of records from `offset` on, all in one segment and before `end`, and
    /// the offset of the first of them, which is greater than `offset` if that is where a segment
    /// ends.
    pub(crate) fn fetch(&self, offset: u64, most: u64, end: u64) -> io::Result<(u64, FileRegion)> {
        let (base, reader) = if offset >= self.base {
            (self.base, &*self.last)
        } else {
            let next = self.full.partition_point(|(base, _)| *base <= offset);
            // The first base is 0, so that at least one is not greater.
            let (base, reader) = &self.full[next - 1];
            (*base, reader)
        };
        let end = reader.published().min(end.saturating_sub(base));
        let start = (offset - base).max(reader.start()).min(end);
        let region = reader.region(start..end.min(start.saturating_add(most)))?;
        Ok((base + start, region))
    }
}

/// Whether the segment has no room, as opposed to the disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<SegmentFull>())
}

fn path(directory: &Path, base: u64) -> PathBuf {
    directory.join(format!("{base:020}.log"))
}

/// The bases of the segments in a directory, in order. What is left of one that was being made
/// is removed.
fn bases(directory: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some((base, end)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        match (base.parse(), end) {
            (Ok(base), "log") => bases.push(base),
            (Ok(_), "new") => fs::remove_file(directory.join(name))?,
            _ => {}
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

fn continues(base: u64, end: u64) -> io::Result<()> {
    if base == end {
        return Ok(());
    }
    let message = format!("a segment begins at {base}, where the one before it ends at {end}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

fn create(directory: &Path, base: u64, capacity: u64) -> io::Result<Segment> {
    let path = path(directory, base);
    let unfinished = path.with_extension("new");
    let segment = Segment::create(&unfinished, capacity)?;
    fs::rename(unfinished, path)?;
    File::open(directory)?.sync_all()?;
    Ok(segment)
}
