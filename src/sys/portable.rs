//! Any system: reads and writes alone. The same streams come out, by more copies.
//!
//! There is no flag against SIGPIPE here; Rust's runtime ignores that signal before `main`, a
//! foreign host has to.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{IoSlice, Seek},
    os::fd::BorrowedFd,
    path::Path,
};

#[cfg(unix)]
use super::{Mapping, MappingMut, More, Pipe};

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

pub(super) fn preallocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Under a name that nobody guesses, for a moment.
#[cfg(unix)]
pub(super) fn unnamed_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".{:016x}", RandomState::new().build_hasher().finish()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// What has lost its name gets none again: it is copied.
#[cfg(unix)]
pub(super) fn give_name(mut file: &File, path: &Path) -> io::Result<File> {
    let mut named = File::options().read(true).write(true).create_new(true).open(path)?;
    let copied =
        file.rewind().and_then(|()| io::copy(&mut file, &mut named)).and_then(|_| named.sync_all());
    match copied {
        Ok(()) => Ok(named),
        Err(e) => {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(path);
            Err(e)
        }
    }
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
pub(super) fn is_sealed(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(unix)]
pub(super) fn sealable_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn seal(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Brings a mapping into memory, by reading a byte of each page.
#[cfg(unix)]
pub(crate) fn populate(mapping: &Mapping) -> io::Result<()> {
    let pages = mapping.as_ref().iter().step_by(rustix::param::page_size());
    std::hint::black_box(pages.fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    Ok(())
}

/// As [`populate`], by writing a byte of each page as it is.
#[cfg(unix)]
pub(crate) fn populate_mut(mapping: &mut MappingMut) -> io::Result<()> {
    let pages = mapping.as_mut().iter_mut().step_by(rustix::param::page_size());
    pages.for_each(|byte| *byte = std::hint::black_box(*byte));
    Ok(())
}
