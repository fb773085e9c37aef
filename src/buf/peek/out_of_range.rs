//! [`OutOfRange`].

use std::{error::Error, fmt};

/// The error of an access to a range that is not within the buffer.
///
/// ```
/// use bytebuf::Poke;
///
/// let error = [0; 8].set_u32(6, 1).unwrap_err();
/// assert_eq!((error.offset, error.width, error.len), (6, 4, 8));
/// assert_eq!(error.to_string(), "4 bytes at offset 6 are outside the 8 readable bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutOfRange {
    /// The offset of the access, counted from the first readable byte.
    pub offset: usize,
    /// The number of bytes to access.
    pub width: usize,
    /// The number of readable bytes.
    pub len: usize,
}

impl OutOfRange {
    /// Returns the end of the range, if it lies within `len` bytes.
    #[inline]
    pub(crate) fn check(offset: usize, width: usize, len: usize) -> Result<usize, Self> {
        let end = offset.checked_add(width).filter(|&end| end <= len);
        end.ok_or(Self { offset, width, len })
    }
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, width, len } = self;
        write!(f, "{width} bytes at offset {offset} are outside the {len} readable bytes")
    }
}

impl Error for OutOfRange {}
