//! Descriptor to descriptor inside the kernel: `sendfile`, `copy_file_range`, and `splice` through a
//! pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Call, MAX_BYTES, fault, os, retry};

/// A pipe to splice through. Neither end blocks.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
    /// The number of bytes that it holds at most; less if they come in small pieces.
    pub(crate) capacity: usize,
}

impl Pipe {
    /// Makes a pipe of `capacity` bytes, or of what the user's quota of pipe pages still allows.
    pub(crate) fn new(capacity: usize) -> io::Result<Pipe> {
        fault::admit(Call::Pipe, 0)?;
        let (read, write) = os::pipe()?;
        // `EPERM` and `EBUSY` are limits of this user, not failures: the pipe works as it is.
        let capacity = fault::admit(Call::PipeSize, 0)
            .and_then(|_| os::set_pipe_size(write.as_fd(), capacity))
            .or_else(|_| os::pipe_size(write.as_fd()))?;
        Ok(Pipe { read, write, capacity })
    }
}

/// Moves up to `len` bytes into a pipe, inside the kernel, from a descriptor's cursor or from a
/// file at `offset`. 0 at its end. A blocking source is waited for, a full pipe is not.
pub(crate) fn splice_in(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    pipe: &Pipe,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::SpliceIn, len.min(MAX_BYTES))?;
        os::splice(from, offset, pipe.write.as_fd(), len)
    })
}

/// Moves up to `len` bytes from a pipe to a descriptor, inside the kernel.
pub(crate) fn splice_out(pipe: &Pipe, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::SpliceOut, len.min(MAX_BYTES))?;
        os::splice(pipe.read.as_fd(), None, to, len)
    })
}

/// Moves up to `len` bytes of `file` from `offset` on to `dst`, inside the kernel. 0 means that
/// the file ends at `offset`. `Unsupported` and `InvalidInput` mean that this pair of descriptors
/// cannot do it.
pub(crate) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::Sendfile, len.min(MAX_BYTES))?;
        os::sendfile(dst, file, offset, len)
    })
}

/// As [`sendfile`], to a file at its cursor; but 0 does not tell where the file ends.
pub(crate) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::CopyRange, len.min(MAX_BYTES))?;
        os::copy_range(dst, file, offset, len)
    })
}

/// Returns whether an error of [`sendfile`], [`copy_range`] or a splice is about the kind of the two
/// descriptors, not about the transfer: another method can still work, and nothing has moved.
pub(crate) fn refuses_pair(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| os::REFUSES_PAIR.contains(&code))
}
