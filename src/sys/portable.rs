//! Any system: reads and writes alone. The same streams come out, by more copies.
//!
//! There is no flag against SIGPIPE here; Rust's runtime ignores that signal before `main`, a
//! foreign host has to.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::{io::IoSlice, os::fd::BorrowedFd};

#[cfg(unix)]
use super::{Mapping, More, Pipe};

#[cfg(unix)]
pub(super) const ENOTSOCK: i32 = rustix::io::Errno::NOTSOCK.raw_os_error();

#[cfg(unix)]
pub(super) const REFUSES_PAIR: [i32; 0] = [];

#[cfg(unix)]
pub(super) fn read_at<'a>(
    file: &File,
    room: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    Ok(rustix::io::pread(file, room, offset)?.0)
}

#[cfg(windows)]
pub(super) fn read_at<'a>(
    file: &File,
    room: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let len = room.len().min(ZEROS.len());
    let room = room[..len].write_copy_of_slice(&ZEROS[..len]);
    let read = std::os::windows::fs::FileExt::seek_read(file, room, offset)?;
    Ok(&mut room[..read])
}

#[cfg(not(any(unix, windows)))]
pub(super) fn read_at<'a>(
    _: &File,
    _: &'a mut [MaybeUninit<u8>],
    _: u64,
) -> io::Result<&'a mut [u8]> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwrite(file, bytes, offset)?)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

#[cfg(not(any(unix, windows)))]
pub(super) fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len.max(file.metadata()?.len()))
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

#[cfg(unix)]
pub(crate) fn is_sealed(_: &File) -> bool {
    false
}

#[cfg(unix)]
pub(crate) fn sealable_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(crate) fn seal(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Brings a mapping into memory, by reading a byte of each page.
#[cfg(unix)]
pub(crate) fn populate(mapping: &Mapping) -> io::Result<()> {
    let pages = mapping.as_ref().iter().step_by(rustix::param::page_size());
    std::hint::black_box(pages.fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    Ok(())
}
