//! Descriptors that tokio watches.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream, unix::pipe};

/// A descriptor that tokio watches for writing. [`WriteQueue::poll_flush`](crate::WriteQueue::poll_flush)
/// sends to it.
///
/// Sockets and pipes of tokio implement it, and [`AsyncFd`] of any type. `as_ref()` of the write half of a
/// split stream returns the stream.
///
/// # Examples
///
/// ```
/// use bytebuf::{WriteQueue, WriteReady};
/// use tokio::net::UnixStream;
///
/// /// Works for TCP and unix sockets, pipes, and descriptors in an `AsyncFd`.
/// async fn say_goodbye(to: &impl WriteReady, queue: &mut WriteQueue) -> std::io::Result<()> {
///     queue.push("goodbye\n");
///     queue.flush_all(to).await
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
/// let (socket, peer) = UnixStream::pair()?;
/// say_goodbye(&socket, &mut WriteQueue::new()).await?;
/// peer.readable().await?;
/// let mut received = [0; 8];
/// assert_eq!((peer.try_read(&mut received)?, &received), (8, b"goodbye\n"));
/// # Ok(())
/// # })
/// # }
/// ```
pub trait WriteReady: AsFd {
    /// Waits until the descriptor may take bytes.
    ///
    /// # Errors
    ///
    /// If the runtime that watches the descriptor has shut down.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `write` if the descriptor may take bytes. If `write` fails with
    /// [`io::ErrorKind::WouldBlock`], the next [`poll_write_ready`](Self::poll_write_ready) waits.
    ///
    /// # Errors
    ///
    /// Those of `write`; [`io::ErrorKind::WouldBlock`] without a call of it if the descriptor takes no bytes.
    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

/// A descriptor that tokio watches for reading. [`Splice::poll_transfer`](crate::Splice::poll_transfer) and
/// [`RecvSizer::poll_receive`](crate::RecvSizer::poll_receive) read from it.
///
/// The types that implement [`WriteReady`] implement it; of tokio's pipes, the receiver does.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteBuf, ReadReady, RecvSizer};
/// use tokio::net::UnixStream;
///
/// /// Works for TCP and unix sockets, pipes, and descriptors in an `AsyncFd`.
/// async fn receive(from: &impl ReadReady) -> std::io::Result<ByteBuf> {
///     let mut received = ByteBuf::new();
///     RecvSizer::new().receive_some(from, &mut received).await?;
///     Ok(received)
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
/// let (socket, peer) = UnixStream::pair()?;
/// peer.writable().await?;
/// peer.try_write(b"hello")?;
/// assert_eq!(receive(&socket).await?, b"hello"[..]);
/// # Ok(())
/// # })
/// # }
/// ```
pub trait ReadReady: AsFd {
    /// Waits until the descriptor may have bytes, or has ended.
    ///
    /// # Errors
    ///
    /// If the runtime that watches the descriptor has shut down.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `read` if the descriptor may have bytes. If `read` fails with
    /// [`io::ErrorKind::WouldBlock`], the next [`poll_read_ready`](Self::poll_read_ready) waits.
    ///
    /// # Errors
    ///
    /// Those of `read`; [`io::ErrorKind::WouldBlock`] without a call of it if the descriptor has no bytes.
    fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

/// Implements the traits for types of tokio by their methods of the same names. `try_io` of a pipe has no `Interest`.
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
