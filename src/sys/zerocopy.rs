//! Zero-copy sends: `MSG_ZEROCOPY`, and the completions that end them.
//!
//! The kernel numbers the sends of a socket that succeeded with this flag, from 0 on, in 32 bits that
//! wrap. Sends end in any order: when the kernel no longer reads the memory of some of them, it puts a message
//! with a range of these numbers into the error queue of the socket.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::{Call, Completion, More, fault, os, retry};

/// The reason for the refusal of a zero-copy send. A copying send can still work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The memory in flight has reached the limit of this user or this socket.
    LimitReached,
    /// This socket does not support zero-copy sends.
    Unsupported,
}

/// Returns whether an error of [`send_zero_copy`](super::Target::send_zero_copy) is about zero-copy, and why.
/// Then nothing has moved, and the send does not count.
pub(crate) fn refusal(error: &io::Error) -> Option<Refusal> {
    match Errno::from_io_error(error) {
        Some(Errno::NOBUFS) => Some(Refusal::LimitReached),
        Some(Errno::OPNOTSUPP) => Some(Refusal::Unsupported),
        _ => None,
    }
}

/// Returns the same for an operation of a completion ring. There the kernel charges the pages in flight to the
/// limit of locked memory, and an older kernel lacks the operation.
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) fn refusal_of_operation(error: &io::Error) -> Option<Refusal> {
    match Errno::from_io_error(error) {
        Some(Errno::NOMEM) => Some(Refusal::LimitReached),
        Some(Errno::INVAL) => Some(Refusal::Unsupported),
        _ => refusal(error),
    }
}

/// Returns a number that no other socket ever has. Returns `None` for other descriptors and systems without it.
pub(crate) fn socket_id(fd: BorrowedFd<'_>) -> Option<u64> {
    retry(|| {
        fault::inject(Call::SetZeroCopy, 0)?;
        os::socket_id(fd)
    })
    .ok()
}

/// Prepares a socket for [`send_zero_copy`](super::Target::send_zero_copy). The first send has the number 0.
///
/// Fails for all descriptors except TCP sockets, and for sockets on which it was enabled before, because the
/// number of their next send is not known.
pub(crate) fn enable_zero_copy(fd: BorrowedFd<'_>) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::SetZeroCopy, 0)?;
        os::enable_zero_copy(fd)
    })
}

pub(super) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
    os::send_zero_copy(fd, bufs, more)
}

/// Takes the next completion from a socket's error queue, and drops other messages in front of it.
pub(crate) fn next_completion(fd: BorrowedFd<'_>) -> io::Result<Option<Completion>> {
    let read = || match fault::completion(Call::Completion)? {
        None => os::next_completion(fd),
        planned => Ok(planned),
    };
    retry(read).or_else(|e| if e.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(e) })
}
