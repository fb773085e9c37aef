//! A file in memory, read-only.
//!
//! Unsafe because memory that the kernel lends has to be turned into a slice. Rules:
//!
//! 1. `ptr` is the start of a mapping of `len` bytes that this value made and alone unmaps, when it
//!    is dropped; `len` is not 0 and fits an `isize`.
//! 2. The mapping is readable and never writable, so sharing it between threads is sharing bytes.
//! 3. Whoever makes one promises that the file does not change and does not become shorter while
//!    it lives; that is what makes the bytes a slice.

#![allow(unsafe_code, reason = "maps memory and shows it as a slice")]

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::fault;
use super::{Call, retry};

/// A mapped range of a file.
#[derive(Debug)]
pub(crate) struct Mapping {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: nothing in it belongs to a thread; the memory is read-only (rule 2).
unsafe impl Send for Mapping {}
// SAFETY: shared, it can only be read (rule 2).
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes, more than 0, from `offset` on, which is a multiple of the page size.
    ///
    /// # Safety
    ///
    /// While the mapping lives, this range of the file must not change, and the file must not
    /// become shorter than its end.
    pub(crate) unsafe fn new(file: &File, offset: u64, len: usize) -> io::Result<Mapping> {
        let refused = || io::Error::from(io::ErrorKind::OutOfMemory);
        if isize::try_from(len).is_err() {
            return Err(refused());
        }
        let ptr = retry(|| {
            fault::admit(Call::Map, 0)?;
            // SAFETY: no address is asked for, so no memory in use is replaced.
            let ptr = unsafe {
                rustix::mm::mmap(
                    ptr::null_mut(),
                    len,
                    ProtFlags::READ,
                    MapFlags::SHARED,
                    file,
                    offset,
                )
            };
            Ok(ptr?)
        })?;
        let ptr = NonNull::new(ptr.cast()).ok_or_else(refused)?;
        Ok(Mapping { ptr, len })
    }

    /// Tells the kernel how the memory will be used.
    pub(crate) fn advise(&self, advice: Advice) -> io::Result<()> {
        retry(|| {
            fault::admit(Call::Map, 0)?;
            // SAFETY: it is our range (rule 1), and none of the advice that is given here changes
            // what a read-only mapping of a file shows.
            let advised =
                unsafe { rustix::mm::madvise(self.ptr.as_ptr().cast(), self.len, advice) };
            Ok(advised?)
        })
    }

    /// Keeps the pages in memory until they are unmapped.
    pub(crate) fn lock(&self) -> io::Result<()> {
        retry(|| {
            fault::admit(Call::Map, 0)?;
            // SAFETY: it is our range (rule 1).
            let locked = unsafe { rustix::mm::mlock(self.ptr.as_ptr().cast(), self.len) };
            Ok(locked?)
        })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: mapped and readable for `len` bytes as long as `self` lives (rule 1), and not
        // changed by anybody (rule 3).
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: ours alone (rule 1), and every slice of it borrowed from `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.ptr.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}
