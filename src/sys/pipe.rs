//! Transfers between descriptors inside the kernel: `sendfile`, `copy_file_range`, and `splice` through a
//! pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, OFlags};

use super::socket::{file_type, flags};
use super::{Call, MAX_BYTES, fault, os, retry};

/// A pipe for splices. Both ends are non-blocking.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
    /// The most bytes that it holds; small pieces reduce that.
    pub(crate) capacity: usize,
}

impl Pipe {
    /// Creates a pipe of `capacity` bytes, or of the size that the user's quota of pipe pages still allows.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        fault::inject(Call::Pipe, 0)?;
        let (read, write) = os::pipe()?;
        // `EPERM` and `EBUSY` are limits of this user: the pipe works with its present size.
        let capacity = fault::inject(Call::PipeSize, 0)
            .and_then(|_| os::set_pipe_size(write.as_fd(), capacity))
            .or_else(|_| os::pipe_size(write.as_fd()))?;
        Ok(Self { read, write, capacity })
    }
}

/// Moves up to `len` bytes into a pipe, inside the kernel, from a descriptor's cursor or from a
/// file at `offset`.
///
/// 0 and `WouldBlock` have other meanings than for a read. TCP returns either of them in front of urgent data,
/// even if more data follow. Blocking unix sockets and pipes return `WouldBlock`, because the call does not
/// wait for the pipe. A file returns 0 at the length that the kernel knows.
pub(crate) fn splice_in(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    pipe: &Pipe,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::SpliceIn, len, |len| os::splice(from, offset, pipe.write.as_fd(), len))
}

/// Moves up to `len` bytes from a pipe to a descriptor, inside the kernel. Waits for a blocking target.
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

/// Returns whether a descriptor is a blocking pipe. Between two pipes a splice waits only if both are blocking,
/// and the pipe of this crate is not; the kernel waits for every other kind of blocking target.
fn is_blocking_pipe(fd: BorrowedFd<'_>) -> bool {
    flags(fd).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
        && file_type(fd).is_ok_and(FileType::is_fifo)
}

fn wait_until_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Poll, 0)?;
        poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?;
        Ok(())
    })
}

/// Moves up to `len` bytes of `file` from `offset` on to `dst`, inside the kernel. 0 does not prove that
/// the file ends at `offset`. [`refuses_pair`] tells whether an error is about this pair of descriptors.
pub(crate) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::Sendfile, len, |len| os::sendfile(dst, file, offset, len))
}

/// Moves bytes to a file at its cursor; otherwise as [`sendfile`].
pub(crate) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    repeat(Call::CopyRange, len, |len| os::copy_range(dst, file, offset, len))
}

/// Makes a call that moves up to `len` bytes, and repeats it after a signal (SC1).
fn repeat(call: Call, len: usize, make: impl Fn(usize) -> io::Result<usize>) -> io::Result<usize> {
    retry(|| make(fault::inject(call, len.min(MAX_BYTES))?))
}

/// Returns whether an error of [`sendfile`], [`copy_range`] or a splice is about the kinds of the two
/// descriptors, not about the transfer. Then nothing has moved, and another method can still work.
pub(crate) fn refuses_pair(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| os::REFUSES_PAIR.contains(&code))
}
