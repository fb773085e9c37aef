//! Memory from `mmap`.

#![allow(unsafe_code, reason = "mmap, munmap, madvise")]

use core::ptr::NonNull;
use std::io;

use rustix::mm::{self, Advice, MapFlags, ProtFlags};

pub(in crate::sys) fn map(len: usize) -> io::Result<NonNull<u8>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses the address, so the new mapping replaces no other.
    let base = unsafe { mm::mmap_anonymous(core::ptr::null_mut(), len, access, MapFlags::PRIVATE) };
    NonNull::new(base?.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Unmaps a mapping.
///
/// # Safety
///
/// The caller owns the mapping, and nothing in it is in use.
pub(in crate::sys) unsafe fn unmap(base: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the caller promises the same.
    Ok(unsafe { mm::munmap(base.as_ptr().cast(), len) }?)
}

pub(in crate::sys) fn are_whole_pages(start: usize, len: usize) -> bool {
    let page = rustix::param::page_size();
    start.is_multiple_of(page) && len.is_multiple_of(page)
}

/// Returns whole pages to the system.
///
/// # Safety
///
/// The range is within a mapping that the caller owns, and nothing in it is in use.
pub(in crate::sys) unsafe fn discard(base: NonNull<u8>, len: usize) -> io::Result<()> {
    // The kernel rounds the length up to its pages, which may be larger than `PAGE`: bytes behind the range
    // would be lost.
    if !are_whole_pages(base.addr().get(), len) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the caller promises it; the range has whole pages, as just checked.
    Ok(unsafe { mm::madvise(base.as_ptr().cast(), len, Advice::LinuxDontNeed) }?)
}

pub(in crate::sys) fn advise_huge(base: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the advice changes the pages behind the range, not its contents.
    Ok(unsafe { mm::madvise(base.as_ptr().cast(), len, Advice::LinuxHugepage) }?)
}
