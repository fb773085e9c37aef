//! One read into several pieces of memory that nobody has initialised.
//!
//! Unsafe because the standard library's slices for such a read are made of initialised memory
//! only, and because what the kernel wrote is shown as bytes. Rules:
//!
//! 1. A [`Piece`] is the `iovec` of a room that is borrowed mutably for as long as the call lasts;
//!    no reference to its bytes is made before they are written.
//! 2. The kernel fills the pieces in order and reports how much it wrote; only that is shown.

#![allow(unsafe_code, reason = "hands memory that is not initialised to the kernel")]

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use smallvec::SmallVec;

use super::fault;
use super::{Call, MAX_BYTES, MAX_SLICES, retry};

/// Memory to be filled, first to last.
pub(crate) type Rooms<'a> = SmallVec<[&'a mut [MaybeUninit<u8>]; 16]>;

/// The fronts of the rooms that were filled; all but the last of them are whole rooms.
pub(crate) type Filled<'a> = SmallVec<[&'a mut [u8]; 16]>;

/// An `iovec`.
#[repr(C)]
struct Piece {
    start: *mut MaybeUninit<u8>,
    len: usize,
}

static_assertions::assert_eq_size!(Piece, IoSliceMut<'static>);
static_assertions::assert_eq_align!(Piece, IoSliceMut<'static>);

/// Reads once from a stream into the rooms, and gives what was filled; nothing at its end.
pub(crate) fn read_vectored<'a>(from: BorrowedFd<'_>, rooms: Rooms<'a>) -> io::Result<Filled<'a>> {
    let mut rooms = rooms;
    rooms.truncate(MAX_SLICES);
    let offered = rooms.iter().fold(0, |sum: usize, room| sum.saturating_add(room.len()));
    let mut read = retry(|| {
        let mut left = fault::admit(Call::ReadVectored, offered.min(MAX_BYTES))?;
        let mut pieces = SmallVec::<[Piece; 16]>::new();
        for room in &mut rooms {
            let len = room.len().min(left);
            left -= len;
            pieces.push(Piece { start: room.as_mut_ptr(), len });
        }
        let pieces: *mut [Piece] = &raw mut pieces[..];
        // SAFETY: on Unix the standard library lays `IoSliceMut` out as an `iovec`, and one of any
        // pointer and length is a valid value. Nothing reads the bytes (rule 1).
        let pieces = unsafe { &mut *(pieces as *mut [IoSliceMut<'_>]) };
        Ok(rustix::io::readv(from, pieces)?)
    })?;
    let mut filled = Filled::new();
    for room in rooms {
        let len = read.min(room.len());
        let room = &mut room[..len];
        read -= len;
        // SAFETY: the kernel wrote so many bytes from the first room's front on (rule 2).
        filled.push(unsafe { room.assume_init_mut() });
        if read == 0 {
            break;
        }
    }
    Ok(filled)
}
