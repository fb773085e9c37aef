//! A file in memory.
//!
//! Unsafe because memory that the kernel lends has to be turned into a slice. Rules:
//!
//! 1. `ptr` is the start of a mapping of `len` bytes that this value made and alone unmaps, when it
//!    is dropped; `lead < len`, and `len` fits an `isize`. The bytes before `lead` only share a page
//!    with the range that was asked for, and are never shown.
//! 2. A [`Mapping`] is read and never written, so sharing it between threads is sharing bytes. A
//!    [`MappingMut`] has one owner, who alone reads and writes; once it is shared, nobody writes.
//! 3. Whoever makes one promises that nobody else changes the file and that it does not become
//!    shorter while the mapping lives; that is what makes the bytes a slice.

#![allow(unsafe_code, reason = "maps memory and shows it as a slice")]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, MsyncFlags, ProtFlags};

use super::fault;
use super::{Call, retry};

/// A mapped range of a file.
#[derive(Debug)]
pub(crate) struct Mapping {
    ptr: NonNull<u8>,
    len: usize,
    lead: usize,
}

// SAFETY: nothing in it belongs to a thread; whoever shares it only reads (rule 2).
unsafe impl Send for Mapping {}
// SAFETY: shared, it can only be read (rule 2).
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a range of a file, which is not empty.
    ///
    /// # Safety
    ///
    /// While the mapping lives, this range of the file must not change, and the file must not
    /// become shorter than its end.
    pub(crate) unsafe fn new(file: &File, range: Range<u64>) -> io::Result<Mapping> {
        // SAFETY: the caller's promise.
        unsafe { Mapping::with(file, range, ProtFlags::READ) }
    }

    /// # Safety
    ///
    /// As [`new`](Self::new), but for changes through the mapping itself.
    unsafe fn with(file: &File, range: Range<u64>, access: ProtFlags) -> io::Result<Mapping> {
        let refused = || io::Error::from(io::ErrorKind::OutOfMemory);
        let lead = range.start % rustix::param::page_size() as u64;
        let offset = range.start - lead;
        // As `isize`, which memory is limited to.
        let len = isize::try_from(range.end - offset).map_err(|_| refused())? as usize;
        let ptr = retry(|| {
            fault::admit(Call::Map, 0)?;
            // SAFETY: no address is asked for, so no memory in use is replaced.
            let ptr = unsafe {
                rustix::mm::mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, offset)
            };
            Ok(ptr?)
        })?;
        let ptr = NonNull::new(ptr.cast()).ok_or_else(refused)?;
        Ok(Mapping { ptr, len, lead: lead as usize })
    }

    /// The bytes that are shown.
    fn bytes(&self) -> NonNull<[u8]> {
        // SAFETY: within the mapping (rule 1).
        let start = unsafe { self.ptr.add(self.lead) };
        NonNull::slice_from_raw_parts(start, self.len - self.lead)
    }

    /// Tells the kernel how the memory will be used.
    pub(crate) fn advise(&self, advice: Advice) -> io::Result<()> {
        retry(|| {
            fault::admit(Call::Advise, 0)?;
            // SAFETY: it is our range (rule 1), and none of the advice that is given here changes
            // what a mapping of a file shows.
            let advised =
                unsafe { rustix::mm::madvise(self.ptr.as_ptr().cast(), self.len, advice) };
            Ok(advised?)
        })
    }

    /// Keeps the pages in memory until they are unmapped.
    pub(crate) fn lock(&self) -> io::Result<()> {
        retry(|| {
            fault::admit(Call::Lock, 0)?;
            // SAFETY: it is our range (rule 1).
            let locked = unsafe { rustix::mm::mlock(self.ptr.as_ptr().cast(), self.len) };
            Ok(locked?)
        })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: mapped and readable as long as `self` lives (rule 1), and not changed by anybody
        // (rules 2 and 3).
        unsafe { self.bytes().as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if fault::admit(Call::Unmap, 0).is_err() {
            return;
        }
        // It fails only for want of kernel memory; then the range of addresses is lost.
        // SAFETY: ours alone (rule 1), and every slice of it borrowed from `self`.
        let _ = unsafe { rustix::mm::munmap(self.ptr.as_ptr().cast(), self.len) };
    }
}

/// A mapped range of a file that its owner writes.
#[derive(Debug)]
pub(crate) struct MappingMut(Mapping);

impl MappingMut {
    /// As [`Mapping::new`], writable.
    ///
    /// # Safety
    ///
    /// While the mapping lives, shared or not, this range of the file must be read and written
    /// through it alone, and the file must not become shorter than its end.
    pub(crate) unsafe fn new(file: &File, range: Range<u64>) -> io::Result<MappingMut> {
        // SAFETY: the caller's promise.
        let mapping = unsafe { Mapping::with(file, range, ProtFlags::READ | ProtFlags::WRITE) };
        mapping.map(MappingMut)
    }

    /// Gives up writing (rule 2).
    pub(crate) fn into_shared(self) -> Mapping {
        self.0
    }

    /// Writes the pages that hold a range of the bytes to the file's disk, and waits for that.
    pub(crate) fn flush(&self, range: Range<usize>) -> io::Result<()> {
        let Mapping { ptr, len, lead } = self.0;
        assert!(range.start <= range.end && range.end <= len - lead, "a range of the mapping");
        let start = lead + range.start;
        let page = start - start % rustix::param::page_size();
        retry(|| {
            fault::admit(Call::Flush, 0)?;
            // SAFETY: within the mapping, as just checked (rule 1).
            let first = unsafe { ptr.add(page) };
            let len = lead + range.end - page;
            // SAFETY: whole pages of our range (rule 1), of which nothing is dropped or changed.
            let flushed =
                unsafe { rustix::mm::msync(first.as_ptr().cast(), len, MsyncFlags::SYNC) };
            Ok(flushed?)
        })
    }
}

impl Deref for MappingMut {
    type Target = Mapping;

    fn deref(&self) -> &Mapping {
        &self.0
    }
}

impl AsMut<[u8]> for MappingMut {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_ref`; mapped to be written, and borrowed mutably from the one owner.
        unsafe { self.0.bytes().as_mut() }
    }
}
