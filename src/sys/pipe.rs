//! Descriptor to descriptor inside the kernel: `sendfile`, `copy_file_range`, and `splice` through a
//! pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, OFlags};

use super::socket::{file_type, flags};
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
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        fault::admit(Call::Pipe, 0)?;
        let (read, write) = os::pipe()?;
        // `EPERM` and `EBUSY` are limits of this user, not failures: the pipe works as it is.
        let capacity = fault::admit(Call::PipeSize, 0)
            .and_then(|_| os::set_pipe_size(write.as_fd(), capacity))
            .or_else(|_| os::pipe_size(write.as_fd()))?;
        Ok(Self { read, write, capacity })
    }
}

/// Moves up to `len` bytes into a pipe, inside the kernel, from a descriptor's cursor or from a
/// file at `offset`.
///
/// Neither 0 nor `WouldBlock` means what it means for a read. TCP stops in front of urgent data with either
/// of them, whatever follows. Blocking unix sockets and pipes give `WouldBlock`, as the pipe is not
/// waited for. A file gives 0 at the length that the kernel knows.
pub(crate) fn splice_in(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    pipe: &Pipe,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::SpliceIn, len, |len| os::splice(from, offset, pipe.write.as_fd(), len))
}

/// Moves up to `len` bytes from a pipe to a descriptor, inside the kernel. A blocking target is waited
/// for.
pub(crate) fn splice_out(pipe: &Pipe, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    loop {
        match repeat(Call::SpliceOut, len, |len| os::splice(pipe.read.as_fd(), None, to, len)) {
            Err(e)
                if e.kind() == io::ErrorKind::WouldBlock
                    && is_blocking_pipe(to)
                    && wait_until_writable(to).is_ok() => {}
            other => return other,
        }
    }
}

/// Returns whether a descriptor is a pipe that a write would wait for. Between two pipes a splice waits
/// only if both are blocking, and ours is not; every other kind of target is waited for by the kernel.
fn is_blocking_pipe(fd: BorrowedFd<'_>) -> bool {
    flags(fd).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
        && file_type(fd).is_ok_and(FileType::is_fifo)
}

fn wait_until_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::Poll, 0)?;
        poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?;
        Ok(())
    })
}

/// Moves up to `len` bytes of `file` from `offset` on to `dst`, inside the kernel. 0 does not prove that
/// the file ends at `offset`. `Unsupported` and `InvalidInput` mean that this pair of descriptors
/// cannot do it.
pub(crate) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::Sendfile, len, |len| os::sendfile(dst, file, offset, len))
}

/// As [`sendfile`], to a file at its cursor.
pub(crate) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::CopyRange, len, |len| os::copy_range(dst, file, offset, len))
}

/// Makes a call that moves up to `len` bytes, as long as a signal interrupts it.
fn repeat(call: Call, len: usize, make: impl Fn(usize) -> io::Result<usize>) -> io::Result<usize> {
    retry(|| make(fault::admit(call, len.min(MAX_BYTES))?))
}

/// Returns whether an error of [`sendfile`], [`copy_range`] or a splice is about the kind of the two
/// descriptors, not about the transfer: another method can still work, and nothing has moved.
pub(crate) fn refuses_pair(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| os::REFUSES_PAIR.contains(&code))
}
