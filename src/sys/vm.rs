//! Virtual memory: mapped ranges for the pool.
//!
//! Rules:
//!
//! * **V1** A [`Mapping`] owns its range: it is mapped readable and writable from `map` to `drop`, and no
//!   Rust reference to it is kept across the drop. Users cut it up by raw pointers and see to that.
//! * **V2** Fresh and discarded pages read as zero.
#![allow(unsafe_code, reason = "mmap, munmap, madvise, and the allocator where there are none")]

use super::mapped::Mapped;
use super::{Call, fault};
use crate::sync::AtomicUsize;
use core::ptr::NonNull;

/// The page size that the pool reckons with, in bytes. A larger one of the system's costs only accuracy.
pub(crate) const PAGE: usize = 4096;

/// Bytes of all mappings of the process.
static MAPPED: Mapped = Mapped(AtomicUsize::new(0));

/// Bytes of all mappings of the process.
#[cfg(feature = "testing")]
pub(crate) fn mapped() -> usize {
    MAPPED.bytes()
}

/// A range of memory from the system, outside the Rust heap.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is plain memory, not bound to a thread (V1).
unsafe impl Send for Mapping {}
// SAFETY: the methods that take `&self` are thread-safe system calls.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of zeros, page-aligned. `None` when the system refuses.
    pub(crate) fn map(len: usize) -> Option<Self> {
        if len == 0 || len > isize::MAX as usize - PAGE {
            return None;
        }
        fault::admit(Call::MapMemory, 0).ok()?;
        let base = imp::map(len)?;
        MAPPED.more(len);
        Some(Self { base, len })
    }

    /// The first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of the byte at `offset`, which lies in the mapping or at its end.
    pub(crate) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.len, "offset {offset} beyond a mapping of {} bytes", self.len);
        // SAFETY: within the mapping, or one past it, as just checked (V1).
        unsafe { self.base.add(offset) }
    }

    /// Asks for huge pages. A hint: failure is no error.
    pub(crate) fn advise_huge(&self) {
        if fault::admit(Call::AdviseMemory, 0).is_ok() {
            imp::advise_huge(self.base, self.len);
        }
    }

    /// As [`discard`], for a range of this mapping.
    ///
    /// # Safety
    ///
    /// Nothing in the range is in use.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) -> bool {
        let end = offset.checked_add(len).expect("a range of a mapping");
        assert!(end <= self.len, "range {offset}..{end} beyond a mapping of {} bytes", self.len);
        // SAFETY: within the mapping, as just checked; the caller vouches that nobody uses it.
        unsafe { discard(self.at(offset), len) }
    }
}

/// Whether a range consists of whole pages of the system's, so that [`discard`] can work on it.
#[cfg(unix)]
pub(crate) fn are_whole_pages(start: usize, len: usize) -> bool {
    imp::are_whole_pages(start, len)
}

/// Gives the pages of a range back to the system; they read as zero afterwards (V2). Says whether it did.
///
/// # Safety
///
/// The range consists of whole pages of one [`Mapping`], and nothing in it is in use.
pub(crate) unsafe fn discard(base: NonNull<u8>, len: usize) -> bool {
    // SAFETY: as the caller vouches.
    fault::admit(Call::AdviseMemory, 0).is_ok() && unsafe { imp::discard(base, len) }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        MAPPED.less(self.len);
        // SAFETY: V1: the range is this value's alone, and users are done with it.
        unsafe { imp::unmap(self.base, self.len) }
    }
}

#[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
mod imp {
    use super::super::{Call, fault};
    use core::ptr::NonNull;
    use rustix::mm;

    pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
        let access = mm::ProtFlags::READ | mm::ProtFlags::WRITE;
        // SAFETY: a new private mapping at an address of the kernel's choice touches nothing that is there.
        let base = unsafe {
            mm::mmap_anonymous(core::ptr::null_mut(), len, access, mm::MapFlags::PRIVATE)
        };
        NonNull::new(base.ok()?.cast())
    }

    pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
        let unmap = || {
            fault::admit(Call::UnmapMemory, 0)?;
            // SAFETY: the caller owns the mapping and is done with it.
            Ok::<_, std::io::Error>(unsafe { mm::munmap(base.as_ptr().cast(), len) }?)
        };
        // It fails only for want of kernel memory (a split mapping); then the pages are given back and
        // the range of addresses is lost.
        if unmap().is_err() {
            // SAFETY: as above.
            unsafe { discard(base, len) };
        }
    }

    pub(super) fn are_whole_pages(start: usize, len: usize) -> bool {
        let page = rustix::param::page_size();
        start.is_multiple_of(page) && len.is_multiple_of(page)
    }

    pub(super) unsafe fn discard(base: NonNull<u8>, len: usize) -> bool {
        // The kernel rounds the length up to pages of its own, which may be larger than ours: what
        // follows the range would be lost.
        if !are_whole_pages(base.addr().get(), len) {
            return false;
        }
        // SAFETY: the caller owns the range and nobody uses it.
        unsafe { mm::madvise(base.as_ptr().cast(), len, mm::Advice::LinuxDontNeed) }.is_ok()
    }

    pub(super) fn advise_huge(base: NonNull<u8>, len: usize) {
        // SAFETY: the advice changes how the range is backed, not what it holds.
        let _ = unsafe { mm::madvise(base.as_ptr().cast(), len, mm::Advice::LinuxHugepage) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri), not(bytebuf_portable))))]
mod imp {
    use super::PAGE;
    use core::ptr::NonNull;
    use std::alloc::Layout;

    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len, PAGE).ok()
    }

    pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
        // SAFETY: `Mapping::map` asks for at least one byte.
        NonNull::new(unsafe { std::alloc::alloc_zeroed(layout(len)?) })
    }

    pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
        let layout = layout(len).expect("it was valid when the range was mapped");
        // SAFETY: `map` allocated it with this layout, and the caller is done with it.
        unsafe { std::alloc::dealloc(base.as_ptr(), layout) }
    }

    #[cfg(unix)]
    pub(super) fn are_whole_pages(_start: usize, _len: usize) -> bool {
        false
    }

    pub(super) unsafe fn discard(_base: NonNull<u8>, _len: usize) -> bool {
        false
    }

    pub(super) fn advise_huge(_base: NonNull<u8>, _len: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_page_is_not_discarded() {
        let mapping = Mapping::map(2 * PAGE).unwrap();
        // SAFETY: the mapping is this test's.
        unsafe { mapping.base().write_bytes(7, 2 * PAGE) };
        // SAFETY: as above; nothing is borrowed.
        assert!(!unsafe { mapping.discard(0, 100) });
        // SAFETY: as above.
        let after = unsafe { mapping.at(100).read() };
        assert_eq!(after, 7, "the rest of the page is somebody else's");
    }
}
