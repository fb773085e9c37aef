//! What is wrong with a frame.

use std::{error, fmt, io};

/// A frame is longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "TooLongFrameException")]
pub struct FrameTooLong {
    /// The limit in bytes.
    pub limit: usize,
    /// The length of the frame, where a length field gives it.
    pub length: Option<u64>,
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(f, "a frame of {length} bytes is over {}", self.limit),
            None => write!(f, "a frame is longer than {} bytes", self.limit),
        }
    }
}

impl error::Error for FrameTooLong {}

/// A length field gives, with the adjustment, a negative length, or a frame that ends within its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "CorruptedFrameException")]
pub struct InvalidFrameLength {
    /// The value of the length field.
    pub field: u64,
    /// What is added to it.
    pub adjustment: isize,
}

impl fmt::Display for InvalidFrameLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "length {} adjusted by {} is not a frame", self.field, self.adjustment)
    }
}

impl error::Error for InvalidFrameLength {}

pub(super) fn invalid(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What is wrong with a line, or with the reader that it comes from.
#[derive(Debug)]
pub enum LinesCodecError {
    /// The line is over the limit of the codec. The rest of it is discarded.
    MaxLineLengthExceeded,
    /// The reader failed, or the line is not UTF-8.
    Io(io::Error),
}

impl fmt::Display for LinesCodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxLineLengthExceeded => f.write_str("max line length exceeded"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl error::Error for LinesCodecError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::MaxLineLengthExceeded => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for LinesCodecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
