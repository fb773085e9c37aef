//! Descriptors that tokio watches.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream, unix::pipe};

/// A descriptor that tokio watches: [`WriteQueue::poll_flush`](crate::WriteQueue::poll_flush) sends to it.
///
/// It is there for tokio's sockets and pipes, and for [`AsyncFd`] with anything in it. The write
/// half of a split stream gives the stream by `as_ref()`.
pub trait WriteReady: AsFd {
    /// Waits until the descriptor may take bytes.
    ///
    /// # Errors
    ///
    /// If the runtime that watches it is gone.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `write` if the descriptor may take bytes; when it fails with
    /// [`io::ErrorKind::WouldBlock`], the next [`poll_write_ready`](Self::poll_write_ready) waits.
    ///
    /// # Errors
    ///
    /// Those of `write`; [`io::ErrorKind::WouldBlock`] without calling it if the descriptor takes no bytes.
    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

/// A descriptor that tokio watches for reading: [`Splice::poll_transfer`](crate::Splice::poll_transfer) and
/// [`RecvSizer::poll_receive`](crate::RecvSizer::poll_receive) take from it.
///
/// It is there for the same types as [`WriteReady`].
pub trait ReadReady: AsFd {
    /// Waits until the descriptor may have bytes, or has ended.
    ///
    /// # Errors
    ///
    /// If the runtime that watches it is gone.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `read` if the descriptor may have bytes; when it fails with
    /// [`io::ErrorKind::WouldBlock`], the next [`poll_read_ready`](Self::poll_read_ready) waits.
    ///
    /// # Errors
    ///
    /// Those of `read`; [`io::ErrorKind::WouldBlock`] without calling it if the descriptor has no bytes.
    fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

/// The traits for tokio's types, which have methods of the same names; a pipe needs no interest.
macro_rules! readiness {
    ($($stream:ty: $trait:ident, $poll:ident, $try:ident $(, $interest:expr)?;)+) => {$(
        impl $trait for $stream {
            fn $poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$stream>::$poll(self, cx)
            }

            fn $try<R>(&self, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.try_io($($interest,)? call)
            }
        }
    )+};
}

readiness! {
    TcpStream: WriteReady, poll_write_ready, try_write, Interest::WRITABLE;
    TcpStream: ReadReady, poll_read_ready, try_read, Interest::READABLE;
    UnixStream: WriteReady, poll_write_ready, try_write, Interest::WRITABLE;
    UnixStream: ReadReady, poll_read_ready, try_read, Interest::READABLE;
    pipe::Sender: WriteReady, poll_write_ready, try_write;
    pipe::Receiver: ReadReady, poll_read_ready, try_read;
}

impl<T: AsRawFd> WriteReady for AsyncFd<T> {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx).map_ok(drop)
    }

    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(Interest::WRITABLE, |_| write())
    }
}

impl<T: AsRawFd> ReadReady for AsyncFd<T> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx).map_ok(drop)
    }

    fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(Interest::READABLE, |_| read())
    }
}
