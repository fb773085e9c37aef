//! Memory for the pool: mapped ranges.
//!
//! Rules:
//!
//! * **V1** A [`Mapping`] owns its range: it is mapped readable and writable from `map` to `drop`. Its users
//!   divide it by raw pointers, and keep no Rust reference to it across the drop.
//! * **V2** Fresh and discarded pages read as zero.
#![allow(unsafe_code, reason = "unmaps and discards memory")]

mod mapped;

use core::ptr::NonNull;

use self::mapped::MappedBytes;
use super::{Call, fault, os, retry};
use crate::sync::AtomicUsize;

/// The page size that the pool assumes, in bytes. If pages of the system are larger, figures are less accurate.
pub(crate) const PAGE: usize = 4096;

/// The bytes of all mappings of the process.
static MAPPED: MappedBytes = MappedBytes(AtomicUsize::new(0));

/// Returns the bytes of all mappings of the process.
#[cfg(feature = "testing")]
pub(crate) fn mapped_bytes() -> usize {
    MAPPED.get()
}

/// A range of memory from the system, outside the Rust heap.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is memory that is not bound to a thread (V1).
unsafe impl Send for Mapping {}
// SAFETY: the methods that take `&self` are thread-safe system calls.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of zeros, page-aligned. Returns `None` if the system refuses.
    pub(crate) fn map(len: usize) -> Option<Self> {
        if len == 0 || len > isize::MAX as usize - PAGE {
            return None;
        }
        let map = || {
            fault::inject(Call::MapMemory, 0)?;
            os::map(len)
        };
        let base = retry(map).ok()?;
        MAPPED.add(len);
        Some(Self { base, len })
    }

    /// Returns the address of the first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Returns the size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the address of the byte at `offset`, which is in the mapping or at its end.
    pub(crate) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.len, "offset {offset} beyond a mapping of {} bytes", self.len);
        // SAFETY: `offset` is within the mapping or at its end, as just checked (V1).
        unsafe { self.base.add(offset) }
    }

    /// Requests huge pages. This is a hint: failures are ignored.
    pub(crate) fn advise_huge(&self) {
        let _ = retry(|| {
            fault::inject(Call::AdviseMemory, 0)?;
            os::advise_huge(self.base, self.len)
        });
    }
}

/// Returns whether a range consists of whole pages of the system, which [`discard`] requires.
#[cfg(unix)]
pub(crate) fn are_whole_pages(start: usize, len: usize) -> bool {
    os::are_whole_pages(start, len)
}

/// Returns the pages of a range to the system; they read as zero afterwards (V2). Returns whether this
/// succeeded.
///
/// # Safety
///
/// The range consists of whole pages of one [`Mapping`], and nothing in it is in use.
pub(crate) unsafe fn discard(base: NonNull<u8>, len: usize) -> bool {
    let discard = || {
        fault::inject(Call::AdviseMemory, 0)?;
        // SAFETY: the caller promises the same.
        unsafe { os::discard(base, len) }
    };
    retry(discard).is_ok()
}

impl Drop for Mapping {
    fn drop(&mut self) {
        MAPPED.sub(self.len);
        let unmap = || {
            fault::inject(Call::UnmapMemory, 0)?;
            // SAFETY: this value alone owns the range, and its users keep no reference (V1).
            unsafe { os::unmap(self.base, self.len) }
        };
        // It fails only if the kernel lacks memory to split a mapping; then the pages return to the system
        // and the range of addresses is lost.
        if retry(unmap).is_err() {
            // SAFETY: as above (V1).
            let _ = retry(|| unsafe { os::discard(self.base, self.len) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_page_is_not_discarded() {
        let mapping = Mapping::map(2 * PAGE).unwrap();
        // SAFETY: this test owns the mapping.
        unsafe { mapping.base().write_bytes(7, 2 * PAGE) };
        // SAFETY: as above; nothing is borrowed.
        assert!(!unsafe { discard(mapping.base(), 100) });
        // SAFETY: as above.
        let after = unsafe { mapping.at(100).read() };
        assert_eq!(after, 7, "the rest of the page is in use");
    }
}
