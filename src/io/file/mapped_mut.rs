//! A file in memory that is written there.
//!
//! Unsafe in one signature, as in `mapped.rs`: the caller of [`MappedFileMut::map`] must keep FM3 of
//! `sys/file_mapping.rs`. Rules:
//!
//! * **MM1** A file made by [`MappedFileMut::create_in`] has no name and one descriptor while it is mapped, so
//!   nothing else shortens or writes it; and disk blocks are allocated for all of it.
//! * **MM2** The caller gets its descriptor, and it gets a name, only when the mapping ends.
//! * **MM3** After a failed flush every further flush fails: the kernel may have dropped the pages, and a
//!   second `msync` would not report it.

#![allow(unsafe_code, reason = "mapping a file that others may have is the caller's promise")]

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut, Range, RangeBounds};
use std::path::Path;

use crate::buf::range;
use crate::io::file::mapped::{MappedFile, is_there};
use crate::sys::{self, Advice, FileMappingMut};

/// A file, or a part of one, mapped into memory to be written there.
///
/// It is a mutable slice; [`flush`](Self::flush) syncs a range of it to the disk. When it is
/// written, [`freeze`](Self::freeze) turns it into a [`MappedFile`], whose views are shared, or
/// [`persist`](Self::persist) gives the file a name atomically: other processes find it whole or not
/// at all.
///
/// # What SIGBUS can do
///
/// Accessing a mapped page that the file system cannot provide kills the process. There are four
/// causes. The file was shortened: [`create_in`](Self::create_in) makes a file that nothing else can
/// open. The disk is full: `create_in` allocates all disk blocks at the start. The disk fails, and a
/// page that was written back and dropped cannot be read again: [`lock`](Self::lock) keeps the pages
/// in memory. The file system copies on write and has no space for the copy: nothing prevents that.
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
    /// None if there are no bytes.
    mapping: Option<FileMappingMut>,
    file: File,
    failed: bool,
}

impl MappedFileMut {
    /// Makes a file of `len` zeros in a directory, without a name, and maps it.
    ///
    /// Nothing else can open it. It is removed with the mapping, unless [`persist`](Self::persist) names
    /// it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if the disk has no space for all of it,
    /// [`io::ErrorKind::Unsupported`] if the file system has no files without names; those of
    /// making and mapping a file otherwise.
    ///
    /// # Cost
    ///
    /// Three system calls. Where the file system cannot allocate blocks in advance, `len` zeros are
    /// written. Pages come in as they are touched, at 1 to 2 microseconds each: see
    /// [`warm`](Self::warm).
    pub fn create_in(directory: impl AsRef<Path>, len: usize) -> io::Result<Self> {
        let file = sys::unnamed_file(directory.as_ref())?;
        if len > 0 {
            sys::fill_with_zeros(&file, len as u64)?;
        }
        // SAFETY: nothing else has the file open, and it is as long as that (MM1 and MM2).
        unsafe { Self::over(file, 0..len as u64) }
    }

    /// Maps a range of a file, which must be open for reading and writing.
    ///
    /// # Safety
    ///
    /// As long as the mapping lives, or any view of what it was [frozen](Self::freeze) into, neither
    /// this process nor another may write to this range of the file, map it to be written, read it
    /// through another mapping, or make the file shorter than the end of the range.
    ///
    /// # Errors
    ///
    /// [`FileTruncated`](crate::FileTruncated) (as the source of the error) if the file ends before the
    /// range does now, [`NotRegularFile`](crate::NotRegularFile) for a directory, a FIFO, a socket or a
    /// device; those of mapping otherwise.
    ///
    /// # Panics
    ///
    /// If `range` starts after its end.
    ///
    /// # Cost
    ///
    /// Three system calls; pages come in as they are touched.
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
        // SAFETY: as the caller promises.
        unsafe { Self::over(sys::duplicate(file)?, range) }
    }

    /// # Safety
    ///
    /// As [`map`](Self::map).
    unsafe fn over(file: File, range: Range<u64>) -> io::Result<Self> {
        let mapping = match is_there(&file, &range)? {
            // SAFETY: as the caller promises.
            true => Some(unsafe { FileMappingMut::new(&file, range)? }),
            false => None,
        };
        Ok(Self { mapping, file, failed: false })
    }

    /// Writes a range to the disk, with the rest of its pages, and waits for that.
    ///
    /// Linux begins to write changed pages by itself after some seconds, so there is no method that
    /// only begins it: `msync` with `MS_ASYNC` does nothing.
    ///
    /// # Errors
    ///
    /// Those of writing to the disk. After one, the contents of the disk are not known, and every
    /// further `flush` and [`persist`](Self::persist) fails.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Cost
    ///
    /// One system call, and the disk's time for the changed pages of the range.
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
        self.failed = false;
        Ok(())
    }

    /// Fails after a failed flush (MM3).
    fn check(&self) -> io::Result<()> {
        let message = "an earlier flush of the file failed";
        if self.failed { Err(io::Error::other(message)) } else { Ok(()) }
    }

    /// Ends writing and returns the file to be shared. The descriptor is closed.
    ///
    /// # Cost
    ///
    /// One system call; nothing is copied.
    #[must_use]
    pub fn freeze(self) -> MappedFile {
        match self.mapping {
            Some(mapping) => MappedFile::over(mapping.into_shared()),
            None => MappedFile::default(),
        }
    }

    /// Syncs all of it to the disk, gives the file a name that must be free, and returns the file: after
    /// a crash it is there whole, or not at all.
    ///
    /// This value is empty then, as the file can now be opened and shortened. After an error it is
    /// unchanged, with one exception: if it is empty, the file has its name, and only the directory
    /// could not be synced to the disk.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if the name is taken,
    /// [`io::ErrorKind::CrossesDevices`] if it is on another file system than the file; those of
    /// writing to the disk, as [`flush`](Self::flush).
    ///
    /// # Cost
    ///
    /// The disk's time; on systems other than Linux the file is copied.
    pub fn persist(&mut self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        self.check()?;
        // Before the file has its name: from then on, nothing may fail until the mapping has ended (MM2).
        let mut file = sys::duplicate(&self.file)?;
        self.failed = true;
        sys::sync_data(&self.file)?;
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

    /// Reads all of it into memory, ready to be written, and waits until it is there, so that later accesses
    /// do not wait.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    ///
    /// # Cost
    ///
    /// The disk's, and about a microsecond for a page that was never touched.
    #[doc(alias = "load")]
    pub fn warm(&mut self) -> io::Result<()> {
        self.mapping.as_mut().map_or(Ok(()), FileMappingMut::populate_mut)
    }

    /// Keeps it in memory as long as the mapping lives.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::OutOfMemory`] beyond what the user may lock.
    ///
    /// # Cost
    ///
    /// One system call, which reads what is not in memory yet.
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
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use super::*;
    use crate::sys::{Call, Outcome, with_plan};

    #[test]
    fn what_is_written_is_in_the_file_once_it_has_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        for len in [0, 1, 4095, 4096, 4097, 300_000] {
            let mut map = MappedFileMut::create_in(directory.path(), len).unwrap();
            assert!(map.len() == len && map.iter().all(|byte| *byte == 0));
            map.warm().unwrap();
            map.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i / 3) as u8);
            let written = map.to_vec();
            for range in [0..len, len / 2..len, len..len, len / 3..len / 2] {
                map.flush(range).unwrap();
            }
            assert_eq!(names(), 0);
            let path = directory.path().join("named");
            let mut file = map.persist(&path).unwrap();
            assert!(map.is_empty());
            assert!(std::fs::read(&path).unwrap() == written);
            file.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
            let mut half = Vec::new();
            file.read_to_end(&mut half).unwrap();
            assert!(half == written[len / 2..]);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_frozen_file_is_shared_and_outlives_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
        map[5000..5005].copy_from_slice(b"views");
        drop(directory);
        let map = map.freeze();
        let view = map.view().slice(5000..5005);
        drop(map);
        let reader = std::thread::spawn(move || assert_eq!(view, b"views"[..]));
        reader.join().unwrap();
        let directory = tempfile::tempdir().unwrap();
        assert!(MappedFileMut::create_in(directory.path(), 0).unwrap().freeze().is_empty());
    }

    #[test]
    fn a_part_of_a_file_is_written_and_the_rest_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(20_000).unwrap();
        for (start, end) in [(0, 20_000), (4095, 4097), (4097, 12_288), (19_999, 20_000), (7, 7)] {
            // SAFETY: the file has no name, and it is not used meanwhile.
            let mut map = unsafe { MappedFileMut::map(&file, start as u64..end as u64) }.unwrap();
            map.fill(7);
            map.flush(..).unwrap();
            drop(map);
            let mut contents = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut contents).unwrap();
            assert_eq!(contents.len(), 20_000);
            let is_ours = |i| (start..end).contains(&i);
            assert!(contents.iter().enumerate().all(|(i, byte)| (*byte == 7) == is_ours(i)));
            file.set_len(0).unwrap();
            file.set_len(20_000).unwrap();
        }
        // SAFETY: as above.
        let error = unsafe { MappedFileMut::map(&file, 0..20_001) }.unwrap_err();
        assert!(error.get_ref().unwrap().is::<crate::FileTruncated>());
    }

    #[test]
    fn a_name_that_is_taken_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let taken = directory.path().join("taken");
        std::fs::write(&taken, "taken").unwrap();
        let mut map = MappedFileMut::create_in(directory.path(), 100).unwrap();
        map[0] = 1;
        assert_eq!(map.persist(&taken).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&taken).unwrap(), b"taken");
        assert_eq!((map.len(), map[0]), (100, 1));
        map.persist(directory.path().join("free")).unwrap();
    }

    // Elsewhere zeros are written until the disk is full.
    #[test]
    #[cfg(all(target_os = "linux", not(bytebuf_portable)))]
    fn a_full_disk_is_an_error_before_any_access() {
        let directory = tempfile::tempdir().unwrap();
        let error = MappedFileMut::create_in(directory.path(), usize::MAX / 16 + 1).unwrap_err();
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }

    #[test]
    fn after_a_failed_flush_every_flush_fails() {
        const EIO: i32 = 5;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("name");
        for failing in [Call::Flush, Call::SyncData] {
            let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
            map[0] = 1;
            let plan = move |call, _| match call {
                _ if call == failing => Outcome::Fail(EIO),
                _ => Outcome::Pass,
            };
            let failed = with_plan(plan, || match failing {
                Call::Flush => map.flush(..1),
                _ => map.persist(&path).map(drop),
            });
            assert_eq!(failed.unwrap_err().raw_os_error(), Some(EIO));
            assert!(map.flush(..).is_err(), "the kernel would say yes now");
            assert!(map.persist(&path).is_err() && !path.exists());
            assert_eq!((map.len(), map[0]), (10_000, 1));
        }
    }

    #[test]
    fn a_file_gets_no_name_where_no_descriptor_is_left_to_return() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("name");
        let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
        map[0] = 1;
        let full = rustix::io::Errno::MFILE.raw_os_error();
        let plan = move |call, _| match call {
            Call::Duplicate => Outcome::Fail(full),
            _ => Outcome::Pass,
        };
        let refused = with_plan(plan, || map.persist(&path)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(full));
        assert!(!path.exists(), "it could be opened and cut while it is mapped");
        assert_eq!((map.len(), map[0]), (10_000, 1));
        map.persist(&path).unwrap();
    }

    #[test]
    #[should_panic(expected = "11")]
    fn a_range_past_the_end_is_not_flushed() {
        let directory = tempfile::tempdir().unwrap();
        let _ = MappedFileMut::create_in(directory.path(), 10).unwrap().flush(..11);
    }
}
