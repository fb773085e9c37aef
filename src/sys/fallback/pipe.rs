//! Transfers between descriptors: none inside the kernel.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

pub(in crate::sys) const REFUSES_PAIR: [i32; 0] = [];

pub(in crate::sys) fn sendfile(_: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn copy_range(
    _: BorrowedFd<'_>,
    _: &File,
    _: u64,
    _: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn set_pipe_size(_: BorrowedFd<'_>, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn pipe_size(_: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn splice(
    _: BorrowedFd<'_>,
    _: Option<u64>,
    _: BorrowedFd<'_>,
    _: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
