//! One read into several slices of uninitialised memory.
//!
//! Unsafe because the standard library has slices for such a read only of initialised memory, and because
//! the bytes that the kernel wrote become slices. Rules:
//!
//! * **IV1** An [`IoVec`] points to a slice that is borrowed mutably during the call; no reference to its
//!   bytes is made before they are written.
//! * **IV2** The kernel fills the slices in order and reports the number of bytes; only these become slices.

#![allow(unsafe_code, reason = "passes uninitialised memory to the kernel")]

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use smallvec::SmallVec;

use super::{Call, MAX_BYTES, MAX_SLICES, fault, retry};

/// The memory for a read, filled from first to last.
pub(crate) type SpareSlices<'a> = SmallVec<[&'a mut [MaybeUninit<u8>]; 16]>;

/// The fronts of the slices that were filled; all except the last are whole slices.
pub(crate) type Filled<'a> = SmallVec<[&'a mut [u8]; 16]>;

/// An `iovec` of uninitialised memory.
#[repr(C)]
struct IoVec {
    start: *mut MaybeUninit<u8>,
    len: usize,
}

static_assertions::assert_eq_size!(IoVec, IoSliceMut<'static>);
static_assertions::assert_eq_align!(IoVec, IoSliceMut<'static>);

/// Reads once from a stream into the slices. Returns the filled parts, which are empty at the end.
pub(crate) fn read_vectored<'a>(
    from: BorrowedFd<'_>,
    mut spare: SpareSlices<'a>,
) -> io::Result<Filled<'a>> {
    spare.truncate(MAX_SLICES);
    let offered = spare.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
    let mut read = retry(|| {
        let mut left = fault::inject(Call::ReadVectored, offered.min(MAX_BYTES))?;
        let mut vecs = SmallVec::<[IoVec; 16]>::new();
        for slice in &mut spare {
            let len = slice.len().min(left);
            left -= len;
            vecs.push(IoVec { start: slice.as_mut_ptr(), len });
        }
        let vecs: *mut [IoVec] = &raw mut vecs[..];
        // SAFETY: on Unix `IoSliceMut` has the layout of an `iovec`, and any pointer and length are a valid
        // value. Nothing reads the bytes (IV1).
        let vecs = unsafe { &mut *(vecs as *mut [IoSliceMut<'_>]) };
        Ok(rustix::io::readv(from, vecs)?)
    })?;
    let mut filled = Filled::new();
    for slice in spare {
        let len = read.min(slice.len());
        let front = &mut slice[..len];
        read -= len;
        // SAFETY: the kernel wrote the bytes of `front` (IV2). A slice of `MaybeUninit<u8>` has the layout of
        // a slice of `u8`.
        filled.push(unsafe { &mut *(front as *mut [MaybeUninit<u8>] as *mut [u8]) });
        if read == 0 {
            break;
        }
    }
    Ok(filled)
}
