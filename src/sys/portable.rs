//! Any system: reads and writes alone. The same streams come out, by more copies.
//!
//! There is no flag against SIGPIPE here; Rust's runtime ignores that signal before `main`, a
//! foreign host has to.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::{io::IoSlice, os::fd::BorrowedFd};

#[cfg(unix)]
use super::{More, Pipe};

#[cfg(unix)]
pub(super) const ENOTSOCK: i32 = rustix::io::Errno::NOTSOCK.raw_os_error();

#[cfg(unix)]
pub(super) const REFUSES_PAIR: [i32; 0] = [];

#[cfg(unix)]
pub(super) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pread(file, room, offset)?)
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

#[cfg(not(any(unix, windows)))]
pub(super) fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn will_need(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(super) fn sendfile(_: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
    Ok(rustix::io::writev(fd, bufs)?)
}

#[cfg(unix)]
pub(super) fn pipe(_: usize) -> io::Result<Pipe> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn splice(
    _: BorrowedFd<'_>,
    _: Option<u64>,
    _: BorrowedFd<'_>,
    _: usize,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn copy_range(_: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
