//! Completions of zero-copy sends.

/// A report of the kernel that it no longer reads the memory of some sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The numbers of the first and the last send that ended; the range may wrap.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Whether the kernel copied the bytes.
    pub(crate) copied: bool,
}

impl Completion {
    /// Returns the number of sends that ended, at least one.
    pub(crate) fn sends(self) -> u64 {
        u64::from(self.last.wrapping_sub(self.first)) + 1
    }
}
