//! Linux: every path inside the kernel that there is.

use std::fs::File;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use rustix::fs::Advice;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use super::More;

pub(super) const ENOTSOCK: i32 = Errno::NOTSOCK.raw_os_error();

/// `EINVAL`: no page cache behind the source, or a target that appends; `ESPIPE`: a source that
/// can't be read at an offset; the others: seccomp, old kernels, odd file systems.
pub(super) const REFUSES_PAIR: [i32; 5] = [
    Errno::INVAL.raw_os_error(),
    Errno::SPIPE.raw_os_error(),
    Errno::NOSYS.raw_os_error(),
    Errno::OPNOTSUPP.raw_os_error(),
    Errno::PERM.raw_os_error(),
];

pub(super) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pread(file, room, offset)?)
}

pub(super) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let Some(len) = NonZeroU64::new(len) else { return Ok(()) };
    Ok(rustix::fs::fadvise(file, offset, Some(len), Advice::WillNeed)?)
}

pub(super) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    mut offset: u64,
    len: usize,
) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(dst, file, Some(&mut offset), len)?)
}

/// A peer that is gone gives `EPIPE`, never a signal.
pub(super) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
    let flags = match more {
        More::No => SendFlags::NOSIGNAL,
        More::Follows => SendFlags::NOSIGNAL | SendFlags::MORE,
    };
    Ok(match bufs {
        // Spares the kernel the message header.
        [one] => rustix::net::send(fd, one, flags)?,
        many => rustix::net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), flags)?,
    })
}
