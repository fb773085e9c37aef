//! Mapped files, as views.
//!
//! One function is unsafe: the caller of [`MappedFile::map`] must keep FM3 of `sys/file_mapping.rs`. The safe
//! constructors keep it themselves:
//!
//! * **MF1** [`MappedFile::sealed`] takes only files whose seals forbid both writing and shrinking, and seals
//!   cannot be removed.
//! * **MF2** [`MappedFile::snapshot`] copies into a new file that it seals, or into memory.

#![allow(unsafe_code, reason = "mapping a file that may change is unsafe for the caller")]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::buf::ByteView;
use crate::io::file::region::FileRegion;
use crate::io::file::truncated::FileTruncated;
use crate::sys::{self, Advice, FileMapping};

/// A file, or a part of one, that is mapped into memory read-only.
///
/// It derefs to a [`ByteView`], whose clones and slices keep the mapping alive.
///
/// A mapping shows the current contents of the file. If the file is shortened, reading behind its end kills
/// the process (SIGBUS). If it is written to, bytes change under a shared reference. So the safe constructors
/// take files that cannot change, or copy the file; [`map`](Self::map) is for callers that know that their
/// file does not change. [`MappedFileMut`](crate::MappedFileMut) writes to a mapped file.
///
/// To send a file, or to read a changing one, use a [`FileRegion`]: measured, sending from a mapping takes
/// more CPU time than `sendfile` at every size.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::MappedFile;
/// use std::io::Write;
///
/// let mut file = tempfile::tempfile()?;
/// file.write_all(b"an index, searched often")?;
///
/// let map = MappedFile::snapshot(&file, 3..8)?;
/// file.set_len(0)?;
/// let index = map.slice(..5);
/// drop(map);
/// assert_eq!(&index[..], b"index");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "MappedByteBuffer")]
pub struct MappedFile {
    /// `None` if no bytes are mapped: the range is empty, or it was copied to memory.
    mapping: Option<Arc<FileMapping>>,
    view: ByteView,
}

/// Returns whether the range has bytes to map. Fails if the file ends before the range does or is not a
/// regular file.
pub(super) fn has_bytes(file: &File, range: &Range<u64>) -> io::Result<bool> {
    assert!(range.start <= range.end, "file range {}..{}", range.start, range.end);
    let file_len = sys::regular_len(file)?;
    if range.is_empty() {
        return Ok(false);
    }
    if file_len < range.end {
        return Err(FileTruncated::new(range.end, file_len).into());
    }
    Ok(true)
}

/// A shared mapping, as the owner of the bytes of a view.
pub(in crate::io) struct Shared(Arc<FileMapping>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl MappedFile {
    /// Maps a whole file that is sealed against writing and shrinking (a `memfd`).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the file is not sealed in this way, as files on a disk never are;
    /// otherwise those of mapping.
    ///
    /// # Cost
    ///
    /// Two system calls. Pages are read when they are first accessed.
    pub fn sealed(file: &File) -> io::Result<Self> {
        if !sys::is_sealed(file)? {
            let message = "the file is not sealed against writing and shrinking";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let len = sys::regular_len(file)?;
        // SAFETY: the file is sealed against all changes (MF1).
        unsafe { Self::map(file, 0..len) }
    }

    /// Copies a range of a file into new memory and maps that. Later changes of the file are not visible.
    ///
    /// # Errors
    ///
    /// [`FileTruncated`](crate::FileTruncated) (as the source of the error) if the file ends before the range
    /// does; [`NotRegularFile`](crate::NotRegularFile) (as the source) for a directory, a FIFO, a socket or a
    /// device; otherwise those of reading and mapping.
    ///
    /// # Panics
    ///
    /// If `range` starts after its end.
    ///
    /// # Cost
    ///
    /// One copy by the kernel; on systems without sealed files, into pooled memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFile;
    /// use std::io::{Seek, Write};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"version 1")?;
    /// let snapshot = MappedFile::snapshot(&file, 0..9)?;
    /// file.rewind()?;
    /// file.write_all(b"VERSION 2")?;
    /// assert_eq!(&snapshot[..], b"version 1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn snapshot(file: &File, range: Range<u64>) -> io::Result<Self> {
        sys::regular_len(file)?;
        let mut region = FileRegion::new(sys::duplicate(file)?, range);
        let copy = match sys::sealable_file() {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                return Ok(Self { mapping: None, view: region.read_all()? });
            }
            copy => copy?,
        };
        while !region.is_empty() {
            region.transfer_to(&copy)?;
        }
        sys::seal(&copy)?;
        Self::sealed(&copy)
    }

    /// Maps a range of a file.
    ///
    /// # Safety
    ///
    /// While the mapping or any view of it exists, no process may write to this range of the file or shorten
    /// the file below the end of the range.
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
    /// Two system calls and two allocations. Pages are read when they are first accessed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::MappedFile;
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(&[7; 10_000])?;
    /// // SAFETY: the file has no name and no other descriptor, and is not written to any more.
    /// let map = unsafe { MappedFile::map(&file, 5000..10_000)? };
    /// assert_eq!(map.len(), 5000);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "mmap")]
    pub unsafe fn map(file: &File, range: Range<u64>) -> io::Result<Self> {
        if !has_bytes(file, &range)? {
            return Ok(Self::default());
        }
        // SAFETY: the caller keeps the contract of this function.
        Ok(Self::over(unsafe { FileMapping::new(file, range)? }))
    }

    pub(super) fn over(mapping: FileMapping) -> Self {
        let mapping = Arc::new(mapping);
        let view = ByteView::from_owner(Shared(mapping.clone()));
        Self { mapping: Some(mapping), view }
    }

    /// Returns a view of all bytes, which keeps the mapping alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{ByteView, MappedFile, WriteQueue};
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"head and body")?;
    /// let body: ByteView = MappedFile::snapshot(&file, 0..13)?.view().slice(9..);
    ///
    /// // The view keeps the mapping alive, and is sent as any other bytes.
    /// let (mut queue, mut out) = (WriteQueue::new(), Vec::new());
    /// queue.push(body);
    /// assert!(queue.flush_into(&mut out)?.is_done());
    /// assert_eq!(out, b"body");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn view(&self) -> &ByteView {
        &self.view
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
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Advice, MappedFile};
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(&[7; 100_000])?;
    /// let map = MappedFile::snapshot(&file, 0..100_000)?;
    /// map.advise(Advice::Sequential)?;
    /// assert_eq!(map.iter().filter(|byte| **byte == 7).count(), 100_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn advise(&self, advice: Advice) -> io::Result<()> {
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.advise(advice))
    }

    /// Reads all pages into memory and waits for them, so that later accesses do not block.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    ///
    /// # Cost
    ///
    /// The time of the disk; about 0.1 microseconds for a page that is already in memory.
    #[doc(alias = "load")]
    #[doc(alias = "warmMappedFile")]
    pub fn warm(&self) -> io::Result<()> {
        self.mapping.as_ref().map_or(Ok(()), |mapping| mapping.populate())
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

impl Deref for MappedFile {
    type Target = ByteView;

    fn deref(&self) -> &ByteView {
        &self.view
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::sys::NotRegularFile;
    use crate::test_io::file_with;

    #[test]
    fn a_snapshot_is_the_range_and_outlives_the_file() {
        let contents: Vec<u8> = (0..100_000_u32).map(|i| (i / 3) as u8).collect();
        let mut file = file_with(&contents);
        for range in [0..100_000_u64, 1..99_999, 4096..8192, 70_000..70_000] {
            let expected = &contents[range.start as usize..range.end as usize];
            let map = MappedFile::snapshot(&file, range).unwrap();
            map.advise(Advice::Random).unwrap();
            map.warm().unwrap();
            assert!(map[..] == *expected);
            let half = map.view().slice(expected.len() / 2..);
            drop(map);
            assert!(half == expected[expected.len() / 2..]);
        }
        let map = MappedFile::snapshot(&file, 0..100_000).unwrap();
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(&[0; 100_000]).unwrap();
        assert!(map[..] == contents[..], "neither truncating nor writing reaches it");
    }

    #[test]
    fn files_that_can_change_are_not_mapped_safely() {
        let error = MappedFile::sealed(&file_with(b"on a disk")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_not_a_regular_file_is_not_mapped() {
        let zero = File::options().read(true).write(true).open("/dev/zero").unwrap();
        let directory = File::open(std::env::temp_dir()).unwrap();
        for (file, range) in [(&zero, 0..0), (&zero, 0..100), (&directory, 0..100)] {
            // SAFETY: nothing is mapped.
            let mapped = unsafe { MappedFile::map(file, range.clone()) };
            // SAFETY: nothing is mapped.
            let written = unsafe { crate::MappedFileMut::map(file, range.clone()) };
            for error in [
                mapped.unwrap_err(),
                written.unwrap_err(),
                MappedFile::snapshot(file, range).unwrap_err(),
            ] {
                assert!(error.get_ref().unwrap().is::<NotRegularFile>(), "{error}");
            }
        }
    }

    #[test]
    fn a_range_past_the_end_is_an_error_before_any_access() {
        let file = file_with(&[1; 5000]);
        // SAFETY: nothing else has the file open, and it is not written to.
        let mapped = unsafe { MappedFile::map(&file, 0..5001) };
        for error in [mapped.unwrap_err(), MappedFile::snapshot(&file, 0..5001).unwrap_err()] {
            let truncated = error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
            assert_eq!((truncated.expected(), truncated.found()), (5001, 5000));
        }
    }

    #[test]
    fn any_part_of_a_file_can_be_mapped() {
        let contents: Vec<u8> = (0..20_000_u32).map(|i| (i / 7) as u8).collect();
        let file = file_with(&contents);
        for (start, end) in [(0, 20_000), (4095, 4097), (4096, 4096), (19_999, 20_000)] {
            // SAFETY: nothing else has the file open, and it is not written to.
            let map = unsafe { MappedFile::map(&file, start as u64..end as u64) }.unwrap();
            map.warm().unwrap();
            assert!(map[..] == contents[start..end]);
        }
    }
}
