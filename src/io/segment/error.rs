//! The errors of a segment, apart from those of its file.

use std::error::Error;
use std::fmt;
use std::io;

/// A segment has no space for a record.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::StorageFull`]. Continue in another segment.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Segment, SegmentFull};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 2048)?;
/// segment.append(&[0; 500])?;
/// let error = segment.append(&[0; 600]).unwrap_err();
/// let full: &SegmentFull = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!((full.needed(), full.left()), (608, 516)); // each record has a frame of 8 bytes
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFull {
    pub(super) needed: u64,
    pub(super) left: u64,
}

impl SegmentFull {
    /// Returns the number of bytes that the record needs, including its frame.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.needed
    }

    /// Returns the number of free bytes in the segment.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl fmt::Display for SegmentFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are needed, the segment has {} left", self.needed, self.left)
    }
}

impl Error for SegmentFull {}

impl From<SegmentFull> for io::Error {
    fn from(full: SegmentFull) -> Self {
        Self::new(io::ErrorKind::StorageFull, full)
    }
}

/// A segment has no valid record at a position: no record starts there, or the file is damaged.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::InvalidData`], or
/// [`io::ErrorKind::InvalidInput`] if the record was to be appended.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{CorruptRecord, Segment};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// let position = segment.append(b"record")?;
/// segment.publish()?;
/// let error = segment.records(position + 1).next().unwrap().unwrap_err();
/// let corrupt: &CorruptRecord = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(corrupt.position(), position + 1); // no record begins there
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptRecord {
    pub(super) position: u64,
}

impl CorruptRecord {
    /// Returns the position in the segment.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl fmt::Display for CorruptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no valid record at position {}", self.position)
    }
}

impl Error for CorruptRecord {}

impl From<CorruptRecord> for io::Error {
    fn from(corrupt: CorruptRecord) -> Self {
        Self::new(io::ErrorKind::InvalidData, corrupt)
    }
}

/// Durable bytes of a segment are no longer valid records. A crash does not cause this: the disk or another
/// program has changed them.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::InvalidData`]. The file has not been
/// changed: restore the bytes from a copy, or call [`Segment::repair`](crate::Segment::repair).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentDamaged {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl SegmentDamaged {
    /// Returns the position of the first invalid record, or the length of the file if it is shorter than the
    /// header.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the number of bytes up to the next valid record, or up to the durable end.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl fmt::Display for SegmentDamaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, length } = self;
        write!(f, "{length} bytes at offset {offset} of the segment were durable and are damaged")
    }
}

impl Error for SegmentDamaged {}

impl From<SegmentDamaged> for io::Error {
    fn from(damaged: SegmentDamaged) -> Self {
        Self::new(io::ErrorKind::InvalidData, damaged)
    }
}

/// Another program has truncated, deleted or replaced the file of a segment while it was open for appending.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::UnexpectedEof`] or [`io::ErrorKind::NotFound`].
/// Records that were durable may be gone. [Open](crate::Segment::open) the segment again to see which it has.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Segment, SegmentFileLost};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// segment.append(b"a payment")?;
/// std::fs::OpenOptions::new().write(true).open(&path)?.set_len(1100)?; // as another program may do
///
/// let error = segment.flush().unwrap_err(); // the payment must not be confirmed
/// let lost: &SegmentFileLost = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(lost, &SegmentFileLost::Truncated { expected: 1 << 20, found: 1100 });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentFileLost {
    /// The file has become shorter than its writer made it.
    Truncated {
        /// The length that the writer gave the file, or a lower bound of it.
        expected: u64,
        /// The length that was found.
        found: u64,
    },
    /// The file has no name any more: it was deleted, or another file was renamed to its name.
    Deleted,
}

impl fmt::Display for SegmentFileLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { expected, found } => {
                write!(f, "another program has cut the segment from {expected} to {found} bytes")
            }
            Self::Deleted => write!(f, "another program has deleted or replaced the segment"),
        }
    }
}

impl Error for SegmentFileLost {}

impl From<SegmentFileLost> for io::Error {
    fn from(lost: SegmentFileLost) -> Self {
        let kind = match lost {
            SegmentFileLost::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            SegmentFileLost::Deleted => io::ErrorKind::NotFound,
        };
        Self::new(kind, lost)
    }
}

/// A file is not a segment of the requested format and framing.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::InvalidData`]. The file has not been
/// changed.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Segment, SegmentFormatError};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("notes.txt");
/// std::fs::write(&path, "no segment")?;
/// let error = Segment::open(&path).unwrap_err();
/// let format: &SegmentFormatError = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(format, &SegmentFormatError::NotASegment);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentFormatError {
    /// The file has no valid header of a segment.
    NotASegment,
    /// The file is a segment in an older format, which this version does not read.
    Version {
        /// The number of the format in the file.
        found: u32,
    },
    /// The records have another framing.
    Framing {
        /// The name of the framing that the caller gave.
        expected: [u8; 8],
        /// The name in the file.
        found: [u8; 8],
    },
}

impl fmt::Display for SegmentFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASegment => write!(f, "the file does not begin as a segment"),
            Self::Version { found } => {
                write!(f, "the segment has format {found}, and only format 2 is read")
            }
            Self::Framing { expected, found } => {
                let (expected, found) = (expected.escape_ascii(), found.escape_ascii());
                write!(f, "the records are framed as \"{found}\", not as \"{expected}\"")
            }
        }
    }
}

impl Error for SegmentFormatError {}

impl From<SegmentFormatError> for io::Error {
    fn from(error: SegmentFormatError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
