//! Files.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

pub(in crate::sys) fn read_at<'a>(
    file: &File,
    spare: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    Ok(rustix::io::pread(file, spare, offset)?.0)
}

pub(in crate::sys) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwrite(file, bytes, offset)?)
}

pub(in crate::sys) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        // Not every file system can.
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

pub(in crate::sys) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let Some(len) = NonZeroU64::new(len) else { return Ok(()) };
    Ok(rustix::fs::fadvise(file, offset, Some(len), Advice::WillNeed)?)
}
