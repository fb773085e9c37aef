//! Pooled memory that the kernel fills. It is not zeroed first.

use std::io;
use std::mem::MaybeUninit;

use bytes::BufMut;

use crate::buf::ByteBuf;
use crate::pool::{AllocError, Pool};
use crate::sys;

/// The number of bytes that the copying path reads at a time: large enough to make the cost of the
/// system calls negligible, small enough that the bytes are still in the processor's cache when they
/// are written.
pub(crate) const SCRATCH: usize = 64 * 1024;

/// The alignment that direct I/O requires of memory, offsets and lengths.
const DIRECT_BLOCK: usize = 4096;

/// Returns a block of at least `size` bytes, or an I/O error if the pool has no memory for it.
pub(crate) fn block(size: usize) -> io::Result<ByteBuf> {
    Pool::global().try_alloc(size).map_err(out_of_memory)
}

fn out_of_memory(error: AllocError) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, error)
}

/// Lets `read` fill up to `most` bytes of the spare capacity of `buf`. Returns the number of bytes.
pub(crate) fn fill(
    buf: &mut ByteBuf,
    most: usize,
    read: impl for<'a> Fn(&'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>,
) -> io::Result<usize> {
    sys::retry(|| {
        buf.read_into_spare(|spare| {
            let len = spare.len().min(most);
            read(&mut spare[..len])
        })
    })
}

/// Appends up to `most` bytes of a file, from offset `at` on, to `buf`. Reads the whole blocks around
/// them, because a file that is open for direct I/O refuses other ranges with `InvalidInput`. Returns
/// the number of bytes; 0 at the end of the file.
pub(crate) fn fill_from_blocks(
    buf: &mut ByteBuf,
    most: usize,
    at: u64,
    read_at: impl for<'a> Fn(&'a mut [MaybeUninit<u8>], u64) -> io::Result<&'a mut [u8]>,
) -> io::Result<usize> {
    let before = (at % DIRECT_BLOCK as u64) as usize;
    let spare = most.min(buf.capacity() - buf.len()).min(SCRATCH);
    let span = (before + spare).next_multiple_of(DIRECT_BLOCK).min(SCRATCH);
    // From the pool and budget of `buf`, which may have memory for only one block.
    let blocks = |len| buf.try_aligned_in_own_pool(len, DIRECT_BLOCK);
    let mut blocks = blocks(span).or_else(|_| blocks(DIRECT_BLOCK)).map_err(out_of_memory)?;
    let span = blocks.capacity();
    fill(&mut blocks, span, |spare| read_at(spare, at - before as u64))?;
    let bytes = blocks.get(before..).unwrap_or_default();
    let bytes = &bytes[..bytes.len().min(most).min(buf.capacity() - buf.len())];
    buf.put_slice(bytes);
    Ok(bytes.len())
}
