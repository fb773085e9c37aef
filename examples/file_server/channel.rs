//! The peer of a connection: a socket, or a TLS session over one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytebuf::{ByteBuf, Flush, QueueStats, WriteQueue};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::report::Counters;
use crate::tls::Session;

#[derive(Debug)]
pub(crate) enum Channel {
    Plain(OwnedFd),
    Tls(Box<Session>),
}

/// What a call of [`Channel::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(usize),
    /// No bytes yet, but the socket may have more: the call read a part of a TLS record.
    Again,
    /// The socket is empty.
    Nothing,
    /// The peer has sent everything.
    End,
}

impl Channel {
    /// Receives up to `limit` bytes into the spare capacity of `inbox` by one read from the socket.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut ByteBuf,
        limit: usize,
        counters: &mut Counters,
    ) -> io::Result<Received> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => return session.receive(inbox, limit, counters),
        };
        counters.system_calls += 1;
        let received = inbox.read_into_spare(|space| {
            recv(&socket, &mut space[..limit], RecvFlags::empty()).map(|((bytes, _), _)| bytes)
        });
        match received {
            Ok(0) => Ok(Received::End),
            Ok(bytes) => Ok(Received::Bytes(bytes)),
            Err(Errno::AGAIN) => Ok(Received::Nothing),
            Err(Errno::INTR) => Ok(Received::Again),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether a short read means that the socket is empty.
    pub(crate) fn empties_with_short_reads(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Sends from `outbox` and from the TLS session. `Flush::Done` means that both are empty.
    pub(crate) fn flush(
        &mut self,
        outbox: &mut WriteQueue,
        counters: &mut Counters,
    ) -> io::Result<Flush> {
        match self {
            Self::Plain(socket) => outbox.flush(&*socket),
            Self::Tls(session) => session.flush(outbox, counters),
        }
    }

    /// Returns whether the TLS session has something to send.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(session) => session.has_unsent(),
        }
    }

    /// Tells the peer that nothing follows; returns false if the socket must be writable first.
    pub(crate) fn end(&mut self, counters: &mut Counters) -> io::Result<bool> {
        if let Self::Tls(session) = self
            && !session.end(counters)?
        {
            return Ok(false);
        }
        counters.system_calls += 1;
        shutdown(self.as_fd(), Shutdown::Write)?;
        Ok(true)
    }

    /// Returns the number of system calls of a queue with these counters. A TLS session counts its own
    /// calls.
    pub(crate) fn calls_of(&self, queue: &QueueStats) -> u64 {
        match self {
            Self::Plain(_) => queue.system_calls(),
            Self::Tls(_) => queue.reads,
        }
    }

    /// Closes the socket. A TLS session first tries to send its end.
    pub(crate) fn close(self, counters: &mut Counters) {
        counters.system_calls += 1;
        if let Self::Tls(mut session) = self {
            // The connection ends in any case.
            let _ = session.end(counters);
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(session) => session.as_fd(),
        }
    }
}
