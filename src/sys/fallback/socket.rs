//! Sockets.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::fs::OFlags;

use super::super::More;

pub(in crate::sys) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
    Ok(rustix::io::writev(fd, bufs)?)
}

/// Returns `false`: not every system has direct I/O, or requires whole blocks for it.
pub(in crate::sys) fn are_direct(_: OFlags) -> bool {
    false
}

pub(in crate::sys) fn tcp_cork(_: BorrowedFd<'_>) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn tcp_nodelay(_: BorrowedFd<'_>) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn set_tcp_nodelay(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
