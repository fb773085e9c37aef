//! Mapped files that are written in memory.
//!
//! One function is unsafe, as in `mapped.rs`: the caller of [`MappedFileMut::map`] must keep FM3 of
//! `sys/file_mapping.rs`. Rules:
//!
//! * **MM1** A file created by [`MappedFileMut::create_in`] has no name and one descriptor while it is mapped,
//!   so no other code shortens or writes it. Disk blocks are allocated for all of it.
//! * **MM2** Only when the mapping ends, the file gets a name and the caller gets its descriptor.
//! * **MM3** After a failed flush every further flush fails: the kernel may have dropped the pages, and a
//!   second `msync` would not report it. A flush looks at the length of the file afterwards: it succeeds for
//!   pages that were cut off.

#![allow(unsafe_code, reason = "mapping a file that others may have is the caller's promise")]

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut, Range, RangeBounds};
use std::path::Path;

use crate::buf::range;
use crate::io::file::mapped::{MappedFile, has_bytes};
use crate::io::file::truncated::FileTruncated;
use crate::sys::{self, Advice, FileMappingMut};

/// A file, or a part of one, that is mapped into memory for writing.
///
/// It derefs to a mutable slice, and [`flush`](Self::flush) syncs a range of it to the disk. When all bytes
/// are written, [`freeze`](Self::freeze) turns it into a [`MappedFile`], whose views are shared, or
/// [`persist`](Self::persist) gives the file a name atomically: other processes find the complete file or
/// none.
///
/// # What SIGBUS can do
///
/// Accessing a mapped page that the file system cannot provide kills the process. There are four causes. The
/// file was shortened: [`create_in`](Self::create_in) creates a file that no other code can open. The disk is
/// full: `create_in` allocates all disk blocks at the start. The disk fails, and a page that was written back
/// and evicted cannot be read again: [`lock`](Self::lock) keeps the pages in memory. The file system copies on
/// write and has no space for the copy: no method prevents this.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::MappedFileMut;
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let mut index = MappedFileMut::create_in(directory, 100_000)?;
/// index[..4].copy_from_slice(b"head");
/// index.flush(..4)?;
/// index[50_000] = 1;
///
/// index.persist(directory.join("index"))?;
/// assert_eq!(std::fs::read(directory.join("index"))?.len(), 100_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "MappedByteBuffer")]
#[doc(alias = "MmapMut")]
pub struct MappedFileMut {
    /// `None` if the range is empty.
    mapping: Option<FileMappingMut>,
    file: File,
    /// The offset in the file at which the mapped range ends.
    end: u64,
    failed: bool,
}

impl MappedFileMut {
    /// Creates a file of `len` zeros in a directory, without a name, and maps it.
    ///
    /// No other code can open the file. It is removed with the mapping, unless [`persist`](Self::persist)
    /// names it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if the disk has no space for the file; [`io::ErrorKind::Unsupported`] if
    /// the file system has no files without names; otherwise those of creating and mapping a file.
    ///
    /// # Cost
    ///
    /// Three system calls. If the file system cannot allocate blocks in advance, `len` zeros are written. The
    /// first access to a page takes 1 to 2 microseconds: see [`warm`](Self::warm).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFileMut;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let mut map = MappedFileMut::create_in(dir.path(), 4096)?;
    /// map[..5].copy_from_slice(b"hello");
    /// assert_eq!((map.len(), map[5]), (4096, 0));
    /// assert_eq!(std::fs::read_dir(dir.path())?.count(), 0, "it has no name yet");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_in(directory: impl AsRef<Path>, len: usize) -> io::Result<Self> {
        let file = sys::unnamed_file(directory.as_ref())?;
        if len > 0 {
            sys::fill_with_zeros(&file, len as u64)?;
        }
        // SAFETY: no other code has the file open, and its length is `len` (MM1 and MM2).
        unsafe { Self::over(file, 0..len as u64) }
    }

    /// Maps a range of a file, which must be open for reading and writing.
    ///
    /// # Safety
    ///
    /// While the mapping exists, or any view of the [frozen](Self::freeze) file, no process may write to this
    /// range of the file, map it for writing, read it through another mapping, or shorten the file below the
    /// end of the range.
    ///
    /// # Errors
    ///
    /// [`FileTruncated`](crate::FileTruncated) (as the source of the error) if the file now ends before the
    /// range does; [`NotRegularFile`](crate::NotRegularFile) (as the source) for a directory, a FIFO, a socket
    /// or a device; otherwise those of mapping.
    ///
    /// # Panics
    ///
    /// If `range` starts after its end.
    ///
    /// # Cost
    ///
    /// Three system calls. Pages are read when they are first accessed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFileMut;
    ///
    /// let file = tempfile::tempfile()?;
    /// file.set_len(10_000)?;
    /// // SAFETY: the file has no name, and its other descriptor is not used.
    /// let mut map = unsafe { MappedFileMut::map(&file, 5000..10_000)? };
    /// map[0] = b'x';
    /// map.flush(..)?;
    /// # Ok(())
    /// # }
    /// ```
    pub unsafe fn map(file: &File, range: Range<u64>) -> io::Result<Self> {
        // SAFETY: the caller keeps the contract of `map`.
        unsafe { Self::over(sys::duplicate(file)?, range) }
    }

    /// # Safety
    ///
    /// As [`map`](Self::map).
    unsafe fn over(file: File, range: Range<u64>) -> io::Result<Self> {
        let end = range.end;
        let mapping = match has_bytes(&file, &range)? {
            // SAFETY: the caller keeps the contract of `map`.
            true => Some(unsafe { FileMappingMut::new(&file, range)? }),
            false => None,
        };
        Ok(Self { mapping, file, end, failed: false })
    }

    /// Writes the pages of a range to the disk, and waits until they are there.
    ///
    /// No method only starts the write: Linux writes changed pages by itself after some seconds, and `msync`
    /// with `MS_ASYNC` does nothing.
    ///
    /// # Errors
    ///
    /// Those of writing to the disk; [`FileTruncated`](crate::FileTruncated) (as the source of the error) if the
    /// file now ends before the mapped range does, against the condition of [`map`](Self::map). After an error the
    /// contents of the disk are not known, and every further `flush` and [`persist`](Self::persist) fails.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Cost
    ///
    /// Two system calls, and the time of the disk for the changed pages of the range.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFileMut;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let mut map = MappedFileMut::create_in(dir.path(), 1 << 20)?;
    /// map[8192] = 1;
    /// map.flush(8192..8193)?; // waits for one page, not for all
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "force")]
    #[doc(alias = "msync")]
    pub fn flush(&mut self, range: impl RangeBounds<usize>) -> io::Result<()> {
        let range = range::of(range, self.len());
        self.check()?;
        let Some(mapping) = self.mapping.as_ref().filter(|_| !range.is_empty()) else {
            return Ok(());
        };
        self.failed = true;
        mapping.flush(range)?;
        self.check_len()?;
        self.failed = false;
        Ok(())
    }

    /// Fails after a failed flush (MM3).
    fn check(&self) -> io::Result<()> {
        let message = "an earlier flush of the file failed";
        if self.failed { Err(io::Error::other(message)) } else { Ok(()) }
    }

    /// Fails if the file ends before the mapped range does.
    fn check_len(&self) -> io::Result<()> {
        match sys::len_of(&self.file)? {
            found if found < self.end => Err(FileTruncated::new(self.end, found).into()),
            _ => Ok(()),
        }
    }

    /// Ends writing and returns a read-only mapping that can be shared. Closes the descriptor.
    ///
    /// # Cost
    ///
    /// One system call; nothing is copied.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{ByteView, MappedFileMut};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let mut map = MappedFileMut::create_in(dir.path(), 5)?;
    /// map.copy_from_slice(b"index");
    /// let index: ByteView = map.freeze().view().clone();
    /// let reader = std::thread::spawn(move || index == "index");
    /// assert!(reader.join().unwrap());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn freeze(self) -> MappedFile {
        match self.mapping {
            Some(mapping) => MappedFile::over(mapping.into_shared()),
            None => MappedFile::default(),
        }
    }

    /// Syncs the file to the disk, gives it a name, which must be free, and returns it. After a crash the
    /// complete file has the name, or no file does.
    ///
    /// This value is then empty, because other code can now open and shorten the file. After an error it is
    /// unchanged, with one exception: if it is empty, the file has its name, and only the sync of the
    /// directory failed.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken; [`io::ErrorKind::CrossesDevices`] if `path` is
    /// on another file system than the file; otherwise those of writing to the disk, as for
    /// [`flush`](Self::flush).
    ///
    /// # Cost
    ///
    /// The time of the disk; on systems other than Linux, a copy of the file.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFileMut;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("index");
    /// let mut map = MappedFileMut::create_in(dir.path(), 5)?;
    /// map.copy_from_slice(b"index");
    /// map.persist(&path)?;
    /// assert_eq!(std::fs::read(&path)?, b"index");
    /// # Ok(())
    /// # }
    /// ```
    pub fn persist(&mut self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        self.check()?;
        // Duplicated before the file gets its name: after that, no step may fail until the mapping has ended
        // (MM2).
        let mut file = sys::duplicate(&self.file)?;
        self.failed = true;
        sys::sync_data(&self.file)?;
        self.check_len()?;
        self.failed = false;
        sys::give_name(&mut file, path)?;
        self.mapping = None;
        sys::sync_directory_of(path)?;
        Ok(file)
    }

    /// Advises the kernel how the memory will be used.
    ///
    /// # Errors
    ///
    /// Those of `madvise`.
    ///
    /// # Cost
    ///
    /// One system call.
    pub fn advise(&self, advice: Advice) -> io::Result<()> {
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.advise(advice))
    }

    /// Reads all pages into memory, ready for writing, and waits for them, so that later accesses do not
    /// block.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    ///
    /// # Cost
    ///
    /// The time of the disk, and about a microsecond for a page that was never accessed.
    #[doc(alias = "load")]
    pub fn warm(&mut self) -> io::Result<()> {
        self.mapping.as_mut().map_or(Ok(()), FileMappingMut::populate_mut)
    }

    /// Locks the pages in memory while the mapping exists.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::OutOfMemory`] if the user may not lock that much memory.
    ///
    /// # Cost
    ///
    /// One system call, which reads the pages that are not in memory.
    #[doc(alias = "mlock")]
    pub fn lock(&self) -> io::Result<()> {
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.lock())
    }
}

impl Deref for MappedFileMut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.mapping.as_ref().map_or(&[], |mapping| mapping.as_ref())
    }
}

impl DerefMut for MappedFileMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.mapping.as_mut().map_or(&mut [], FileMappingMut::as_mut)
    }
}

#[cfg(test)]
mod tests;
