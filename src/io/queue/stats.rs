//! Counters of a queue.

/// Counters of a [`WriteQueue`](crate::WriteQueue) since its creation.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::WriteQueue;
///
/// let mut queue = WriteQueue::new();
/// for _ in 0..100 {
///     queue.push("tiny");
/// }
/// # #[cfg(unix)] {
/// let (out, _peer) = std::os::unix::net::UnixStream::pair()?;
/// assert!(queue.flush(&out)?.is_done());
/// let stats = queue.stats();
/// assert_eq!((stats.system_calls(), stats.entries, stats.merged_bytes), (1, 1, 400));
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Gathered writes: `sendmsg` or `writev`, or `write_vectored` of a writer.
    pub writes: u64,
    /// Slices of memory passed to those writes.
    pub entries: u64,
    /// Bytes that those writes took.
    pub written_bytes: u64,
    /// Calls of `sendfile`, or of `splice` or `copy_file_range` where `sendfile` is refused.
    pub sendfiles: u64,
    /// Bytes of files that the kernel sent without reading them into the process.
    pub sendfile_bytes: u64,
    /// System calls that read `TCP_CORK` and `TCP_NODELAY`, and set and clear the latter, so that no bytes wait for
    /// an acknowledgement.
    pub corks: u64,
    /// Reads of files into memory.
    pub reads: u64,
    /// Bytes of files that were read into memory.
    pub read_bytes: u64,
    /// Bytes of small parts that were copied together.
    pub merged_bytes: u64,
    /// Zero-copy sends: `sendmsg` with `MSG_ZEROCOPY`. `writes` does not include them.
    pub zero_copy_sends: u64,
    /// Bytes that those sends took.
    pub zero_copy_bytes: u64,
    /// Zero-copy sends that have completed.
    pub zero_copy_completions: u64,
    /// The number of those that the kernel copied after all.
    pub zero_copy_copied: u64,
    /// Zero-copy sends that the kernel refused and that were repeated with a copy.
    pub zero_copy_fallbacks: u64,
    /// Further system calls for zero-copy: to prepare a socket, to identify it, to read completions.
    pub zero_copy_controls: u64,
    /// Operations created for a completion ring. They are not system calls of the queue.
    pub operations: u64,
    /// Bytes that those operations sent.
    pub operation_bytes: u64,
    /// The number of zero-copy operations.
    pub zero_copy_operations: u64,
    /// The number of those that the kernel copied after all.
    pub copied_operations: u64,
    /// The number of zero-copy operations that the kernel refused.
    pub refused_operations: u64,
}

impl QueueStats {
    /// All counters at 0. `Default` is not `const`.
    pub(super) const ZERO: Self = Self {
        writes: 0,
        entries: 0,
        written_bytes: 0,
        sendfiles: 0,
        sendfile_bytes: 0,
        corks: 0,
        reads: 0,
        read_bytes: 0,
        merged_bytes: 0,
        zero_copy_sends: 0,
        zero_copy_bytes: 0,
        zero_copy_completions: 0,
        zero_copy_copied: 0,
        zero_copy_fallbacks: 0,
        zero_copy_controls: 0,
        operations: 0,
        operation_bytes: 0,
        zero_copy_operations: 0,
        copied_operations: 0,
        refused_operations: 0,
    };

    /// Returns the total number of system calls. A call that is repeated after a signal counts once.
    #[must_use]
    pub fn system_calls(&self) -> u64 {
        let zero_copy = self.zero_copy_sends + self.zero_copy_fallbacks + self.zero_copy_controls;
        self.writes + self.sendfiles + self.corks + self.reads + zero_copy
    }
}
