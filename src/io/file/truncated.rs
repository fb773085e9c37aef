//! The error for a file that ends too early.

use std::error::Error;
use std::fmt;
use std::io;

/// A file ends before a [`FileRegion`](crate::FileRegion) of it does: the file was truncated, or was always shorter than the
/// range.
///
/// It is the source of an [`io::Error`] of the kind [`io::ErrorKind::UnexpectedEof`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{FileRegion, FileTruncated};
///
/// let empty = tempfile::tempfile()?;
/// let mut region = FileRegion::new(empty, 0..100);
/// let (out, _peer) = std::os::unix::net::UnixStream::pair()?;
/// let error = region.transfer_to(&out).unwrap_err();
///
/// let truncated = error.get_ref().and_then(|e| e.downcast_ref::<FileTruncated>()).unwrap();
/// assert_eq!((truncated.expected(), truncated.found()), (100, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTruncated {
    expected: u64,
    found: u64,
}

impl FileTruncated {
    pub(super) fn new(expected: u64, found: u64) -> Self {
        Self { expected, found }
    }

    /// Returns the offset at which the region ends: the length that the file must have.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Returns the offset at which the end of the file was found. The file is at most this long.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }
}

impl fmt::Display for FileTruncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the file ends at or before offset {} but a region of it goes to {}",
            self.found, self.expected
        )
    }
}

impl Error for FileTruncated {}

impl From<FileTruncated> for io::Error {
    fn from(truncated: FileTruncated) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, truncated)
    }
}
