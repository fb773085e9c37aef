//! Why the pool gave no memory.

use core::fmt;

/// The pool could not allocate. Nothing has changed.
///
/// # Examples
///
/// ```
/// use bytebuf::{AllocErrorKind, Pool};
///
/// let pool = Pool::builder().max_memory(8 << 20).build();
/// let error = pool.try_alloc(64 << 20).unwrap_err();
/// assert_eq!(error.kind(), AllocErrorKind::OverLimit);
/// assert_eq!(error.requested(), 64 << 20);
/// assert_eq!(error.limit(), Some(8 << 20));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocError {
    pub(crate) kind: AllocErrorKind,
    pub(crate) requested: usize,
    pub(crate) in_use: usize,
    pub(crate) limit: Option<usize>,
    pub(crate) budget: Option<std::sync::Arc<str>>,
}

/// What stood in the way of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocErrorKind {
    /// The pool's `max_memory` would have been passed.
    OverLimit,
    /// The budget that the allocation is charged to, or one above it, is exhausted.
    OverBudget,
    /// Requests of the same budget wait for bytes, and this one may not pass them.
    BehindWaiters,
    /// The system gave no memory.
    OutOfMemory,
    /// The request is too large for any address space: more than `isize::MAX` bytes with headroom and padding.
    TooLarge,
}

impl AllocError {
    /// Returns the reason of the failure.
    #[must_use]
    pub fn kind(&self) -> AllocErrorKind {
        self.kind
    }

    /// Returns the requested number of bytes.
    #[must_use]
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// Returns the name of the budget that was exhausted, or that has waiters.
    #[must_use]
    pub fn budget(&self) -> Option<&str> {
        self.budget.as_deref()
    }

    /// Returns the number of bytes that the pool had mapped, or that were charged to the budget.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// The limit in bytes, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, requested, in_use, limit, budget } = self;
        match (kind, limit) {
            (AllocErrorKind::OverBudget, Some(limit)) => write!(
                f,
                "{requested} bytes asked for, {in_use} in use: over the limit of {limit} of budget {}",
                budget.as_deref().unwrap_or("?")
            ),
            (AllocErrorKind::BehindWaiters, Some(limit)) => write!(
                f,
                "{requested} bytes asked for, {in_use} of {limit} in use: others wait for budget {}",
                budget.as_deref().unwrap_or("?")
            ),
            (AllocErrorKind::OverLimit, Some(limit)) => write!(
                f,
                "{requested} bytes asked for, {in_use} in use: over the pool's limit of {limit}"
            ),
            (AllocErrorKind::TooLarge, _) => {
                write!(f, "{requested} bytes asked for: more than any address space holds")
            }
            _ => write!(f, "{requested} bytes asked for, {in_use} in use: the system gave none"),
        }
    }
}

impl std::error::Error for AllocError {}

impl From<AllocError> for std::io::Error {
    fn from(error: AllocError) -> Self {
        Self::new(std::io::ErrorKind::OutOfMemory, error)
    }
}
