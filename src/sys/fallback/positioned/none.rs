//! Systems on which the standard library has no reads and writes at an offset.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;

pub(in crate::sys) fn read_at<'a>(
    _: &File,
    _: &'a mut [MaybeUninit<u8>],
    _: u64,
) -> io::Result<&'a mut [u8]> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
