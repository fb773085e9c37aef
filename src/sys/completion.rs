//! [`Completion`].

/// What the kernel reports when it no longer reads the memory of some sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The numbers of the first and the last send that have ended; the numbers between them may wrap.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// The kernel copied the bytes after all.
    pub(crate) copied: bool,
}

impl Completion {
    /// Returns the number of sends that have ended, at least one.
    pub(crate) fn sends(self) -> u64 {
        u64::from(self.last.wrapping_sub(self.first)) + 1
    }
}
