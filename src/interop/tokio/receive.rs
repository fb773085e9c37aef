//! Receives from a descriptor.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::ReadReady;
use crate::buf::{ByteBuf, CompositeByteBuf};
use crate::io::RecvSizer;
use crate::pool::Pool;

impl RecvSizer {
    /// Waits until the source is readable, then [receives](Self::receive). Returns the number of bytes,
    /// 0 at the end of the stream.
    ///
    /// An empty buffer holds no memory during the wait.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), except [`io::ErrorKind::WouldBlock`].
    ///
    /// # Cost
    ///
    /// That of the receive; waiting allocates nothing. [`WriteQueue::poll_flush`](crate::WriteQueue::poll_flush) has an
    /// example.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        from: &impl ReadReady,
        into: &mut ByteBuf,
    ) -> Poll<io::Result<usize>> {
        if_ready(cx, from, || self.receive(from, into))
    }

    /// Waits until the source is readable, then receives: [`poll_receive`](Self::poll_receive) as a
    /// future.
    ///
    /// Dropping the future loses nothing: a future that is not ready has received nothing.
    ///
    /// # Errors
    ///
    /// As [`poll_receive`](Self::poll_receive).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::{ByteBuf, RecvSizer};
    /// use tokio::io::AsyncWriteExt;
    /// use tokio::net::UnixStream;
    ///
    /// let (mut peer, socket) = UnixStream::pair()?;
    /// peer.write_all(b"a request").await?;
    ///
    /// let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
    /// assert_eq!(sizer.receive_some(&socket, &mut input).await?, 9);
    /// assert_eq!(&input[..], b"a request");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn receive_some(
        &mut self,
        from: &impl ReadReady,
        into: &mut ByteBuf,
    ) -> io::Result<usize> {
        poll_fn(|cx| self.poll_receive(cx, from, into)).await
    }

    /// Waits until the source is readable, then receives into several blocks of `pool`, as
    /// [`receive_vectored`](Self::receive_vectored) does.
    ///
    /// # Errors
    ///
    /// As [`poll_receive`](Self::poll_receive).
    ///
    /// # Cost
    ///
    /// That of the receive; waiting allocates nothing and holds no memory.
    pub fn poll_receive_vectored(
        &mut self,
        cx: &mut Context<'_>,
        from: &impl ReadReady,
        pool: &Pool,
        into: &mut CompositeByteBuf,
    ) -> Poll<io::Result<usize>> {
        if_ready(cx, from, || self.receive_vectored(from, pool, into))
    }
}

/// Runs `call` when `from` is readable; waits again after `WouldBlock`.
fn if_ready<T>(
    cx: &mut Context<'_>,
    from: &impl ReadReady,
    mut call: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(from.poll_read_ready(cx))?;
        match from.try_read(&mut call) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}
