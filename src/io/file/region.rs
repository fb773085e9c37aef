//! A range of a file, which is sent like a buffer.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::buf::{ByteBuf, ByteView};
use crate::io::scratch;
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

    /// Reads into the spare capacity of `buf`, starting `offset` bytes after the region's next byte, and
    /// returns the number of bytes. The region does not advance.
    ///
    /// Reads at most to the end of the region or of the spare capacity, and may read less, as `read`
    /// does. Returns 0 if either is reached.
    ///
    /// # Errors
    ///
    /// [`FileTruncated`] (as the source of the error) if the file ends before the region does; otherwise
    /// those of reading a file. `buf` does not change.
    ///
    /// # Cost
    ///
    /// One system call and one copy; blocks if the pages are not in memory. For a file opened for direct
    /// I/O, if the range or the memory is not aligned to blocks of 4 KiB: another call, at most 64 KiB at
    /// a time, and another copy.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{ByteBuf, FileRegion};
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"head and body")?;
    /// let region = FileRegion::new(file, 0..13);
    ///
    /// let mut buf = ByteBuf::with_capacity(64);
    /// assert_eq!(region.read_at(9, &mut buf)?, 4);
    /// assert_eq!(&buf[..], b"body");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at(&self, offset: u64, buf: &mut ByteBuf) -> io::Result<usize> {
        let want = (buf.capacity() - buf.len()).min(sys::MAX_BYTES);
        let left = self.len().saturating_sub(offset);
        let want = usize::try_from(left).map_or(want, |left| left.min(want));
        if want == 0 {
            return Ok(0);
        }
        let at = self.next + offset;
        let read = match scratch::fill(buf, want, |spare| sys::read_at(&self.file, spare, at)) {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                scratch::fill_from_blocks(buf, want, at, |spare, at| {
                    sys::read_at(&self.file, spare, at)
                })
            }
            other => other,
        };
        match read? {
            0 => Err(self.truncated(at)),
            read => Ok(read),
        }
    }

    /// Reads the whole region into memory. The region does not advance.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at); [`io::ErrorKind::OutOfMemory`] if the global pool has no memory for
    /// the region.
    ///
    /// # Cost
    ///
    /// One allocation and one copy; blocks if the pages are not in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"head and body")?;
    /// let body = FileRegion::new(file, 9..13);
    /// assert_eq!(body.read_all()?, "body");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_all(&self) -> io::Result<ByteView> {
        let len = usize::try_from(self.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = scratch::block(len)?;
        while bytes.len() < len {
            self.read_at(bytes.len() as u64, &mut bytes)?;
        }
        Ok(bytes.freeze())
    }

    /// Asks the kernel to read the region from the disk in the background, so that a later send does not
    /// block the thread.
    ///
    /// # Errors
    ///
    /// Those of `posix_fadvise`, which fails for a pipe.
    ///
    /// # Cost
    ///
    /// One system call that returns when the reads are queued. Does nothing on systems without such a
    /// call.
    pub fn prefetch(&self) -> io::Result<()> {
        sys::will_need(&self.file, self.next, self.len())
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

    /// Returns the error for a file that ends at `at`, before the region ends.
    pub(super) fn truncated(&self, at: u64) -> io::Error {
        FileTruncated::new(self.end, at).into()
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

/// A file ends before a [`FileRegion`] of it does: the file was truncated, or was always shorter than the
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

#[cfg(all(test, unix))]
mod tests;
