//! Zero-copy sends: `MSG_ZEROCOPY`, and the completions that end them.
//!
//! The kernel numbers the sends of a socket that succeeded with this flag, from 0 on, in 32 bits that
//! wrap. When it no longer reads the memory of some of them, in any order, it puts a message with a
//! range of these numbers into the socket's error queue.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::{Call, Completion, More, fault, os, retry};

/// Why a zero-copy send was refused, where sending by copying can still work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As much memory is in flight as this user or this socket may have.
    LimitReached,
    /// This socket cannot.
    Unsupported,
}

/// Returns what an error of [`send_zero_copy`](super::Target::send_zero_copy) says about zero-copy
/// alone. Nothing has moved, and the send does not count.
pub(crate) fn refusal(error: &io::Error) -> Option<Refusal> {
    match Errno::from_io_error(error) {
        Some(Errno::NOBUFS) => Some(Refusal::LimitReached),
        Some(Errno::OPNOTSUPP) => Some(Refusal::Unsupported),
        _ => None,
    }
}

/// As [`refusal`], of an operation of a completion ring. There the kernel counts the pages that are in flight
/// against the limit of locked memory, and older ones lack the operation.
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) fn refusal_of_operation(error: &io::Error) -> Option<Refusal> {
    match Errno::from_io_error(error) {
        Some(Errno::NOMEM) => Some(Refusal::LimitReached),
        Some(Errno::INVAL) => Some(Refusal::Unsupported),
        _ => refusal(error),
    }
}

/// Returns a number that no other socket has or will have; none for what is not a socket.
pub(crate) fn socket_id(fd: BorrowedFd<'_>) -> Option<u64> {
    retry(|| {
        fault::admit(Call::SetZeroCopy, 0)?;
        os::socket_id(fd)
    })
    .ok()
}

/// Prepares a socket for [`send_zero_copy`](super::Target::send_zero_copy), whose first send will
/// have the number 0.
///
/// Fails for all except TCP sockets; and for those on which it was enabled before, as the number of
/// their next send is not known.
pub(crate) fn enable_zero_copy(fd: BorrowedFd<'_>) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::SetZeroCopy, 0)?;
        os::enable_zero_copy(fd)
    })
}

pub(super) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
    os::send_zero_copy(fd, bufs, more)
}

/// Takes the next completion out of a socket's error queue and drops other messages before it.
pub(crate) fn next_completion(fd: BorrowedFd<'_>) -> io::Result<Option<Completion>> {
    let read = || match fault::completion(Call::Completion)? {
        None => os::next_completion(fd),
        planned => Ok(planned),
    };
    retry(read).or_else(|e| if e.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(e) })
}
