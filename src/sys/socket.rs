//! Reads from and writes to descriptors: sockets, pipes, terminals, files.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, SeekFrom, fcntl_getfl, fstat, seek};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, getsockname, shutdown};

use super::{Call, MAX_BYTES, More, fault, os, retry, zerocopy};

/// Reads from a stream, or from a file at `offset`, into the front of `spare`. Returns the bytes that were
/// read, which are none at the end.
pub(crate) fn read<'a>(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    spare: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    let len = fault::inject(Call::Read, spare.len().min(MAX_BYTES))?;
    Ok(match offset {
        None => rustix::io::read(from, &mut spare[..len])?.0,
        Some(offset) => rustix::io::pread(from, &mut spare[..len], offset)?.0,
    })
}

/// Ends the sending direction of a socket. Succeeds if the socket is no longer connected.
pub(crate) fn shutdown_write(socket: BorrowedFd<'_>) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Shutdown, 0)?;
        match shutdown(socket, Shutdown::Write) {
            Err(Errno::NOTCONN) => Ok(()),
            ended => Ok(ended?),
        }
    })
}

/// Returns whether a descriptor is a regular file.
pub(crate) fn is_file(fd: BorrowedFd<'_>) -> bool {
    file_type(fd).is_ok_and(FileType::is_file)
}

pub(super) fn file_type(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    retry(|| {
        fault::inject(Call::Stat, 0)?;
        Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
    })
}

/// Returns the status flags of a descriptor.
pub(super) fn flags(fd: BorrowedFd<'_>) -> io::Result<OFlags> {
    retry(|| {
        fault::inject(Call::Stat, 0)?;
        Ok(fcntl_getfl(fd)?)
    })
}

/// Returns whether a descriptor is open for direct I/O, which takes only whole blocks.
pub(crate) fn is_direct(fd: BorrowedFd<'_>) -> io::Result<bool> {
    flags(fd).map(os::are_direct)
}

/// Returns the offset of the next read from a file.
pub(crate) fn cursor(fd: BorrowedFd<'_>) -> io::Result<u64> {
    move_cursor(fd, 0)
}

/// Moves the cursor of a file forward.
pub(crate) fn advance_cursor(fd: BorrowedFd<'_>, by: usize) -> io::Result<()> {
    move_cursor(fd, by as i64).map(drop)
}

fn move_cursor(fd: BorrowedFd<'_>, by: i64) -> io::Result<u64> {
    retry(|| {
        fault::inject(Call::Seek, 0)?;
        Ok(seek(fd, SeekFrom::Current(by))?)
    })
}

/// Returns whether a splice from `fd` that returned `WouldBlock` has reached a time limit: blocking TCP sockets
/// wait until their receive timeout.
pub(crate) fn has_timed_out(fd: BorrowedFd<'_>) -> bool {
    let is_tcp = || getsockname(fd).is_ok_and(|own| own.address_family() != AddressFamily::UNIX);
    flags(fd).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK)) && is_tcp()
}

/// Returns whether a read would return immediately, with bytes, the end or an error.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let ready = retry(|| {
        fault::inject(Call::Poll, 0)?;
        Ok(poll(&mut fds, Some(&Timespec::default()))?)
    });
    ready.is_ok_and(|ready| ready > 0)
}

/// A guard that makes a descriptor non-blocking until it is dropped.
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) struct NonBlocking<'fd> {
    fd: BorrowedFd<'fd>,
    was_blocking: bool,
}

#[cfg(all(target_os = "linux", feature = "io-uring"))]
impl<'fd> NonBlocking<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>) -> io::Result<Self> {
        let was_blocking = !flags(fd)?.contains(OFlags::NONBLOCK);
        if was_blocking {
            set_nonblocking(fd, true)?;
        }
        Ok(NonBlocking { fd, was_blocking })
    }
}

#[cfg(all(target_os = "linux", feature = "io-uring"))]
impl Drop for NonBlocking<'_> {
    fn drop(&mut self) {
        if self.was_blocking {
            let _ = set_nonblocking(self.fd, false);
        }
    }
}

#[cfg(all(target_os = "linux", feature = "io-uring"))]
fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::SetBlocking, 0)?;
        Ok(rustix::io::ioctl_fionbio(fd, on)?)
    })
}

/// A descriptor to write to, and the state of its socket.
#[derive(Debug)]
pub(crate) struct Target<'fd> {
    fd: BorrowedFd<'fd>,
    /// Whether the descriptor counts as a socket: until the kernel returns `ENOTSOCK`. `send` can suppress
    /// SIGPIPE for a dead peer, `write` cannot.
    socket: bool,
    /// Whether the last call passed `More::Follows`, and the kernel took all bytes that it was offered.
    more_expected: bool,
    /// Whether a file was sent in front of more bytes: its end may be a partial segment.
    sent_file: bool,
    /// Whether the last bytes may be held back behind a partial segment that is not acknowledged.
    may_wait: bool,
    /// The number of system calls that read `TCP_CORK` and `TCP_NODELAY`, or changed the latter.
    cork_calls: u64,
}

impl<'fd> Target<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>) -> Self {
        Target {
            fd,
            socket: true,
            more_expected: false,
            sent_file: false,
            may_wait: false,
            cork_calls: 0,
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'fd> {
        self.fd
    }

    /// Writes the slices in order. Returns the number of bytes written, which may end inside any
    /// slice.
    // Inlined: after a system call the processor mispredicts each return to a caller.
    #[inline(always)]
    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        if self.socket {
            let send = |bufs: &[IoSlice<'_>]| os::send(self.fd, bufs, more);
            match retry(|| fault::clipped(Call::Send, bufs, send)) {
                Err(e) if Errno::from_io_error(&e) == Some(Errno::NOTSOCK) => self.socket = false,
                Ok(sent) if more == More::Follows => {
                    // After a short count, acknowledgements of the bytes in flight send the rest.
                    self.more_expected = sent == bufs.iter().map(|buf| buf.len()).sum::<usize>();
                    self.may_wait |= self.sent_file;
                    return Ok(sent);
                }
                Ok(sent) => {
                    self.may_wait |= std::mem::take(&mut self.more_expected) | self.sent_file;
                    return Ok(sent);
                }
                Err(e) => return Err(e),
            }
        }
        self.write_to_file(bufs)
    }

    /// Records that another call has sent a file to the descriptor and has held back nothing.
    pub(crate) fn sent_file(&mut self, more: More) {
        self.may_wait |= self.sent_file;
        self.sent_file |= more == More::Follows;
        self.more_expected = false;
    }

    /// Sends the bytes that TCP holds back because more were to follow, or because an earlier segment of this target is
    /// not acknowledged. Returns the number of system calls that this took.
    #[inline]
    pub(crate) fn release(&mut self) -> u64 {
        if self.more_expected | self.may_wait {
            let _ = self.push();
        }
        std::mem::take(&mut self.cork_calls)
    }

    /// Sends a partial segment: setting `TCP_NODELAY` does that, even if it is already set. Nagle's algorithm holds
    /// back a partial segment that follows an unacknowledged one, such as the end of a file. With `TCP_NODELAY`, TCP
    /// holds back only bytes that were sent with `More::Follows`. If the caller has set `TCP_CORK`, nothing is sent.
    ///
    /// An error means that this is not TCP, or that the connection has ended.
    #[cold]
    fn push(&mut self) -> io::Result<()> {
        self.may_wait = false;
        let more_expected = std::mem::take(&mut self.more_expected);
        let is_nagle_off = self.cork_call(os::tcp_nodelay)?;
        if (is_nagle_off && !more_expected) || self.cork_call(os::tcp_cork)? {
            return Ok(());
        }
        self.cork_call(|fd| os::set_tcp_nodelay(fd, true))?;
        if !is_nagle_off {
            self.cork_call(|fd| os::set_tcp_nodelay(fd, false))?;
        }
        Ok(())
    }

    fn cork_call<T>(&mut self, call: impl Fn(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        self.cork_calls += 1;
        retry(|| {
            fault::inject(Call::Cork, 0)?;
            call(self.fd)
        })
    }

    fn write_to_file(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| fault::clipped(Call::Write, bufs, |bufs| Ok(rustix::io::writev(self.fd, bufs)?)))
    }

    /// Writes as [`write`](Self::write) does, to a socket for which [`enable_zero_copy`] succeeded. The
    /// kernel may read the memory until it reports a [`Completion`] of this call. Each call that succeeds
    /// counts as one send; a call that fails leaves no memory in flight.
    ///
    /// [`enable_zero_copy`]: super::enable_zero_copy
    /// [`Completion`]: super::Completion
    pub(crate) fn send_zero_copy(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        let send = |bufs: &[IoSlice<'_>]| zerocopy::send(self.fd, bufs, more);
        let sent = retry(|| fault::clipped(Call::SendZeroCopy, bufs, send))?;
        let offered = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        self.more_expected = more == More::Follows && sent == offered;
        self.may_wait |= self.sent_file;
        Ok(sent)
    }
}

/// Sends held-back bytes, also after a panic between two calls.
impl Drop for Target<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}
