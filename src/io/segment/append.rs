//! Appending records and publishing them.

use std::io;
use std::ops::{Deref, Range};

use bytes::{Buf, BufMut};

use super::durable::{clear, write_all_at};
use super::error::{CorruptRecord, SegmentFull};
use super::framing::{self, Checksummed, FRAME, Framing, MAX_PAYLOAD, Parsed};
use super::read::SegmentReader;
use crate::buf::ByteBuf;
use crate::io::scratch;
use crate::sys;

/// The number of bytes written at a time, from one multiple of it to the next. The page cache then allocates one
/// large folio per write; for unaligned pieces it allocates many small ones. Measured per KiB of a new file: 1250
/// ns with a `write` per KiB, 134 ns with this, 182 ns unaligned; with 64 KiB 173 ns and 283 ns. 1 MiB is not
/// cheaper.
const PIECE: usize = 256 * 1024;

/// The size of the buffer: one piece and space for the record that crosses its end.
const BUFFER: usize = PIECE + 64 * 1024;

/// The only writer of an append-only log file of fixed capacity.
///
/// [`append`](Self::append) copies a record into a buffer, [`publish`](Self::publish) writes it to the file for
/// readers, and [`flush`](Self::flush) makes it durable. Disk space for the full capacity is allocated in advance,
/// so that appending does not fail on a full disk.
///
/// After a crash, [`open`](Self::open) finds the exact end: the segment has all records that were durable, and only
/// records that were appended. Each record has its length and a checksum that is valid only in this segment and at
/// this position. [`create_with`](Self::create_with) creates a segment whose records the caller frames.
///
/// No other program may change the file of a writer. If one truncates, deletes or replaces it, the next
/// [`flush`](Self::flush) confirms nothing and fails with [`SegmentFileLost`](crate::SegmentFileLost), as do all later
/// appends. A file that is only renamed stays in use. Bytes that another program overwrites are noticed when they are
/// read.
///
/// Dropping a segment neither publishes nor flushes: records that are not published are lost, as in a crash. Call
/// [`flush`](Self::flush) or [`close`](Self::close) first.
///
/// It derefs to its [`SegmentReader`]. Clone that for other threads.
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
pub struct Segment<F: Framing = Checksummed> {
    pub(super) reader: SegmentReader<F>,
    /// The appended bytes that are not yet in the file. They belong at the position `written`.
    buffer: ByteBuf,
    written: u64,
    /// The position of the last append, which may be partly in the file.
    last: u64,
    /// Whether the range behind the end has been cleared and allocated.
    pub(super) is_prepared: bool,
    /// The range that is still to be cleared.
    pub(super) stale: Option<Range<u64>>,
}

impl Segment<Checksummed> {
    /// Appends a record and returns its position.
    ///
    /// The record stays in this process until it is published, which also happens after every 256 KiB.
    ///
    /// # Errors
    ///
    /// [`SegmentFull`] (as the source of the error) if the segment has no space for the record;
    /// [`io::ErrorKind::InvalidInput`] if it is longer than 16 MiB;
    /// [`SegmentFileLost`](crate::SegmentFileLost) (as the source) if an earlier call found this, or the first append
    /// after opening or [`trim`](Self::trim) does; those of writing to a file. After an error the record is not
    /// appended, and earlier records are unchanged.
    ///
    /// # Cost
    ///
    /// One copy and one checksum; a system call per 256 KiB. The first append after opening clears the bytes that a
    /// crash left behind the end, syncs that, and allocates disk space up to the capacity.
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
    /// let first = segment.append(b"first")?;
    /// let second = segment.append(b"second")?;
    /// segment.publish()?; // readers see them from now on
    ///
    /// let record = segment.records(second).next().unwrap()?;
    /// assert_eq!(record.payload(), "second");
    /// assert!(first < second);
    /// # Ok(())
    /// # }
    /// ```
    pub fn append(&mut self, record: &[u8]) -> io::Result<u64> {
        if record.len() > MAX_PAYLOAD {
            let message = format!("a record of {} bytes; {MAX_PAYLOAD} are allowed", record.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let position = self.reserve(FRAME + record.len())?;
        let frame = framing::frame(self.reader.place(position), record);
        self.put(position, &frame, record)
    }
}

impl<F: Framing> Segment<F> {
    /// Creates a writer at the published end of `reader`. `stale` is the range of bytes that a crash left behind
    /// the end.
    pub(super) fn new(reader: SegmentReader<F>, stale: Option<Range<u64>>) -> io::Result<Self> {
        reader.durability().extent.check(reader.file())?;
        let (buffer, end) = (scratch::block(BUFFER)?, reader.published());
        Ok(Self { reader, buffer, written: end, last: end, is_prepared: false, stale })
    }

    /// Appends records that the caller has framed, unchanged, and returns the position of the first.
    ///
    /// All of them are appended, or none. A reader sees all of them, or none. After a crash, the segment may have
    /// some of them.
    ///
    /// # Errors
    ///
    /// Those of [`append`](Self::append); [`CorruptRecord`] (as the source of an error of the kind
    /// [`io::ErrorKind::InvalidInput`]) with the position of the first record that is not complete, or not valid at
    /// its position.
    ///
    /// # Cost
    ///
    /// One check of each record by the framing, and one copy; a system call per 256 KiB. More than 320 KiB are
    /// written by a separate system call and not copied.
    pub fn append_framed(&mut self, records: &[u8]) -> io::Result<u64> {
        let position = self.check_framed(records)?;
        self.put(position, &[], records)
    }

    /// Appends records that the caller has framed and publishes them, as [`append_framed`](Self::append_framed) and
    /// [`publish`](Self::publish) do, but without copying them to the buffer. Returns the position of the first.
    ///
    /// Use it for records that arrive many at a time, such as a batch of a network protocol. Single small records
    /// take less CPU time if they are appended and then published together.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Framing, Parsed, Place, Segment};
    ///
    /// /// Records of 16 bytes, of which the first is not zero.
    /// #[derive(Debug)]
    /// struct Fixed;
    ///
    /// impl Framing for Fixed {
    ///     const NAME: [u8; 8] = *b"16 bytes";
    ///
    ///     fn max_len(&self) -> usize {
    ///         16
    ///     }
    ///
    ///     fn parse(&self, _: Place, bytes: &[u8]) -> Parsed {
    ///         match bytes {
    ///             [] => Parsed::Incomplete(1),
    ///             [0, ..] => Parsed::Corrupt,
    ///             [_, ..] if bytes.len() < 16 => Parsed::Incomplete(16),
    ///             _ => Parsed::Valid(16),
    ///         }
    ///     }
    /// }
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("records");
    /// let mut segment = Segment::create_with(&path, 1 << 16, Fixed)?;
    /// let received = [7; 3 * 16];
    /// let position = segment.publish_framed(&received)?;
    /// assert_eq!(segment.slice(position..segment.published())?[..], received);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`append_framed`](Self::append_framed). If the write fails, none of the records is appended.
    ///
    /// # Cost
    ///
    /// One check of each record by the framing and one system call. Only the kernel copies. Earlier records that
    /// are not published are first written by a separate call.
    pub fn publish_framed(&mut self, records: &[u8]) -> io::Result<u64> {
        let position = self.check_framed(records)?;
        self.publish()?;
        self.write_through(position, &[], records)
    }

    /// Returns the end, if there is space for these records and all of them are complete and valid there.
    fn check_framed(&mut self, records: &[u8]) -> io::Result<u64> {
        let position = self.reserve(records.len())?;
        let (log, mut at) = (self.reader.log(), 0);
        while at < records.len() {
            let place = position + at as u64;
            match log.parse(place, &records[at..]) {
                Parsed::Valid(len) => at += len,
                Parsed::Filler(len) if len <= records.len() - at => at += len,
                _ => {
                    let corrupt = CorruptRecord { position: place };
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, corrupt));
                }
            }
        }
        Ok(position)
    }

    /// Prepares the file for `len` more bytes and returns the end.
    fn reserve(&mut self, len: usize) -> io::Result<u64> {
        self.reader.durability().extent.known()?;
        let position = self.end();
        let (needed, left) = (len as u64, self.reader.capacity() - position);
        if needed > left {
            return Err(SegmentFull { needed, left }.into());
        }
        if !self.is_prepared {
            self.prepare()?;
        }
        Ok(position)
    }

    /// Durably clears the stale range behind the end and allocates disk space. Otherwise a stale record would
    /// become valid again behind a new record that ends where it begins.
    #[cold]
    fn prepare(&mut self) -> io::Result<()> {
        let (file, durability) = (self.reader.file(), self.reader.durability());
        if let Some(stale) = &mut self.stale {
            clear(file, stale)?;
            durability.sync_cleared(file)?;
            self.stale = None;
        }
        durability.extent.allocate(file, self.reader.capacity())?;
        self.is_prepared = true;
        Ok(())
    }

    /// Appends the bytes at the end. The segment has space for them.
    fn put(&mut self, position: u64, frame: &[u8], record: &[u8]) -> io::Result<u64> {
        let len = frame.len() + record.len();
        let boundary = position - position % PIECE as u64;
        if boundary > self.written {
            self.write_until(boundary)?;
        }
        if len > BUFFER - self.buffer.len() {
            self.publish()?;
        }
        if len > BUFFER {
            return self.write_through(position, frame, record);
        }
        debug_assert!(len <= self.buffer.capacity() - self.buffer.len(), "the buffer never grows");
        self.buffer.put_slice(frame);
        self.buffer.put_slice(record);
        self.last = position;
        Ok(position)
    }

    /// Writes the bytes at the end, bypassing the buffer, which is empty. They are published when all are written.
    fn write_through(&mut self, position: u64, frame: &[u8], record: &[u8]) -> io::Result<u64> {
        let end = position + (frame.len() + record.len()) as u64;
        self.check_before_writing(end)?;
        let file = self.reader.file();
        let written = write_all_at(file, frame, position)
            .and_then(|()| write_all_at(file, record, position + frame.len() as u64));
        if let Err(e) = written {
            // Clear the part that was written: it must not be found behind the next append or after a crash.
            self.stale = Some(position..end);
            self.is_prepared = false;
            let _ = self.prepare();
            return Err(e);
        }
        self.written = end;
        self.last = position;
        self.reader.publish(end);
        Ok(position)
    }

    /// Writes the appended records to the file and returns the published end, up to which readers can read.
    ///
    /// # Errors
    ///
    /// Those of writing to a file. No record is lost: the next call writes the rest.
    /// [`SegmentFileLost`](crate::SegmentFileLost) (as the source) if an earlier call found this.
    ///
    /// # Cost
    ///
    /// One system call for at most 320 KiB; none if all is published.
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
    /// let reader = segment.reader();
    /// segment.append(b"record")?;
    /// assert_eq!(reader.records(reader.start()).count(), 0);
    /// segment.publish()?;
    /// assert_eq!(reader.records(reader.start()).count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&mut self) -> io::Result<u64> {
        let end = self.end();
        self.write_until(end)?;
        Ok(end)
    }

    /// Writes the buffer up to the position `end`, which is in it, and publishes the records that are complete in
    /// the file.
    fn write_until(&mut self, end: u64) -> io::Result<()> {
        self.check_before_writing(end)?;
        let written = self.write_front(end);
        // Also after an error, so that the buffer never grows.
        self.buffer.discard_read();
        written?;
        // Every append first writes up to the last boundary before its position, so only the last append can be
        // cut.
        self.reader.publish(if self.buffer.is_empty() { end } else { self.last });
        Ok(())
    }

    /// Fails if the file is known to be lost. Also looks at it before a write that reaches the capacity, which gives a
    /// truncated file its length back.
    fn check_before_writing(&self, end: u64) -> io::Result<()> {
        let extent = &self.reader.durability().extent;
        if end == self.reader.capacity() {
            extent.check(self.reader.file())
        } else {
            extent.known()
        }
    }

    /// Writes the buffer up to the position `end`. After an error, a part of it has been written.
    fn write_front(&mut self, end: u64) -> io::Result<()> {
        while self.written < end {
            // `end` is in the buffer, so the length fits a `usize`.
            let piece = &self.buffer[..(end - self.written) as usize];
            let written = sys::write_at(self.reader.file(), piece, self.written)?;
            self.buffer.advance(written);
            self.written += written as u64;
        }
        Ok(())
    }

    /// Returns the position of the next record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Returns a reader of this segment, for any thread. Two atomic increments.
    #[must_use]
    pub fn reader(&self) -> SegmentReader<F> {
        self.reader.clone()
    }
}

impl<F: Framing> Deref for Segment<F> {
    type Target = SegmentReader<F>;

    fn deref(&self) -> &SegmentReader<F> {
        &self.reader
    }
}
