//! Sockets.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::fs::OFlags;
use rustix::net::{SendAncillaryBuffer, SendFlags, sockopt};

use super::super::More;

pub(in crate::sys) fn send(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    more: More,
) -> io::Result<usize> {
    send_with(fd, bufs, more, SendFlags::empty())
}

/// Sends with these flags. A peer that has disconnected causes `EPIPE`, not a signal.
pub(super) fn send_with(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    more: More,
    flags: SendFlags,
) -> io::Result<usize> {
    let flags = flags
        | match more {
            More::No => SendFlags::NOSIGNAL,
            More::Follows => SendFlags::NOSIGNAL | SendFlags::MORE,
        };
    Ok(match bufs {
        // One slice needs no message header.
        [one] => rustix::net::send(fd, one, flags)?,
        many => rustix::net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), flags)?,
    })
}

pub(in crate::sys) fn are_direct(flags: OFlags) -> bool {
    flags.contains(OFlags::DIRECT)
}

pub(in crate::sys) fn tcp_cork(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::tcp_cork(fd)?)
}

pub(in crate::sys) fn tcp_nodelay(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::tcp_nodelay(fd)?)
}

pub(in crate::sys) fn set_tcp_nodelay(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(fd, on)?)
}
