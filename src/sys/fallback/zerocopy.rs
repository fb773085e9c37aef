//! Zero-copy sends: not supported.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use super::super::{Completion, More};

pub(in crate::sys) fn socket_id(_: BorrowedFd<'_>) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn enable_zero_copy(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn send_zero_copy(
    _: BorrowedFd<'_>,
    _: &[IoSlice<'_>],
    _: More,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn next_completion(_: BorrowedFd<'_>) -> io::Result<Option<Completion>> {
    Ok(None)
}
