//! Reads and writes at an offset, on Unix.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;

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
