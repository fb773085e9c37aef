//! [`TryReserveError`]: a buffer that could not grow.

use crate::pool::AllocError;
use core::fmt;

/// A buffer that could not grow. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryReserveError {
    pub(super) additional: usize,
    pub(super) len: usize,
    pub(super) kind: TryReserveErrorKind,
}

/// What kept a buffer from growing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryReserveErrorKind {
    /// The length would pass `isize::MAX`, the most that any memory has.
    CapacityOverflow,
    /// The length would pass the buffer's own maximum.
    OverMaximum(usize),
    /// The pool gave no memory.
    Alloc(AllocError),
}

impl TryReserveError {
    /// Returns the number of bytes that were asked for.
    #[must_use]
    pub fn additional(&self) -> usize {
        self.additional
    }

    /// Returns what kept the buffer from growing.
    #[must_use]
    pub fn kind(&self) -> &TryReserveErrorKind {
        &self.kind
    }
}

impl fmt::Display for TryReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no space for {} more bytes behind {}: ", self.additional, self.len)?;
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
