//! Memory from the allocator.

#![allow(unsafe_code, reason = "the allocator takes and returns raw memory")]

use core::ptr::NonNull;
use std::alloc::Layout;
use std::io;

use super::super::memory::PAGE;

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len, PAGE).ok()
}

pub(in crate::sys) fn map(len: usize) -> io::Result<NonNull<u8>> {
    let layout = layout(len).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: `Mapping::map` requests at least one byte.
    let base = unsafe { std::alloc::alloc_zeroed(layout) };
    NonNull::new(base).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Frees memory of [`map`].
///
/// # Safety
///
/// The caller owns the memory, which [`map`] returned for this length, and nothing in it is in use.
pub(in crate::sys) unsafe fn unmap(base: NonNull<u8>, len: usize) -> io::Result<()> {
    let layout = layout(len).expect("it was valid when the range was mapped");
    // SAFETY: `map` allocated it with this layout, and the caller no longer uses it.
    unsafe { std::alloc::dealloc(base.as_ptr(), layout) }
    Ok(())
}

#[cfg(unix)]
pub(in crate::sys) fn are_whole_pages(_start: usize, _len: usize) -> bool {
    false
}

/// Fails: the allocator cannot discard pages.
///
/// # Safety
///
/// No condition: it does nothing.
pub(in crate::sys) unsafe fn discard(_base: NonNull<u8>, _len: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn advise_huge(_base: NonNull<u8>, _len: usize) -> io::Result<()> {
    Ok(())
}
