//! Opening a segment to append to it, to read it, or to repair it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use super::append::Segment;
use super::create::lock;
use super::durable::write_all_at;
use super::error::SegmentDamaged;
use super::format::{self, Header, START};
use super::framing::{Checksummed, Framing, Parsed, Place};
use super::read::SegmentReader;
use super::recover::{self, Recovered, Scan};
use super::scan::{Log, read_at};
use crate::sys;

/// The method by which [`Segment::repair`] removes damage.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Repair, Segment};
/// use std::os::unix::fs::FileExt;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// segment.append(b"first")?;
/// let second = segment.append(b"second")?;
/// segment.append(b"third")?;
/// segment.flush()?;
/// drop(segment);
/// std::fs::File::options().write(true).open(&path)?.write_all_at(b"?", second + 8)?;
///
/// let segment = Segment::repair(&path, Repair::CutOff)?; // `Skip` would keep the third
/// assert_eq!(segment.records(segment.start()).count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repair {
    /// Skips each damaged range: overwrites its first bytes with a filler that covers it. All other records keep
    /// their positions.
    Skip,
    /// Ends the log in front of the first damage. The next append destroys the records behind it.
    CutOff,
}

impl Segment<Checksummed> {
    /// Opens a segment and finds its end.
    ///
    /// The file does not change. [`recovered`](SegmentReader::recovered) returns the findings. The first append
    /// clears the bytes that a crash left behind the end. The segment may have records that were appended before a
    /// crash and not flushed: [`durable`](SegmentReader::durable) returns the durable end, and
    /// [`flush`](Self::flush) makes the others durable.
    ///
    /// The file may be shorter or longer than the capacity, for example after copying it. If it ends before the
    /// durable end, it is damaged.
    ///
    /// The file has two copies of the header, and each flush writes one of them. If another program destroys one
    /// copy, the other one is used. It may be that of the previous flush: records that only the last flush made
    /// durable then count as published. Damage to those cannot be distinguished from the effect of a crash.
    ///
    /// # Errors
    ///
    /// Those of opening and reading a file; [`SegmentDamaged`](crate::SegmentDamaged) (as the source) if records
    /// that were durable are no longer valid, or the file ends before the durable end;
    /// [`SegmentFormatError`](crate::SegmentFormatError) (as the source) if it is not a segment of this framing;
    /// [`io::ErrorKind::ResourceBusy`] if the writer of the segment, or a reader or region of that writer, still
    /// exists in this process or another.
    ///
    /// # Cost
    ///
    /// Reads all of the file once, except for holes: disk space that is allocated and was never used is not read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, Checksummed)
    }

    /// Repairs a damaged segment and opens it.
    ///
    /// [`recovered`](SegmentReader::recovered) returns the first damaged range. Keep a copy of the file if the
    /// damaged bytes may be useful.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Repair, Segment, SegmentDamaged};
    /// use std::os::unix::fs::FileExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut segment = Segment::create(&path, 1 << 20)?;
    /// let first = segment.append(b"first")?;
    /// segment.append(b"second")?;
    /// segment.flush()?;
    /// drop(segment);
    /// std::fs::File::options().write(true).open(&path)?.write_all_at(b"!", first + 8)?;
    ///
    /// let error = Segment::open(&path).unwrap_err();
    /// let damaged: &SegmentDamaged = error.get_ref().unwrap().downcast_ref().unwrap();
    /// assert_eq!((damaged.offset(), damaged.length()), (first, 13));
    ///
    /// let segment = Segment::repair(&path, Repair::Skip)?;
    /// let mut records = segment.records(segment.start());
    /// assert_eq!(&records.next().unwrap()?.payload()[..], b"second");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) except damage, and those of writing and syncing a file. Another call continues
    /// the repair.
    ///
    /// # Cost
    ///
    /// Reads the file twice, and a third time to skip damage, except for holes; writes a few bytes per damaged
    /// range, and the header; syncs.
    pub fn repair(path: impl AsRef<Path>, how: Repair) -> io::Result<Self> {
        Self::repair_with(path, Checksummed, how)
    }
}

impl<F: Framing> Segment<F> {
    /// Opens a segment, as [`open`](Segment::open) does, with records of the given framing.
    ///
    /// # Errors
    ///
    /// As [`open`](Segment::open).
    ///
    /// # Cost
    ///
    /// As [`open`](Segment::open).
    pub fn open_with(path: impl AsRef<Path>, framing: F) -> io::Result<Self> {
        let (file, header) = open_locked::<F>(path.as_ref())?;
        let (reader, scan) = read_with(file, framing, header)?;
        match scan.recovered.damaged {
            Some(damaged) => Err(damaged.into()),
            None => Self::new(reader, scan.stale),
        }
    }

    /// Repairs a segment, as [`repair`](Segment::repair) does, with records of the given framing.
    ///
    /// # Errors
    ///
    /// As [`repair`](Segment::repair); [`io::ErrorKind::Unsupported`] for [`Repair::Skip`] if the framing has no
    /// [filler](Framing::filler).
    ///
    /// # Cost
    ///
    /// As [`repair`](Segment::repair).
    pub fn repair_with(path: impl AsRef<Path>, framing: F, how: Repair) -> io::Result<Self> {
        let (file, mut header) = open_locked::<F>(path.as_ref())?;
        let log = Log { file: &file, framing: &framing, epoch: header.epoch };
        let found = scan(&log, &header)?.recovered.damaged;
        if let Some(damaged) = found {
            let len = sys::len_of(&file)?;
            match how {
                Repair::Skip => {
                    recover::walk(&log, &header, len, |damaged| fill(&log, damaged))?;
                }
                // The bytes behind the damage then count as left by a crash.
                Repair::CutOff => header.durable = damaged.offset.max(START),
            }
            if len < header.durable {
                sys::set_len(&file, header.durable)?;
            }
            // Write the other copy of the header, which may be the damaged one.
            header.sequence += 1;
            write_all_at(&file, &header.encode(), header.offset())?;
        }
        sys::sync_data(&file)?;
        let Scan { mut recovered, stale } = scan(&log, &header)?;
        if let Some(damaged) = recovered.damaged {
            return Err(damaged.into());
        }
        recovered.damaged = found;
        Self::new(SegmentReader::new(file, framing, header, recovered), stale)
    }
}

impl SegmentReader<Checksummed> {
    /// Opens a segment for reading: without write permission, without a lock, and without changing the file.
    ///
    /// A writer may append at the same time, in this process or another. The reader sees the records that are
    /// complete in the file now, also records that are not durable, which a crash may lose:
    /// [`durable`](Self::durable) returns the durable end. Open another reader to see later records. If the segment
    /// is recycled in the meantime, reads fail.
    ///
    /// Damage to records is not an error here. [`recovered`](Self::recovered) returns its position, and reading a
    /// record there fails. [`next_valid`](Self::next_valid) finds the next valid record.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Segment, SegmentReader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut writer = Segment::create(&path, 1 << 20)?;
    /// writer.append(b"record")?;
    /// writer.publish()?;
    ///
    /// let reader = SegmentReader::open(&path)?; // in another process, say
    /// assert_eq!(reader.records(reader.start()).count(), 1);
    /// assert_eq!(reader.durable(), reader.start());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of opening and reading a file; [`SegmentFormatError`](crate::SegmentFormatError) (as the source) if it
    /// is not a segment of this framing; [`SegmentDamaged`] (as the source) if the file ends before the position of
    /// the first record.
    ///
    /// # Cost
    ///
    /// Reads all of the file once, except for holes: disk space that is allocated and was never used is not read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, Checksummed)
    }
}

impl<F: Framing> SegmentReader<F> {
    /// Opens a segment for reading, as [`open`](SegmentReader::open) does, with records of the given framing.
    ///
    /// # Errors
    ///
    /// As [`open`](SegmentReader::open).
    ///
    /// # Cost
    ///
    /// As [`open`](SegmentReader::open).
    pub fn open_with(path: impl AsRef<Path>, framing: F) -> io::Result<Self> {
        let (file, _) = sys::open_regular(File::options().read(true), path.as_ref())?;
        let header = read_header::<F>(&file)?;
        let (reader, _) = read_with(file, framing, header)?;
        match reader.recovered().damaged {
            Some(damaged) if damaged.offset < START => Err(damaged.into()),
            _ => Ok(reader),
        }
    }
}

impl<F: Framing> SegmentReader<F> {
    /// Opens a segment for reading its durable records, without reading them now.
    ///
    /// The durable end is taken from the header, so that a log of many segments opens quickly. All records of a
    /// segment that was [closed](Segment::close) or [trimmed](Segment::trim) are durable. The reader does not see
    /// published records that are not durable. [`records`](Self::records) checks each record when it reads it; a
    /// [`region`](Self::region) is sent unchecked.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Checksummed, Segment, SegmentReader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut segment = Segment::create(&path, 1 << 20)?;
    /// segment.append(b"durable")?;
    /// let end = segment.flush()?;
    /// segment.append(b"published")?;
    /// segment.publish()?;
    ///
    /// let reader = SegmentReader::open_durable(&path, Checksummed)?;
    /// assert_eq!((reader.published(), reader.records(reader.start()).count()), (end, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of opening and reading a file; [`SegmentFormatError`](crate::SegmentFormatError) (as the source) if it
    /// is not a segment of this framing; [`SegmentDamaged`] (as the source) if the file ends before the durable
    /// end.
    ///
    /// # Cost
    ///
    /// Five system calls, of which one reads the header.
    pub fn open_durable(path: impl AsRef<Path>, framing: F) -> io::Result<Self> {
        let (file, _) = sys::open_regular(File::options().read(true), path.as_ref())?;
        let header = read_header::<F>(&file)?;
        let len = sys::len_of(&file)?;
        if len < header.durable {
            return Err(SegmentDamaged { offset: len, length: header.durable - len }.into());
        }
        let recovered = Recovered { end: header.durable, ..Recovered::empty() };
        Ok(Self::new(file, framing, header, recovered))
    }
}

fn open_locked<F: Framing>(path: &Path) -> io::Result<(File, Header)> {
    let (file, _) = sys::open_regular(File::options().read(true).write(true), path)?;
    lock(&file)?;
    let header = read_header::<F>(&file)?;
    Ok((file, header))
}

fn read_header<F: Framing>(file: &File) -> io::Result<Header> {
    let front = read_at(file, 0, START as usize)?;
    // Read again after an error: a writer may have written both copies of the header during the first read.
    let again = || format::header_of(&read_at(file, 0, START as usize).ok()?, F::NAME).ok();
    Ok(format::header_of(&front, F::NAME).or_else(|e| again().ok_or(e))?)
}

fn scan<F: Framing>(log: &Log<'_, F>, header: &Header) -> io::Result<Scan> {
    recover::scan(log, header, sys::len_of(log.file)?)
}

fn read_with<F: Framing>(
    file: File,
    framing: F,
    header: Header,
) -> io::Result<(SegmentReader<F>, Scan)> {
    let found = scan(&Log { file: &file, framing: &framing, epoch: header.epoch }, &header)?;
    Ok((SegmentReader::new(file, framing, header, found.recovered.clone()), found))
}

/// Overwrites a damaged range with fillers.
fn fill<F: Framing>(log: &Log<'_, F>, mut damaged: Range<u64>) -> io::Result<()> {
    while !damaged.is_empty() {
        let place = Place { epoch: log.epoch, position: damaged.start };
        let len = damaged.end - damaged.start;
        let filler = log.framing.filler(place, len).ok_or_else(|| {
            let message = format!("{:?} has no filler for {len} bytes", log.framing);
            io::Error::new(io::ErrorKind::Unsupported, message)
        })?;
        let covered = match log.parse(damaged.start, &filler) {
            Parsed::Filler(covered) if covered as u64 <= len && filler.len() <= covered => covered,
            _ => {
                let message = format!("{:?} does not take its filler for one", log.framing);
                return Err(io::Error::other(message));
            }
        };
        write_all_at(log.file, &filler, damaged.start)?;
        damaged.start += covered as u64;
    }
    Ok(())
}
