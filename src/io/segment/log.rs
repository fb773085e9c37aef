//! What the writer and the readers of a segment share: the file, and how far it is published.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::format::HEADER;
use super::published::Published;
use super::read::Records;
use crate::buf::ByteView;
use crate::io::FileRegion;

/// Reads a segment while its writer appends: records, ranges of bytes, or ranges to be sent.
///
/// Everything before [`published`](Self::published) is in the file and does not change; positions
/// behind it are refused. Cloning shares the one descriptor.
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
#[derive(Clone, Debug)]
pub struct SegmentReader {
    file: Arc<File>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    capacity: u64,
    published: Published,
}

impl SegmentReader {
    pub(super) fn new(file: File, epoch: u64, capacity: u64, published: u64) -> SegmentReader {
        let published = Published::new(published);
        SegmentReader {
            file: Arc::new(file),
            shared: Arc::new(Shared { epoch, capacity, published }),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    pub(super) fn publish(&self, end: u64) {
        self.shared.published.set(end);
    }

    /// The position of the first record.
    pub fn start(&self) -> u64 {
        HEADER as u64
    }

    /// The end of what can be read: always the end of a record.
    pub fn published(&self) -> u64 {
        self.shared.published.get()
    }

    /// The bytes that the segment can hold, its framing among them.
    pub fn capacity(&self) -> u64 {
        self.shared.capacity
    }

    /// The published records from `position` on, which must be the position of one, or the end.
    pub fn records(&self, position: u64) -> Records {
        Records::new(self.clone(), position)
    }

    /// The bytes of a published range, read into memory.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the range is not published; those of reading.
    ///
    /// # Cost
    ///
    /// One system call, one copy into a block of the pool.
    pub fn slice(&self, range: Range<u64>) -> io::Result<ByteView> {
        self.region(range)?.read_all()
    }

    /// A published range, to be sent as it is: each record is its length (u32, little-endian), a
    /// checksum (u32), and its payload.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the range is not published.
    ///
    /// # Cost
    ///
    /// One atomic increment; nothing is read.
    pub fn region(&self, range: Range<u64>) -> io::Result<FileRegion> {
        let published = self.published();
        if range.start > range.end || range.end > published {
            let Range { start, end } = range;
            let message = format!("{start}..{end} of a segment published up to {published}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(FileRegion::new(self.file.clone(), range))
    }
}
