//! One read into several slices of uninitialised memory.
//!
//! Unsafe because the standard library's slices for such a read are made of initialised memory
//! only, and because what the kernel wrote is shown as bytes. Rules:
//!
//! * **IV1** An [`IoVec`] points to a slice that is borrowed mutably for as long as the call lasts; no
//!   reference to its bytes is made before they are written.
//! * **IV2** The kernel fills the slices in order and reports how much it wrote; only that is shown.

#![allow(unsafe_code, reason = "hands memory that is not initialised to the kernel")]

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use smallvec::SmallVec;

use super::{Call, MAX_BYTES, MAX_SLICES, fault, retry};

/// Memory to be filled, first to last.
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

/// Reads once from a stream into the slices. Returns what was filled, which is nothing at the end.
pub(crate) fn read_vectored<'a>(
    from: BorrowedFd<'_>,
    mut spare: SpareSlices<'a>,
) -> io::Result<Filled<'a>> {
    spare.truncate(MAX_SLICES);
    let offered = spare.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
    let mut read = retry(|| {
        let mut left = fault::admit(Call::ReadVectored, offered.min(MAX_BYTES))?;
        let mut vecs = SmallVec::<[IoVec; 16]>::new();
        for slice in &mut spare {
            let len = slice.len().min(left);
            left -= len;
            vecs.push(IoVec { start: slice.as_mut_ptr(), len });
        }
        let vecs: *mut [IoVec] = &raw mut vecs[..];
        // SAFETY: on Unix the standard library lays `IoSliceMut` out as an `iovec`, and one of any
        // pointer and length is a valid value. Nothing reads the bytes (IV1).
        let vecs = unsafe { &mut *(vecs as *mut [IoSliceMut<'_>]) };
        Ok(rustix::io::readv(from, vecs)?)
    })?;
    let mut filled = Filled::new();
    for slice in spare {
        let len = read.min(slice.len());
        let front = &mut slice[..len];
        read -= len;
        // SAFETY: the kernel wrote so many bytes, from the front of the first slice on (IV2).
        // A slice of `MaybeUninit<u8>` has the layout of one of `u8`.
        filled.push(unsafe { &mut *(front as *mut [MaybeUninit<u8>] as *mut [u8]) });
        if read == 0 {
            break;
        }
    }
    Ok(filled)
}
