//! What can be wrong with a segment, apart from its file.

use std::error::Error;
use std::fmt;
use std::io;

/// A record does not fit in what is left of a segment.
///
/// It comes as the source of an [`io::Error`] of the kind [`io::ErrorKind::StorageFull`]; begin
/// another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFull {
    pub(super) needed: u64,
    pub(super) left: u64,
}

impl SegmentFull {
    /// The bytes that the record needs, with its frame of 8 bytes.
    pub fn needed(&self) -> u64 {
        self.needed
    }

    /// The bytes that are left.
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
    fn from(full: SegmentFull) -> io::Error {
        io::Error::new(io::ErrorKind::StorageFull, full)
    }
}

/// There is no valid record at a position of a segment where one should be: the position is not
/// the start of one, or the file was damaged.
///
/// It comes as the source of an [`io::Error`] of the kind [`io::ErrorKind::InvalidData`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptRecord {
    pub(super) position: u64,
}

impl CorruptRecord {
    /// The position in the segment.
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
    fn from(corrupt: CorruptRecord) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, corrupt)
    }
}
