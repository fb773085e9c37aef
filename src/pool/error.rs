//! [`AllocError`]: the error of an allocation.

use core::fmt;

/// The error of a failed allocation. No bytes are charged for it.
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

/// The reason of an [`AllocError`].
///
/// # Examples
///
/// ```
/// use bytebuf::{AllocErrorKind, Pool};
///
/// let pool = Pool::builder().build();
/// let tenant = pool.budget("tenant", 1000);
/// let response = match tenant.try_alloc(5000) {
///     Ok(_) => "200 OK",
///     // Only this tenant has used up its memory.
///     Err(error) if error.kind() == AllocErrorKind::OverBudget => "429 Too Many Requests",
///     Err(_) => "503 Service Unavailable",
/// };
/// assert_eq!(response, "429 Too Many Requests");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocErrorKind {
    /// The request would exceed the pool's `max_memory`.
    OverLimit,
    /// The budget of the allocation, or one above it, is exhausted.
    OverBudget,
    /// Earlier requests of the same budget wait for bytes, and are served first.
    BehindWaiters,
    /// The system has no memory.
    OutOfMemory,
    /// The request exceeds every address space: with headroom and padding it is more than `isize::MAX` bytes.
    TooLarge,
}

impl AllocError {
    /// Returns the reason of the error.
    #[must_use]
    pub fn kind(&self) -> AllocErrorKind {
        self.kind
    }

    /// Returns the requested number of bytes.
    #[must_use]
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// Returns the name of the budget that is exhausted, or that has waiters.
    #[must_use]
    pub fn budget(&self) -> Option<&str> {
        self.budget.as_deref()
    }

    /// Returns the number of bytes that were in use: those that the pool's limit counts, or those charged to the
    /// budget.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Returns the limit in bytes, if there is one.
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
