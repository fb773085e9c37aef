//! Transfers between descriptors.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

/// The errors that refuse a pair of descriptors. `EINVAL`: a source without a page cache, or a target that
/// appends; `ESPIPE`: a source that cannot be read at an offset; the others: seccomp, old kernels, unusual file
/// systems.
pub(in crate::sys) const REFUSES_PAIR: [i32; 5] = [
    Errno::INVAL.raw_os_error(),
    Errno::SPIPE.raw_os_error(),
    Errno::NOSYS.raw_os_error(),
    Errno::OPNOTSUPP.raw_os_error(),
    Errno::PERM.raw_os_error(),
];

pub(in crate::sys) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    mut offset: u64,
    len: usize,
) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(dst, file, Some(&mut offset), len)?)
}

pub(in crate::sys) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    mut offset: u64,
    len: usize,
) -> io::Result<usize> {
    match rustix::fs::copy_file_range(file, Some(&mut offset), dst, None, len) {
        // Not a regular file, appending, on another file system, or not open for this: a write reports the error.
        Err(Errno::BADF | Errno::XDEV | Errno::ISDIR | Errno::TXTBSY) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        other => Ok(other?),
    }
}

pub(in crate::sys) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

pub(in crate::sys) fn set_pipe_size(pipe: BorrowedFd<'_>, size: usize) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_setpipe_size(pipe, size)?)
}

pub(in crate::sys) fn pipe_size(pipe: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_getpipe_size(pipe)?)
}

/// Moves bytes between a pipe of this crate and another descriptor. Does not wait for the pipe.
pub(in crate::sys) fn splice(
    from: BorrowedFd<'_>,
    mut offset: Option<u64>,
    to: BorrowedFd<'_>,
    len: usize,
) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(rustix::pipe::splice(from, offset.as_mut(), to, None, len, flags)?)
}
