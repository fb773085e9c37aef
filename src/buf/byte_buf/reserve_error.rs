//! [`TryReserveError`]: a buffer that could not grow.

use crate::pool::AllocError;
use core::fmt;

/// A buffer that could not grow. Nothing has changed.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteBuf, TryReserveErrorKind};
///
/// let mut buf = ByteBuf::with_capacity(8);
/// buf.set_max_capacity(100)?;
/// let error = buf.try_reserve(101).unwrap_err();
/// assert_eq!(error.additional(), 101);
/// assert_eq!(error.kind(), &TryReserveErrorKind::OverMaximum(100));
/// # Ok::<_, bytebuf::IndexError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryReserveError {
    pub(super) additional: usize,
    pub(super) len: usize,
    pub(super) kind: TryReserveErrorKind,
}

/// The reason why a buffer could not grow: see [`TryReserveError`].
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteBuf, TryReserveErrorKind};
///
/// let mut header = ByteBuf::with_capacity(64);
/// header.set_max_capacity(8192).unwrap(); // a peer can't make it longer
/// let error = header.try_extend_from_slice(&[b'x'; 10_000]).unwrap_err();
/// assert!(matches!(error.kind(), TryReserveErrorKind::OverMaximum(8192)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryReserveErrorKind {
    /// The length would exceed `isize::MAX`, the maximum of any allocation.
    CapacityOverflow,
    /// The length would exceed the maximum capacity of the buffer.
    OverMaximum(usize),
    /// The pool gave no memory.
    Alloc(AllocError),
}

impl TryReserveError {
    /// Returns the requested number of bytes.
    #[must_use]
    pub fn additional(&self) -> usize {
        self.additional
    }

    /// Returns the reason.
    #[must_use]
    pub fn kind(&self) -> &TryReserveErrorKind {
        &self.kind
    }
}

impl fmt::Display for TryReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no space for {} more bytes after {}: ", self.additional, self.len)?;
        match &self.kind {
            TryReserveErrorKind::CapacityOverflow => f.write_str("capacity overflow"),
            TryReserveErrorKind::OverMaximum(max) => write!(f, "the maximum is {max}"),
            TryReserveErrorKind::Alloc(_) => f.write_str("the pool gave no memory"),
        }
    }
}

impl std::error::Error for TryReserveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            TryReserveErrorKind::Alloc(error) => Some(error),
            _ => None,
        }
    }
}
