//! Pooled memory that the kernel fills, without zeroing it first.

use std::io;
use std::mem::MaybeUninit;

use crate::buf::ByteBuf;
use crate::pool::Pool;
use crate::sys;

/// What the copying path reads at a time: large enough that the system calls don't show, small
/// enough that the bytes are still in the cache when the kernel takes them.
pub(crate) const SCRATCH: usize = 64 * 1024;

/// A block of at least `size` bytes; a pool that has none is an error like any other of I/O.
pub(crate) fn block(size: usize) -> io::Result<ByteBuf> {
    Pool::global().try_alloc(size).map_err(|e| io::Error::new(io::ErrorKind::OutOfMemory, e))
}

/// Lets `call` fill up to `most` bytes of the room of `buf`, and gives the number.
pub(crate) fn fill(
    buf: &mut ByteBuf,
    most: usize,
    call: impl for<'a> Fn(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
) -> io::Result<usize> {
    sys::retry(|| {
        buf.read_into_spare(|room| {
            let len = room.len().min(most);
            call(&mut room[..len])
        })
    })
}
