//! Files.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, OFlags};
use rustix::io::Errno;

/// A FIFO is not waited for, and a terminal does not become the process's own.
pub(in crate::sys) fn open_nonblocking(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.clone().custom_flags(flags.bits() as i32).open(path)
}

pub(in crate::sys) fn set_blocking(file: &File) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(file, false)?)
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
