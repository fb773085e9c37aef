//! Reports to memory checkers when a block changes owners; without these reports the checkers miss faults.
//!
//! In normal builds the hooks do nothing. Under Miri each owner gets a separate allocation of exactly the requested
//! length, so that Miri detects late accesses, overruns and uninitialised reads although the pool reuses its
//! blocks. With `--cfg asan` the hooks poison a block for `AddressSanitizer`, except the requested bytes of its
//! owner. With `--cfg valgrind` they report the same to memcheck, and that the bytes of a new owner are
//! uninitialised. `tests/sanitizer_selftest.rs` has such faults, and the scripts in `ci/` check that they are caught.
#![cfg_attr(
    any(miri, asan, valgrind),
    allow(unsafe_code, reason = "allocates for Miri, speaks to the sanitizer and to valgrind")
)]

use super::header::HeaderRef;

/// Records that the pool has allocated a block of `capacity` bytes.
#[inline(always)]
pub(crate) fn on_take(header: HeaderRef, capacity: usize) {
    #[cfg(miri)]
    header.set_data(imp::allocate(header.requested()));
    #[cfg(any(asan, valgrind))]
    imp::poison(header.data(), capacity);
    #[cfg(any(asan, valgrind))]
    imp::unpoison(header.data(), header.requested());
    let _ = (header, capacity);
}

/// Records that the last reference to a block of `capacity` bytes was released.
#[inline(always)]
pub(crate) fn on_release(header: HeaderRef, capacity: usize) {
    #[cfg(miri)]
    imp::deallocate(header.data(), header.requested());
    #[cfg(any(asan, valgrind))]
    imp::poison(header.data(), capacity);
    let _ = (header, capacity);
}

/// Records that a range of free memory is returned to the system, or to another use.
#[inline(always)]
pub(crate) fn on_retire(data: core::ptr::NonNull<u8>, len: usize) {
    #[cfg(any(asan, valgrind))]
    imp::unpoison(data, len);
    let _ = (data, len);
}

/// Records that a range was mapped for headers. `LeakSanitizer` searches the heap and the stacks for references, but no
/// mappings.
#[inline(always)]
pub(crate) fn on_map_headers(data: core::ptr::NonNull<u8>, len: usize) {
    #[cfg(asan)]
    imp::add_root(data, len);
    let _ = (data, len);
}

/// Records that a range that was mapped for headers is about to be unmapped.
#[inline(always)]
pub(crate) fn on_unmap_headers(data: core::ptr::NonNull<u8>, len: usize) {
    #[cfg(asan)]
    imp::remove_root(data, len);
    let _ = (data, len);
}

#[cfg(miri)]
mod imp {
    use core::ptr::NonNull;
    use std::alloc::Layout;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4096).expect("the size of a block")
    }

    pub(super) fn allocate(size: usize) -> NonNull<u8> {
        // SAFETY: at least one byte is requested.
        let data = unsafe { std::alloc::alloc(layout(size)) };
        NonNull::new(data).expect("memory under Miri")
    }

    pub(super) fn deallocate(data: NonNull<u8>, size: usize) {
        // SAFETY: `allocate` allocated it with the same layout, and no owner is left.
        unsafe { std::alloc::dealloc(data.as_ptr(), layout(size)) }
    }
}

#[cfg(asan)]
mod imp {
    use core::ptr::NonNull;

    unsafe extern "C" {
        fn __asan_poison_memory_region(data: *const u8, len: usize);
        fn __asan_unpoison_memory_region(data: *const u8, len: usize);
        fn __lsan_register_root_region(data: *const u8, len: usize);
        fn __lsan_unregister_root_region(data: *const u8, len: usize);
    }

    pub(super) fn add_root(data: NonNull<u8>, len: usize) {
        // SAFETY: the range is mapped, and stays mapped until `remove_root`.
        unsafe { __lsan_register_root_region(data.as_ptr(), len) }
    }

    pub(super) fn remove_root(data: NonNull<u8>, len: usize) {
        // SAFETY: the range was registered by `add_root`.
        unsafe { __lsan_unregister_root_region(data.as_ptr(), len) }
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

#[cfg(valgrind)]
mod imp {
    use core::ptr::NonNull;

    /// The requests to memcheck: "MC" and a number, as in memcheck's header file.
    #[derive(Clone, Copy)]
    enum Request {
        NoAccess = 0x4d43_0000,
        Undefined = 0x4d43_0001,
    }

    /// Sends a request about a range of memory to memcheck.
    fn request(what: Request, data: NonNull<u8>, len: usize) {
        let request = [what as usize, data.addr().get(), len, 0, 0, 0];
        // SAFETY: the instruction sequence that marks a request to valgrind. Without valgrind it has no effect: the
        // rotations add up to 128 bits, and `rbx` is exchanged with itself. With valgrind, valgrind reads the six
        // words that `rax` points to and writes its answer to `rdx`.
        unsafe {
            core::arch::asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") request.as_ptr(),
                inout("rdx") 0_usize => _,
                options(nostack),
            );
        }
    }

    pub(super) fn poison(data: NonNull<u8>, len: usize) {
        request(Request::NoAccess, data, len);
    }

    pub(super) fn unpoison(data: NonNull<u8>, len: usize) {
        request(Request::Undefined, data, len);
    }
}
