//! Reading the bytes of a region into memory.

use std::io;

use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::io::file::truncated::FileTruncated;
use crate::io::scratch;
use crate::sys;

impl FileRegion {
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
        let at = self.position() + offset;
        let read = match scratch::fill(buf, want, |spare| sys::read_at(self.file(), spare, at)) {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                scratch::fill_from_blocks(buf, want, at, |spare, at| {
                    sys::read_at(self.file(), spare, at)
                })
            }
            other => other,
        };
        match read? {
            0 => Err(FileTruncated::new(self.position() + self.len(), at).into()),
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
        sys::will_need(self.file(), self.position(), self.len())
    }
}
