//! Files on Unix: opened without waiting, read and written at an offset.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Does not wait for the other end of a FIFO; a terminal does not become the controlling terminal.
pub(in crate::sys) fn open_nonblocking(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.clone().custom_flags(flags.bits() as i32).open(path)
}

pub(in crate::sys) fn set_blocking(file: &File) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(file, false)?)
}

pub(in crate::sys) fn has_name(metadata: &Metadata) -> bool {
    metadata.nlink() > 0
}

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
