//! Files on other systems: the standard library cannot read and write at an offset.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

pub(in crate::sys) fn open_nonblocking(options: &OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

pub(in crate::sys) fn set_blocking(_: &File) -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn has_name(_: &Metadata) -> bool {
    true
}

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
