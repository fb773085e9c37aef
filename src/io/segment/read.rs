//! Reading a segment: records, ranges of bytes, or ranges to send.

use std::fs::File;
use std::io;
use std::iter::FusedIterator;
use std::ops::Range;
use std::sync::Arc;

use super::durable::Durability;
use super::error::CorruptRecord;
use super::format::{Header, START};
use super::framing::{Checksummed, Framing, Place};
use super::published::Published;
use super::recover::{self, Recovered};
use super::scan::{Found, Log, Window};
use crate::buf::ByteView;
use crate::io::FileRegion;
use crate::sys;

/// A reader of a segment: of records, ranges of bytes, or ranges to send. It reads while the writer appends.
///
/// All bytes before [`published`](Self::published) are in the file and do not change; positions behind it are
/// refused. Clones share one descriptor.
///
/// It does not map the file: if another program truncates it, reading the bytes that were cut off is an error.
///
/// A reader of a [`Segment`](crate::Segment) sees the records that this segment publishes. A reader that is
/// [opened](Self::open) by itself, without write permission, sees the records that were in the file at that time.
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
/// assert_eq!(reader.published(), reader.start());
/// let end = segment.publish()?;
///
/// let consumer = std::thread::spawn(move || {
///     let region = reader.region(reader.start()..reader.published());
///     region.map(|region| region.len()) // or `transfer_to` a socket
/// });
/// assert_eq!(consumer.join().unwrap()?, end - segment.start());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SegmentReader<F: Framing = Checksummed> {
    file: Arc<File>,
    shared: Arc<Shared<F>>,
}

#[derive(Debug)]
struct Shared<F> {
    framing: F,
    epoch: u64,
    capacity: u64,
    recovered: Recovered,
    published: Published,
    durability: Durability,
}

impl<F: Framing> Clone for SegmentReader<F> {
    fn clone(&self) -> Self {
        Self { file: self.file.clone(), shared: self.shared.clone() }
    }
}

impl<F: Framing> SegmentReader<F> {
    pub(super) fn new(file: File, framing: F, header: Header, recovered: Recovered) -> Self {
        let published = Published::new(recovered.end);
        let durability = Durability::new(header, recovered.end);
        let Header { epoch, capacity, .. } = header;
        let shared = Shared { framing, epoch, capacity, recovered, published, durability };
        Self { file: Arc::new(file), shared: Arc::new(shared) }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn durability(&self) -> &Durability {
        &self.shared.durability
    }

    pub(super) fn publish(&self, end: u64) {
        self.shared.published.set(end);
    }

    pub(super) fn log(&self) -> Log<'_, F> {
        Log { file: &self.file, framing: &self.shared.framing, epoch: self.shared.epoch }
    }

    /// Returns the position of the first record.
    #[must_use]
    pub fn start(&self) -> u64 {
        START
    }

    /// Returns the end of the published records, up to which they can be read.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.shared.published.get()
    }

    /// Returns the end of the durable records, which survive a crash of the machine.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.shared.durability.get()
    }

    /// Returns the number of bytes that the segment can hold, including its header and framing.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.shared.capacity
    }

    /// Returns the epoch of the segment: a random number, which changes when the file is created or recycled.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Returns the framing of the records.
    #[must_use]
    pub fn framing(&self) -> &F {
        &self.shared.framing
    }

    /// Returns the findings of opening the segment.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.shared.recovered
    }

    /// Returns the published records from `position` on, which must be the position of a record, or the end. Two
    /// atomic increments; nothing is read yet.
    #[must_use]
    pub fn records(&self, position: u64) -> Records<F> {
        Records { reader: self.clone(), window: Window::new(position), has_failed: false }
    }

    /// Returns the position of the first valid durable record behind `position`, or the durable end: where reading
    /// can continue behind damage.
    ///
    /// # Errors
    ///
    /// Those of reading a file.
    ///
    /// # Cost
    ///
    /// Reads the bytes up to that position twice, and each time checks at most 4 GiB of possible records in
    /// between: a second or two for 256 MiB. Reading a segment without damage does not need this call.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Segment, SegmentReader};
    /// use std::os::unix::fs::FileExt;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut segment = Segment::create(&path, 1 << 20)?;
    /// let first = segment.append(b"first")?;
    /// let second = segment.append(b"second")?;
    /// segment.flush()?;
    /// std::fs::File::options().write(true).open(&path)?.write_all_at(b"?", first + 8)?;
    ///
    /// let reader = SegmentReader::open(&path)?;
    /// assert!(reader.records(first).next().unwrap().is_err());
    /// assert_eq!(reader.next_valid(first)?, second);
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_valid(&self, position: u64) -> io::Result<u64> {
        recover::next_valid(&self.log(), position, self.durable(), sys::len_of(&self.file)?)
    }

    /// Reads the bytes of a published range into memory.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the range is reversed or not published; those of
    /// [`FileRegion::read_all`].
    ///
    /// # Cost
    ///
    /// One system call, and one copy into a block of the pool.
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
    /// let position = segment.append(b"record")?;
    /// let end = segment.publish()?;
    /// assert_eq!(segment.slice(position..end)?.len(), 8 + 6); // with the frame
    /// assert!(segment.slice(position..end + 1).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn slice(&self, range: Range<u64>) -> io::Result<ByteView> {
        self.region(range)?.read_all()
    }

    /// Returns a published range to send: framed records without a gap. The receiver finds and checks them with
    /// [`Framing::parse`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the range is reversed or not published.
    ///
    /// # Cost
    ///
    /// One atomic increment; nothing is read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Segment, WriteQueue};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut segment = Segment::create(&path, 1 << 20)?;
    /// let position = segment.append(b"record")?;
    /// let end = segment.publish()?;
    ///
    /// let mut queue = WriteQueue::new();
    /// queue.push(segment.region(position..end)?); // to a socket it goes by `sendfile`
    /// assert_eq!(queue.pending_bytes(), end - position);
    /// # Ok(())
    /// # }
    /// ```
    pub fn region(&self, range: Range<u64>) -> io::Result<FileRegion> {
        let published = self.published();
        if range.start > range.end || range.end > published {
            let Range { start, end } = range;
            let message = format!("{start}..{end} of a segment published up to {published}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(FileRegion::new(self.file.clone(), range))
    }

    /// Returns the place of a record at `position`.
    pub(super) fn place(&self, position: u64) -> Place {
        Place { epoch: self.shared.epoch, position }
    }
}

/// A record of a segment.
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
/// segment.append(b"second")?;
/// segment.publish()?;
///
/// let record = segment.records(segment.start()).next().unwrap()?;
/// assert_eq!((record.position(), record.payload()), (segment.start(), &"first".into()));
/// let next = segment.records(record.end()).next().unwrap()?;
/// assert_eq!(next.into_payload(), "second");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    position: u64,
    end: u64,
    payload: ByteView,
}

impl Record {
    /// Returns the position of the record in the segment.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the end of the record in the segment, which is the position of the next record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the appended bytes; with a custom framing, all bytes of the record behind [`Framing::HEAD`]. The
    /// view shares memory with its neighbours; see [`ByteView::pinned`](crate::ByteView::pinned).
    #[must_use]
    pub fn payload(&self) -> &ByteView {
        &self.payload
    }

    /// Returns the [`payload`](Self::payload) by value.
    #[must_use]
    pub fn into_payload(self) -> ByteView {
        self.payload
    }
}

/// An iterator over the published records of a segment, which checks each.
/// [`SegmentReader::records`](crate::SegmentReader::records) returns it.
///
/// It ends at the published end, and after an error. Call `records` again with [`position`](Self::position) to
/// continue later.
///
/// # Cost
///
/// One read per 64 KiB; no copy per record.
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
/// let mut records = segment.records(segment.start());
/// segment.append(b"first")?;
/// segment.publish()?;
/// assert_eq!(records.next().unwrap()?.payload(), "first");
/// assert!(records.next().is_none());
///
/// segment.append(b"second")?;
/// segment.publish()?;
/// let mut records = segment.records(records.position()); // continues there
/// assert_eq!(records.next().unwrap()?.payload(), "second");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Records<F: Framing = Checksummed> {
    reader: SegmentReader<F>,
    window: Window,
    has_failed: bool,
}

impl<F: Framing> Records<F> {
    /// Returns the position of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.window.position()
    }

    /// Returns the next record; `None` at `end`. Fails if it is not complete and valid.
    fn read(&mut self, end: u64) -> io::Result<Option<Record>> {
        while self.window.position() != end {
            let position = self.window.position();
            match self.reader.log().find(&mut self.window, end)? {
                Found::Nothing => return Err(CorruptRecord { position }.into()),
                Found::Filler(len) => self.window.skip(len),
                Found::Record(len) => {
                    let mut payload = self.window.take(len);
                    drop(payload.split_to(F::HEAD.min(len)));
                    let end = position + len as u64;
                    return Ok(Some(Record { position, end, payload }));
                }
            }
        }
        Ok(None)
    }
}

impl<F: Framing> Iterator for Records<F> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        if self.has_failed {
            return None;
        }
        let record = self.read(self.reader.published());
        self.has_failed = record.is_err();
        record.transpose()
    }
}

impl<F: Framing> FusedIterator for Records<F> {}
