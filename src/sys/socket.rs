//! Descriptors that are read from and written to: sockets, pipes, terminals, files.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, SeekFrom, fcntl_getfl, fstat, seek};
use rustix::io::Errno;

use super::{Call, MAX_BYTES, More, fault, os, retry, zerocopy};

/// Reads from a stream, or from a file at `offset`, into the front of `spare`. Returns what was read,
/// which is empty at the end.
pub(crate) fn read<'a>(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    spare: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    let len = fault::admit(Call::Read, spare.len().min(MAX_BYTES))?;
    Ok(match offset {
        None => rustix::io::read(from, &mut spare[..len])?.0,
        Some(offset) => rustix::io::pread(from, &mut spare[..len], offset)?.0,
    })
}

/// Returns whether a descriptor is a regular file.
pub(crate) fn is_file(fd: BorrowedFd<'_>) -> bool {
    file_type(fd).is_ok_and(FileType::is_file)
}

pub(super) fn file_type(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    retry(|| {
        fault::admit(Call::Stat, 0)?;
        Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
    })
}

/// Returns the flags that a descriptor was opened with.
pub(super) fn flags(fd: BorrowedFd<'_>) -> io::Result<OFlags> {
    retry(|| {
        fault::admit(Call::Stat, 0)?;
        Ok(fcntl_getfl(fd)?)
    })
}

/// Returns whether a descriptor is open for direct I/O, which takes whole blocks only.
pub(crate) fn is_direct(fd: BorrowedFd<'_>) -> io::Result<bool> {
    flags(fd).map(os::are_direct)
}

/// Returns the offset at which a file is read next.
pub(crate) fn cursor(fd: BorrowedFd<'_>) -> io::Result<u64> {
    move_cursor(fd, 0)
}

/// Moves the cursor of a file forward.
pub(crate) fn advance_cursor(fd: BorrowedFd<'_>, by: usize) -> io::Result<()> {
    move_cursor(fd, by as i64).map(drop)
}

fn move_cursor(fd: BorrowedFd<'_>, by: i64) -> io::Result<u64> {
    retry(|| {
        fault::admit(Call::Seek, 0)?;
        Ok(seek(fd, SeekFrom::Current(by))?)
    })
}

/// Returns whether a read would return at once with bytes, the end or an error.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    fault::admit(Call::Poll, 0).is_ok()
        && poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// A descriptor to write to, and what was learned about it.
#[derive(Debug)]
pub(crate) struct Target<'fd> {
    fd: BorrowedFd<'fd>,
    /// `send` can keep a dead peer from raising SIGPIPE, `write` cannot; so a descriptor counts as
    /// a socket until the kernel says `ENOTSOCK`.
    socket: bool,
}

impl<'fd> Target<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>) -> Self {
        Target { fd, socket: true }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'fd> {
        self.fd
    }

    /// Writes the slices in order. Returns the number of bytes written, which may end inside any
    /// slice.
    // Inlined: after a system call each return to a caller is mispredicted.
    #[inline(always)]
    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        if self.socket {
            let send = |bufs: &[IoSlice<'_>]| os::send(self.fd, bufs, more);
            match retry(|| fault::clipped(Call::Send, bufs, send)) {
                Err(e) if Errno::from_io_error(&e) == Some(Errno::NOTSOCK) => self.socket = false,
                other => return other,
            }
        }
        self.write_to_file(bufs)
    }

    fn write_to_file(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| fault::clipped(Call::Write, bufs, |bufs| Ok(rustix::io::writev(self.fd, bufs)?)))
    }

    /// As [`write`](Self::write), to a socket for which [`enable_zero_copy`] succeeded. The kernel
    /// may read the memory until it reports a [`Completion`] of this call. Each call that succeeds
    /// counts as one send; a call that fails leaves no memory in flight.
    ///
    /// [`enable_zero_copy`]: super::enable_zero_copy
    /// [`Completion`]: super::Completion
    pub(crate) fn send_zero_copy(&self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        let send = |bufs: &[IoSlice<'_>]| zerocopy::send(self.fd, bufs, more);
        retry(|| fault::clipped(Call::SendZeroCopy, bufs, send))
    }
}
