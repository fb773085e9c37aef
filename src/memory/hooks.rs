//! What is told to memory checkers when a block changes hands: without it a pool blinds them.
//!
//! In normal builds the hooks are nothing. Under Miri each owner gets an allocation of its own, as large
//! as what it asked for, so that a late access, an overrun and an uninitialised read are seen though the
//! pool recycles its blocks. With `--cfg asan` AddressSanitizer is told that a block is poison, but for
//! what its owner asked for while there is one.
#![cfg_attr(
    any(miri, asan),
    allow(unsafe_code, reason = "allocates for Miri, calls the sanitizer's interface")
)]

use super::header::HeaderRef;

/// The pool has granted the block to an owner.
#[inline(always)]
pub(crate) fn on_take(header: HeaderRef) {
    #[cfg(miri)]
    header.set_data(each::allocate(header.granted()));
    #[cfg(asan)]
    each::poison(header.data(), header.capacity());
    #[cfg(asan)]
    each::unpoison(header.data(), header.granted());
    let _ = header;
}

/// The block's owner is gone, though it is granted still; the pool has it back.
#[inline(always)]
pub(crate) fn on_release(header: HeaderRef) {
    #[cfg(miri)]
    each::deallocate(header.data(), header.granted());
    #[cfg(asan)]
    each::poison(header.data(), header.capacity());
    let _ = header;
}

/// The pool gives a range of free memory back to the system, or to another use.
#[inline(always)]
pub(crate) fn on_retire(data: core::ptr::NonNull<u8>, len: usize) {
    #[cfg(asan)]
    each::unpoison(data, len);
    let _ = (data, len);
}

#[cfg(miri)]
mod each {
    use core::ptr::NonNull;
    use std::alloc::Layout;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4096).expect("the size of a block")
    }

    pub(super) fn allocate(size: usize) -> NonNull<u8> {
        // SAFETY: at least one byte is granted.
        let data = unsafe { std::alloc::alloc(layout(size)) };
        NonNull::new(data).expect("memory under Miri")
    }

    pub(super) fn deallocate(data: NonNull<u8>, size: usize) {
        // SAFETY: `allocate` made it with the same layout, and its owner is gone.
        unsafe { std::alloc::dealloc(data.as_ptr(), layout(size)) }
    }
}

#[cfg(asan)]
mod each {
    use core::ptr::NonNull;

    unsafe extern "C" {
        fn __asan_poison_memory_region(data: *const u8, len: usize);
        fn __asan_unpoison_memory_region(data: *const u8, len: usize);
    }

    pub(super) fn poison(data: NonNull<u8>, len: usize) {
        // SAFETY: the range is a block that the pool owns; the call changes shadow memory only.
        unsafe { __asan_poison_memory_region(data.as_ptr(), len) }
    }

    pub(super) fn unpoison(data: NonNull<u8>, len: usize) {
        // SAFETY: as above.
        unsafe { __asan_unpoison_memory_region(data.as_ptr(), len) }
    }
}
