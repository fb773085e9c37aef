//! An append-only log file.
//!
//! `format.rs` is the file, `log.rs` what writer and readers share, `read.rs` how records are found
//! again, this file how they are appended and made durable. Rules:
//!
//! 1. `published <= end`; what lies before `published` is in the file and never changes, so it can
//!    be read and sent while more is appended. `published` is always the end of a record.
//! 2. `durable <= published`; what lies before `durable` has been synced and survives a crash of
//!    the machine.
//! 3. After a sync failed nothing becomes durable any more: the kernel may have dropped the pages,
//!    and a second sync would not tell.
//! 4. Records are copied into a buffer and written in large pieces, never through a mapping: a
//!    full disk is an error and not a signal. Measured, per record of 1 KiB: `write` each 1, a
//!    mapping that is not in memory yet 0.27 to 0.44, this 0.11 to 0.14 with its checksum.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::Deref;
use std::path::Path;

use bytes::{Buf, BufMut};

use crate::buf::ByteBuf;
use crate::io::scratch;
use crate::sys;

mod error;
mod format;
mod log;
mod published;
mod read;
#[cfg(test)]
mod tests;

use format::{FRAME, HEADER, MAX_RECORD};

pub use error::{CorruptRecord, SegmentFull};
pub use log::SegmentReader;
pub use read::{Record, Records};

/// What is written at a time: so much of the file, from one multiple of it to the next. The page
/// cache then takes one large folio per write, where pieces that lie askew make it put together
/// many small ones. Measured, per KiB of a fresh file, against 1250 ns for a `write` each: 134 ns;
/// askew 182, and at 64 KiB 173 and 283. 1 MiB is no cheaper.
const PIECE: usize = 256 * 1024;

/// The buffer: one piece, and room for the record that crosses its end.
const BUFFER: usize = PIECE + 64 * 1024;

/// The one writer of an append-only log file of fixed capacity.
///
/// [`append`](Self::append) copies a record into a buffer; [`publish`](Self::publish) hands it to
/// the file, where readers find it; [`flush`](Self::flush) makes it durable. The file is allocated
/// at its full capacity beforehand, so that appending does not run into a full disk.
///
/// After a crash, [`open`](Self::open) finds the exact end: everything that was durable is there,
/// and nothing that was not appended. Each record carries its length and a checksum that holds
/// only for this segment and this position.
///
/// It reads as its own [`SegmentReader`]; clone that for other threads.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::Segment;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// segment.append(b"first")?;
/// let second = segment.append(b"second")?;
/// segment.flush()?;
/// drop(segment); // or a crash
///
/// let segment = Segment::open(&path)?;
/// let records: Vec<_> = segment.records(segment.start()).collect::<Result<_, _>>()?;
/// assert_eq!(records.len(), 2);
/// assert_eq!((records[1].position(), &records[1].payload()[..]), (second, &b"second"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Segment {
    reader: SegmentReader,
    /// What is appended and not in the file, where it is going to begin at `written`.
    buffer: ByteBuf,
    written: u64,
    /// The position of the last record, which may be in the file in part.
    last: u64,
    durable: u64,
    failed: bool,
}

impl Segment {
    /// Makes a new segment of `capacity` bytes, its own framing among them.
    ///
    /// # Errors
    ///
    /// Those of making, allocating and syncing a file; [`io::ErrorKind::AlreadyExists`] if there
    /// is one.
    ///
    /// # Cost
    ///
    /// Allocates the file and syncs it and its directory.
    pub fn create(path: impl AsRef<Path>, capacity: u64) -> io::Result<Segment> {
        let path = path.as_ref();
        let file = sys::open(File::options().read(true).write(true).create_new(true), path)?;
        let begun = Segment::begin(file, capacity)
            .and_then(|segment| sys::sync_directory_of(path).map(|()| segment));
        if begun.is_err() {
            // Half a segment is none. If this fails too, the first error is the one to tell.
            let _ = sys::unlink(path);
        }
        begun
    }

    /// Empties an existing segment for use as a new one, at the capacity it has.
    ///
    /// Its pages stay in memory, which makes appending cheaper than to a fresh file. Records of
    /// its earlier life can't come back: their checksums don't hold any more.
    ///
    /// # Errors
    ///
    /// Those of opening and writing a file; [`io::ErrorKind::ResourceBusy`] if the segment, a reader
    /// of it, or a region of that is still there, in this process or another.
    ///
    /// # Cost
    ///
    /// Writes the header and syncs it.
    pub fn recycle(path: impl AsRef<Path>) -> io::Result<Segment> {
        let file = sys::open(File::options().read(true).write(true), path.as_ref())?;
        let capacity = sys::len_of(&file)?;
        Segment::begin(file, capacity)
    }

    /// Opens a segment and finds its valid end.
    ///
    /// What lies behind that, if a crash left something, is cut off.
    ///
    /// # Errors
    ///
    /// Those of opening and reading a file; [`io::ErrorKind::InvalidData`] if it is not a segment,
    /// [`io::ErrorKind::ResourceBusy`] if its writer, a reader of that, or a region is still there, in
    /// this process or another.
    ///
    /// # Cost
    ///
    /// Reads all of its records once.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Segment> {
        let file = sys::open(File::options().read(true).write(true), path.as_ref())?;
        lock(&file)?;
        let mut header = scratch::block(HEADER)?;
        while header.len() < HEADER {
            let at = header.len();
            let read = scratch::fill(&mut header, HEADER - at, |room| {
                sys::read_at(&file, room, at as u64)
            })?;
            if read == 0 {
                break;
            }
        }
        let epoch = format::epoch_of(&header).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the file does not begin as a segment")
        })?;
        let capacity = sys::len_of(&file)?;
        let reader = SegmentReader::new(file, epoch, capacity, capacity);
        let end = read::valid_end(&reader)?;
        reader.publish(end);
        cut_off(reader.file(), end, capacity)?;
        sys::sync_data(reader.file())?;
        Segment::writing(reader, end)
    }

    fn begin(file: File, capacity: u64) -> io::Result<Segment> {
        lock(&file)?;
        if capacity < HEADER as u64 {
            let room = SegmentFull { needed: HEADER as u64, left: capacity };
            return Err(room.into());
        }
        sys::allocate(&file, capacity)?;
        let epoch = RandomState::new().build_hasher().finish();
        write_all_at(&file, &format::header(epoch), 0)?;
        sys::sync_data(&file)?;
        Segment::writing(SegmentReader::new(file, epoch, capacity, HEADER as u64), HEADER as u64)
    }

    fn writing(reader: SegmentReader, end: u64) -> io::Result<Segment> {
        let buffer = scratch::block(BUFFER)?;
        Ok(Segment { reader, buffer, written: end, last: end, durable: end, failed: false })
    }

    /// Appends a record and gives its position.
    ///
    /// It is in this process until it is published, which happens by itself whenever 256 KiB have
    /// come together.
    ///
    /// # Errors
    ///
    /// [`SegmentFull`] (as the source of the error) if the segment has no room for it;
    /// [`io::ErrorKind::InvalidInput`] if it is longer than 16 MiB; those of writing to a file,
    /// and then the record has not been appended, and what was appended before is still there.
    ///
    /// # Cost
    ///
    /// One copy and one checksum; a system call per 256 KiB.
    pub fn append(&mut self, record: &[u8]) -> io::Result<u64> {
        if record.len() > MAX_RECORD {
            let message = format!("a record of {} bytes; {MAX_RECORD} are allowed", record.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let position = self.end();
        let needed = (FRAME + record.len()) as u64;
        let left = self.reader.capacity() - position;
        if needed > left {
            return Err(SegmentFull { needed, left }.into());
        }
        let border = position - position % PIECE as u64;
        if border > self.written {
            self.write_until(border)?;
        }
        if FRAME + record.len() > BUFFER - self.buffer.len() {
            self.publish()?;
        }
        let frame = format::frame(self.reader.epoch(), position, record);
        if FRAME + record.len() <= BUFFER {
            self.buffer.put_slice(&frame);
            self.buffer.put_slice(record);
        } else {
            // The buffer is empty now. Until both are written, nobody is told of them.
            let file = self.reader.file();
            let written = write_all_at(file, &frame, position)
                .and_then(|()| write_all_at(file, record, position + FRAME as u64));
            if let Err(e) = written {
                cut_off(file, position, self.reader.capacity())?;
                return Err(e);
            }
            self.written = position + needed;
            self.reader.publish(self.written);
        }
        self.last = position;
        Ok(position)
    }

    /// Writes what was appended to the file and gives the published end: readers find everything
    /// before it.
    ///
    /// # Errors
    ///
    /// Those of writing to a file. Nothing is lost: what was not written is written by the next
    /// call.
    ///
    /// # Cost
    ///
    /// One system call for at most 320 KiB; none if there is nothing new.
    pub fn publish(&mut self) -> io::Result<u64> {
        let end = self.end();
        self.write_until(end)?;
        Ok(end)
    }

    /// Writes the buffer up to the position `end`, which is in it, and publishes the records that
    /// are whole in the file by then.
    fn write_until(&mut self, end: u64) -> io::Result<()> {
        while self.written < end {
            // Less than the buffer holds.
            let piece = &self.buffer[..(end - self.written) as usize];
            let written = sys::write_at(self.reader.file(), piece, self.written)?;
            self.buffer.advance(written);
            self.written += written as u64;
        }
        self.buffer.discard_read();
        // Every append writes up to the last border before it, so no record but the last is cut.
        self.reader.publish(if self.buffer.is_empty() { end } else { self.last });
        Ok(())
    }

    /// Publishes what was appended, syncs it to the disk, and gives the durable end: a crash of
    /// the machine loses nothing before it.
    ///
    /// # Errors
    ///
    /// Those of writing and syncing. After a sync failed, this fails always: what the disk holds
    /// is not known then. Open the segment again to find out.
    ///
    /// # Cost
    ///
    /// That of [`publish`](Self::publish), and the disk's time to sync; nothing if all is durable.
    pub fn flush(&mut self) -> io::Result<u64> {
        let end = self.publish()?;
        if self.failed {
            return Err(io::Error::other("an earlier sync of the segment failed"));
        }
        if self.durable < end {
            self.failed = true;
            sys::sync_data(self.reader.file())?;
            self.failed = false;
            self.durable = end;
        }
        Ok(end)
    }

    /// The position at which the next record will stand.
    pub fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// The end of what survives a crash of the machine.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// A reader of this segment, for any thread. Two atomic increments.
    pub fn reader(&self) -> SegmentReader {
        self.reader.clone()
    }
}

impl Deref for Segment {
    type Target = SegmentReader;

    fn deref(&self) -> &SegmentReader {
        &self.reader
    }
}

fn lock(file: &File) -> io::Result<()> {
    sys::lock_file(file).map_err(|e| match e {
        TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::ResourceBusy, "the segment is in use")
        }
        TryLockError::Error(e) => e,
    })
}

/// Clears what lies behind the end: a later record could end where a leftover begins, and bring it
/// back to life.
fn cut_off(file: &File, end: u64, capacity: u64) -> io::Result<()> {
    sys::set_len(file, end)?;
    sys::allocate(file, capacity)
}

fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = sys::write_at(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}
