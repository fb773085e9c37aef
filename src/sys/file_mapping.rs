//! Files in memory: mapped, sealed, and created without a name.
//!
//! Unsafe because the memory of a mapping becomes a slice. Rules:
//!
//! * **FM1** `ptr` is the start of a mapping of `len` bytes. This value made it, and only its drop unmaps it;
//!   `page_offset < len`, and `len` fits an `isize`. The bytes before `page_offset` only share a page with the
//!   requested range, and no slice contains them.
//! * **FM2** A [`FileMapping`] is read and never written, so threads may share it. A [`FileMappingMut`] has one
//!   owner, which alone reads and writes. After it becomes a [`FileMapping`], no code writes to it.
//! * **FM3** The caller that makes a mapping promises that nothing else changes the file and that the file does not
//!   become shorter while the mapping lives. So the bytes can be a slice.

#![allow(unsafe_code, reason = "maps memory and makes a slice of it")]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, MsyncFlags, ProtFlags};

use super::file::preallocate;
use super::{Call, fault, os, retry, write_at};

/// How a mapping will be used, for [`MappedFile::advise`](crate::MappedFile::advise).
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Advice, MappedFile};
///
/// let index = MappedFile::snapshot(&std::fs::File::open("Cargo.toml")?, 0..100)?;
/// index.advise(Advice::Random)?; // a search jumps about in it
/// assert_eq!(index.len(), 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// In no particular order.
    Normal,
    /// From the front to the end: the kernel reads far ahead.
    Sequential,
    /// At random offsets: the kernel does not read ahead.
    Random,
    /// Soon: the kernel starts to read the pages in the background.
    Soon,
}

impl Advice {
    fn raw(self) -> mm::Advice {
        match self {
            Self::Normal => mm::Advice::Normal,
            Self::Sequential => mm::Advice::Sequential,
            Self::Random => mm::Advice::Random,
            Self::Soon => mm::Advice::WillNeed,
        }
    }
}

/// A mapped range of a file.
#[derive(Debug)]
pub(crate) struct FileMapping {
    ptr: NonNull<u8>,
    len: usize,
    page_offset: usize,
}

// SAFETY: no field belongs to a thread; shared, the mapping is only read (FM2).
unsafe impl Send for FileMapping {}
// SAFETY: a shared mapping is only read (FM2).
unsafe impl Sync for FileMapping {}

impl FileMapping {
    /// Maps a range of a file. The range must not be empty.
    ///
    /// # Safety
    ///
    /// While the mapping lives, this range of the file must not change, and the file must not
    /// become shorter than its end.
    pub(crate) unsafe fn new(file: &File, range: Range<u64>) -> io::Result<Self> {
        // SAFETY: the caller promises the same.
        unsafe { Self::with(file, range, ProtFlags::READ) }
    }

    /// Maps a range of a file with this access.
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new), except for changes through the mapping itself.
    unsafe fn with(file: &File, range: Range<u64>, access: ProtFlags) -> io::Result<Self> {
        let refused = || io::Error::from(io::ErrorKind::OutOfMemory);
        let page_offset = range.start % rustix::param::page_size() as u64;
        let offset = range.start - page_offset;
        // No object is longer than `isize::MAX`.
        let len = isize::try_from(range.end - offset).map_err(|_| refused())? as usize;
        let ptr = retry(|| {
            fault::inject(Call::Map, 0)?;
            // SAFETY: the kernel chooses the address, so no memory in use is replaced.
            let ptr =
                unsafe { mm::mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, offset) };
            Ok(ptr?)
        })?;
        let ptr = NonNull::new(ptr.cast()).ok_or_else(refused)?;
        Ok(Self { ptr, len, page_offset: page_offset as usize })
    }

    /// Returns the bytes of the requested range.
    fn bytes(&self) -> NonNull<[u8]> {
        // SAFETY: `page_offset` is within the mapping (FM1).
        let start = unsafe { self.ptr.add(self.page_offset) };
        NonNull::slice_from_raw_parts(start, self.len - self.page_offset)
    }

    /// Advises the kernel how the memory will be used.
    pub(crate) fn advise(&self, advice: Advice) -> io::Result<()> {
        self.advise_raw(advice.raw())
    }

    /// Reads the bytes into memory and waits until they are there.
    pub(crate) fn populate(&self) -> io::Result<()> {
        os::populate(self)
    }

    pub(super) fn advise_raw(&self, advice: mm::Advice) -> io::Result<()> {
        retry(|| {
            fault::inject(Call::Advise, 0)?;
            // SAFETY: this value owns the range (FM1), and no advice of the callers changes the contents
            // of a mapped file.
            let advised = unsafe { mm::madvise(self.ptr.as_ptr().cast(), self.len, advice) };
            Ok(advised?)
        })
    }

    /// Keeps the pages in memory until they are unmapped.
    pub(crate) fn lock(&self) -> io::Result<()> {
        retry(|| {
            fault::inject(Call::Lock, 0)?;
            // SAFETY: this value owns the range (FM1).
            let locked = unsafe { mm::mlock(self.ptr.as_ptr().cast(), self.len) };
            Ok(locked?)
        })
    }
}

impl AsRef<[u8]> for FileMapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the bytes are mapped and readable while `self` lives (FM1), and nothing changes them (FM2
        // and FM3).
        unsafe { self.bytes().as_ref() }
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        if fault::inject(Call::Unmap, 0).is_err() {
            return;
        }
        // It fails only if the kernel lacks memory; then the range of addresses is lost.
        // SAFETY: this value alone owns the range (FM1), and every slice of it borrows from `self`.
        let _ = unsafe { mm::munmap(self.ptr.as_ptr().cast(), self.len) };
    }
}

/// A mapped range of a file that its owner writes.
#[derive(Debug)]
pub(crate) struct FileMappingMut(FileMapping);

impl FileMappingMut {
    /// Maps a range of a file, writable; otherwise as [`FileMapping::new`].
    ///
    /// # Safety
    ///
    /// While the mapping lives, shared or not, this range of the file must be read and written
    /// through it alone, and the file must not become shorter than its end.
    pub(crate) unsafe fn new(file: &File, range: Range<u64>) -> io::Result<Self> {
        // SAFETY: the caller promises the same.
        let mapping = unsafe { FileMapping::with(file, range, ProtFlags::READ | ProtFlags::WRITE) };
        mapping.map(FileMappingMut)
    }

    /// Reads the bytes into memory as [`FileMapping::populate`] does, so that writes do not wait either.
    pub(crate) fn populate_mut(&mut self) -> io::Result<()> {
        os::populate_mut(self)
    }

    /// Ends writing (FM2).
    pub(crate) fn into_shared(self) -> FileMapping {
        self.0
    }

    /// Writes the pages of a range of the bytes to the disk, and waits until they are there.
    pub(crate) fn flush(&self, range: Range<usize>) -> io::Result<()> {
        let FileMapping { ptr, len, page_offset } = self.0;
        assert!(
            range.start <= range.end && range.end <= len - page_offset,
            "a range of the mapping"
        );
        let start = page_offset + range.start;
        let page = start - start % rustix::param::page_size();
        retry(|| {
            fault::inject(Call::Flush, 0)?;
            // SAFETY: `page` is within the mapping, as just checked (FM1).
            let first = unsafe { ptr.add(page) };
            let len = page_offset + range.end - page;
            // SAFETY: these are whole pages of the mapping (FM1); the call changes no bytes.
            let flushed = unsafe { mm::msync(first.as_ptr().cast(), len, MsyncFlags::SYNC) };
            Ok(flushed?)
        })
    }
}

impl Deref for FileMappingMut {
    type Target = FileMapping;

    fn deref(&self) -> &FileMapping {
        &self.0
    }
}

impl AsMut<[u8]> for FileMappingMut {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_ref`; the mapping is writable, and borrowed mutably from its only owner.
        unsafe { self.0.bytes().as_mut() }
    }
}

/// Opens another descriptor of the same open file.
pub(crate) fn duplicate(file: &File) -> io::Result<File> {
    retry(|| {
        fault::inject(Call::Duplicate, 0)?;
        file.try_clone()
    })
}

/// Creates a readable and writable file in a directory, without a name, so that nothing else can open it.
pub(crate) fn unnamed_file(directory: &Path) -> io::Result<File> {
    retry(|| {
        fault::inject(Call::Open, 0)?;
        os::unnamed_file(directory)
    })
}

/// Gives an unnamed file a name, which must not exist. On success, `file` is the file of that name. After an error,
/// this call has created no such name.
pub(crate) fn give_name(file: &mut File, path: &Path) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Link, 0)?;
        os::give_name(file, path)
    })
}

/// Makes an empty file `len` bytes long and allocates disk blocks for all of them. Writes zeros if the system
/// cannot allocate blocks.
pub(crate) fn fill_with_zeros(file: &File, len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    match preallocate(file, len) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
        other => return other,
    }
    let mut written = 0;
    while written < len {
        let most = usize::try_from(len - written).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        written += write_at(file, &ZEROS[..most], written)? as u64;
    }
    Ok(())
}

/// Returns whether the file can never again be written to or shortened.
pub(crate) fn is_sealed(file: &File) -> io::Result<bool> {
    retry(|| {
        fault::inject(Call::Seal, 0)?;
        os::is_sealed(file)
    })
}

/// Creates a file in memory for [`seal`].
pub(crate) fn sealable_file() -> io::Result<File> {
    retry(|| {
        fault::inject(Call::MemoryFile, 0)?;
        os::sealable_file()
    })
}

/// Seals a file against writes and truncation. The seals cannot be removed.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Seal, 0)?;
        os::seal(file)
    })
}
