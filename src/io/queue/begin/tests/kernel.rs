//! A made-up kernel: it gets the address of a message, and reads what it finds there.
#![allow(unsafe_code, reason = "it reads memory by its address, as the kernel does")]

use std::ffi::c_void;
use std::ptr::with_exposed_provenance;
use std::slice;

/// Returns the bytes of the message, which belongs to an operation that is not settled.
pub(super) fn read(message: *const c_void) -> Vec<u8> {
    // SAFETY: the operation keeps its message until it is settled.
    let header = unsafe { &*message.cast::<libc::msghdr>() };
    let slices = with_exposed_provenance::<libc::iovec>(header.msg_iov.addr());
    if header.msg_iovlen == 0 {
        return Vec::new();
    }
    // SAFETY: so many slices are in the message.
    let slices = unsafe { slice::from_raw_parts(slices, header.msg_iovlen as _) };
    let mut bytes = Vec::new();
    for part in slices {
        let start = with_exposed_provenance::<u8>(part.iov_base.addr());
        // SAFETY: the operation keeps its bytes, and nothing writes to them.
        bytes.extend_from_slice(unsafe { slice::from_raw_parts(start, part.iov_len) });
    }
    bytes
}
