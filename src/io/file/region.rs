//! A range of a file, which is sent like a buffer.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::sys;

/// A range of an open file, which can be sent without reading it into memory.
///
/// A region keeps the file open and has the position of the next byte to send, which advances by exactly
/// the number of sent bytes. Clones and slices share one descriptor; the last region closes it. The
/// file's own cursor is neither used nor moved, so any number of regions can send one file at the same
/// time.
///
/// The kernel sends the pages of the file themselves: a change of the file after the call may reach the
/// peer. Send files that do not change.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::FileRegion;
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("greeting.txt");
/// std::fs::write(&path, "hello, kernel")?;
/// let mut body = FileRegion::open(&path)?.slice(7..13);
///
/// let (out, mut peer) = UnixStream::pair()?;
/// while !body.is_empty() {
///     body.transfer_to(&out)?;
/// }
/// drop(out);
///
/// let mut received = String::new();
/// peer.read_to_string(&mut received)?;
/// assert_eq!(received, "kernel");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias = "DefaultFileRegion")]
pub struct FileRegion {
    file: Arc<File>,
    /// Offsets in the file of the next byte and of the end: `next <= end`.
    next: u64,
    end: u64,
    /// The method to try first: the one that worked last.
    pub(super) method: Method,
}

/// The transfer methods, in the order of the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// From a file to any descriptor, in one system call.
    #[cfg(unix)]
    Sendfile,
    /// Through a pipe, where `sendfile` is forbidden.
    #[cfg(unix)]
    Splice,
    /// From a file to a file.
    #[cfg(unix)]
    CopyRange,
    /// Through a scratch buffer: always works.
    Copy,
}

impl Method {
    pub(crate) const fn first() -> Self {
        #[cfg(unix)]
        return Self::Sendfile;
        #[cfg(not(unix))]
        return Self::Copy;
    }
}

impl FileRegion {
    /// Opens the file at `path` and returns a region of all its current bytes.
    ///
    /// The region does not grow with the file. Files that the kernel generates while they are read (those
    /// of `/proc`, for example) report a length of 0, so their region is empty: use [`new`](Self::new)
    /// with a range for them.
    ///
    /// # Errors
    ///
    /// Those of opening a file; [`NotRegularFile`](crate::NotRegularFile) (as the source of the error)
    /// for a directory, a FIFO, a socket or a device; [`io::ErrorKind::WouldBlock`] if another process
    /// holds a lease on the file. It never waits for a writer of a FIFO or the holder of a lease.
    ///
    /// # Cost
    ///
    /// Three system calls, one allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("page.html");
    /// std::fs::write(&path, "<html>")?;
    /// let page = FileRegion::open(&path)?;
    /// assert_eq!((page.position(), page.len()), (0, 6));
    /// assert!(FileRegion::open(dir.path()).is_err(), "a directory has no bytes to send");
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        let (file, len) = sys::open_regular(File::options().read(true), path.as_ref())?;
        Ok(Self::new(file, 0..len))
    }

    /// Creates a region of the bytes of `file` at the offsets in `range`. The range is not checked
    /// against the file until the file is read. One allocation, unless the file is in an `Arc`.
    ///
    /// # Panics
    ///
    /// If `range` starts after its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(5 << 30)?; // sparse
    /// let tail = FileRegion::new(file, (5 << 30) - 10..5 << 30);
    /// assert_eq!((tail.position(), tail.len()), ((5 << 30) - 10, 10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(file: impl Into<Arc<File>>, range: Range<u64>) -> Self {
        assert!(
            range.start <= range.end,
            "file range starts at {} but ends at {}",
            range.start,
            range.end
        );
        Self { file: file.into(), next: range.start, end: range.end, method: Method::first() }
    }

    /// Returns the number of bytes that have not been sent.
    #[doc(alias = "count")]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end - self.next
    }

    /// Returns the same number as [`len`](Self::len), under the name that cursors use.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.len()
    }

    /// Returns whether all bytes have been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// Returns the offset in the file of the next byte to be sent.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Returns the file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the part of this region in `range`, which is relative to the next byte to send.
    ///
    /// # Panics
    ///
    /// If `range` starts after its end or ends after the region.
    ///
    /// # Cost
    ///
    /// One atomic increment; no system call.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    ///
    /// let file = FileRegion::new(tempfile::tempfile()?, 0..1000);
    /// let range = file.slice(200..300); // for a request with `Range: bytes=200-299`
    /// assert_eq!((range.position(), range.len()), (200, 100));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "range {}..{} of a region of {} bytes",
            range.start,
            range.end,
            self.len()
        );
        // Both sums are at most `end`, so neither can wrap.
        Self { next: self.next + range.start, end: self.next + range.end, ..self.clone() }
    }

    /// Removes the first `at` bytes from this region and returns them as another region. One atomic
    /// increment.
    ///
    /// # Panics
    ///
    /// If `at` is more than [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    ///
    /// let mut rest = FileRegion::new(tempfile::tempfile()?, 0..100);
    /// let first = rest.split_to(30);
    /// assert_eq!((first.position(), first.len()), (0, 30));
    /// assert_eq!((rest.position(), rest.len()), (30, 70));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the bytes have left this region"]
    pub fn split_to(&mut self, at: u64) -> Self {
        let first = self.slice(0..at);
        self.next = first.end;
        first
    }

    /// Skips the first `n` bytes.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`len`](Self::len).
    pub fn advance(&mut self, n: u64) {
        assert!(n <= self.len(), "{n} bytes of a region of {} bytes", self.len());
        self.next += n;
    }

    /// Shortens the region to its first `len` bytes. Does nothing if it has at most that many.
    pub fn truncate(&mut self, len: u64) {
        self.end -= self.len().saturating_sub(len);
    }

    /// Returns whether earlier calls found that the bytes must be spliced through a pipe, in pieces.
    #[cfg(unix)]
    pub(crate) fn is_sent_in_pieces(&self) -> bool {
        self.method == Method::Splice
    }

    /// Returns whether earlier calls found that the bytes must be copied.
    pub(crate) fn must_copy(&self) -> bool {
        self.method == Method::Copy
    }
}

impl fmt::Debug for FileRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRegion")
            .field("file", &self.file)
            .field("range", &(self.next..self.end))
            .finish()
    }
}

#[cfg(all(test, unix))]
mod tests;
