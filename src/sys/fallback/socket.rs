//! Sockets.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use super::super::More;

pub(in crate::sys) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
    Ok(rustix::io::writev(fd, bufs)?)
}
