//! Queues, splices and receives over descriptors that tokio watches, by their readiness. `AsyncRead` and
//! `AsyncWrite` have no calls for files, and allow only one call per wake-up.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use crate::buf::{ByteBuf, CompositeByteBuf};
use crate::io::{Flush, RecvSizer, Splice, WriteQueue};
use crate::pool::Pool;
use crate::sys::Target;

mod ready;

pub use ready::{ReadReady, WriteReady};

impl WriteQueue {
    /// Sends everything, and waits while the descriptor takes no bytes.
    ///
    /// When the budget of one flush is spent, the task yields and is woken again.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush). After every return, also of `Pending`, the queue holds exactly the bytes that
    /// are not sent.
    ///
    /// # Cost
    ///
    /// That of the flush; waiting allocates nothing and does not duplicate the descriptor.
    pub fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        dst: &impl WriteReady,
    ) -> Poll<io::Result<()>> {
        self.poll_send_until(cx, dst, Self::is_empty)
    }

    /// Sends until the queue is [writable](Self::is_writable), from above the high watermark down to the low
    /// one, and waits while the descriptor takes no bytes.
    ///
    /// # Errors
    ///
    /// As [`poll_flush`](Self::poll_flush).
    ///
    /// # Cost
    ///
    /// Nothing if the queue is writable; otherwise that of the flush.
    pub fn poll_writable(
        &mut self,
        cx: &mut Context<'_>,
        dst: &impl WriteReady,
    ) -> Poll<io::Result<()>> {
        self.poll_send_until(cx, dst, Self::is_writable)
    }

    fn poll_send_until(
        &mut self,
        cx: &mut Context<'_>,
        dst: &impl WriteReady,
        is_done: impl Fn(&Self) -> bool,
    ) -> Poll<io::Result<()>> {
        while !is_done(self) {
            ready!(dst.poll_write_ready(cx))?;
            // By copying: tokio would take the completion of a zero-copy send for the end of the stream.
            let copying = |queue: &mut Self| queue.flush_copying(Target::new(dst.as_fd()));
            let flush = dst.try_write(|| match copying(self)? {
                Flush::WouldBlock(_) => Err(io::ErrorKind::WouldBlock.into()),
                other => Ok(other),
            });
            match flush {
                Ok(Flush::BudgetSpent(_)) if !is_done(self) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends everything: [`poll_flush`](Self::poll_flush) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds the bytes that are not sent.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::WriteQueue;
    /// use tokio::io::AsyncReadExt;
    /// use tokio::net::UnixStream;
    ///
    /// let (out, mut peer) = UnixStream::pair()?;
    /// let mut queue = WriteQueue::new();
    /// queue.push("over tokio");
    /// queue.flush_all(&out).await?;
    ///
    /// let mut received = [0; 10];
    /// peer.read_exact(&mut received).await?;
    /// assert_eq!(&received, b"over tokio");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn flush_all(&mut self, dst: &impl WriteReady) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx, dst)).await
    }

    /// Sends until the queue is [writable](Self::is_writable): [`poll_writable`](Self::poll_writable) as a
    /// future.
    ///
    /// Await it before each push: then a peer that does not read stops the task, and the queue does not fill
    /// the memory. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::WriteQueue;
    /// use tokio::io::AsyncReadExt;
    /// use tokio::net::UnixStream;
    ///
    /// let (out, mut peer) = UnixStream::pair()?;
    /// let send = async move {
    ///     let mut queue = WriteQueue::new();
    ///     for _ in 0..1000 {
    ///         queue.writable(&out).await?;
    ///         queue.push(vec![0; 10_000]);
    ///     }
    ///     queue.flush_all(&out).await
    /// };
    /// let mut received = Vec::new();
    /// let (sent, read) = tokio::join!(send, peer.read_to_end(&mut received));
    /// sent?;
    /// assert_eq!(read?, 10_000_000);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn writable(&mut self, dst: &impl WriteReady) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx, dst)).await
    }
}

impl Splice {
    /// Moves bytes until the source ends or the limit is reached, and waits for either side. Returns the
    /// number of bytes that were moved in all.
    ///
    /// When the budget of one call is spent, the task yields and is woken again.
    ///
    /// # Errors
    ///
    /// As [`transfer`](Self::transfer). After every return, also of `Pending`, the bytes in flight are in the
    /// `Splice`.
    ///
    /// # Cost
    ///
    /// That of the transfer; waiting allocates nothing.
    pub fn poll_transfer(
        &mut self,
        cx: &mut Context<'_>,
        from: &impl ReadReady,
        to: &impl WriteReady,
    ) -> Poll<io::Result<u64>> {
        self.poll_transfer_by(cx, from, |splice, cx| {
            while splice.held_bytes() > 0 {
                ready!(to.poll_write_ready(cx))?;
                ignore_would_block(to.try_write(|| splice.drain_to(to)))?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Alternates between filling from the source and `drain`.
    fn poll_transfer_by(
        &mut self,
        cx: &mut Context<'_>,
        from: &impl ReadReady,
        drain: impl Fn(&mut Self, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<u64>> {
        let start = self.moved_bytes();
        loop {
            ready!(drain(self, cx))?;
            if self.is_done() {
                return Poll::Ready(Ok(self.moved_bytes()));
            }
            if self.is_spent(start) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(from.poll_read_ready(cx))?;
            ignore_would_block(from.try_read(|| self.fill_from(from)))?;
        }
    }

    /// Moves everything: [`poll_transfer`](Self::poll_transfer) as a future.
    ///
    /// Dropping the future loses nothing: the bytes in flight are in the `Splice`.
    ///
    /// # Errors
    ///
    /// As [`transfer`](Self::transfer).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::{Splice, shutdown_write};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::UnixStream;
    ///
    /// let (mut client, front) = UnixStream::pair()?;
    /// let (back, mut server) = UnixStream::pair()?;
    /// client.write_all(b"through the proxy").await?;
    /// client.shutdown().await?;
    ///
    /// assert_eq!(Splice::new().transfer_all(&front, &back).await?, 17);
    /// shutdown_write(&back)?; // the half-close goes on to the server
    ///
    /// let mut received = String::new();
    /// server.read_to_string(&mut received).await?;
    /// assert_eq!(received, "through the proxy");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn transfer_all(
        &mut self,
        from: &impl ReadReady,
        to: &impl WriteReady,
    ) -> io::Result<u64> {
        poll_fn(|cx| self.poll_transfer(cx, from, to)).await
    }

    /// Moves bytes into a file until the source ends or the limit is reached. Returns the number of bytes that were
    /// moved in all. It never waits for the file: tokio does not watch files.
    ///
    /// It collects bytes while the source has more, and writes whole blocks at the cursor of the file. When the budget
    /// of one call is spent, the task yields and is woken again.
    ///
    /// # Errors
    ///
    /// As [`transfer`](Self::transfer). The `Splice` [holds](Self::held_bytes) the bytes that a full disk refused, and
    /// the next call writes them.
    ///
    /// # Cost
    ///
    /// That of the transfer to a file. A write blocks the thread on the disk. A wait for the source holds no memory.
    pub fn poll_transfer_to_file(
        &mut self,
        cx: &mut Context<'_>,
        from: &impl ReadReady,
        to: &impl AsFd,
    ) -> Poll<io::Result<u64>> {
        self.prepare_for(to.as_fd());
        self.poll_transfer_by(cx, from, |splice, _| Poll::Ready(splice.drain_to(to)))
    }

    /// Moves everything into a file: [`poll_transfer_to_file`](Self::poll_transfer_to_file) as a future.
    ///
    /// Dropping the future loses nothing: the bytes that are not written are in the `Splice`.
    ///
    /// # Errors
    ///
    /// As [`poll_transfer_to_file`](Self::poll_transfer_to_file).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::Splice;
    /// use tokio::io::AsyncWriteExt;
    /// use tokio::net::UnixStream;
    ///
    /// let (mut client, socket) = UnixStream::pair()?;
    /// client.write_all(b"an upload").await?;
    /// drop(client);
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("upload");
    /// let file = std::fs::File::create(&path)?;
    /// assert_eq!(Splice::new().transfer_to_file(&socket, &file).await?, 9);
    /// assert_eq!(std::fs::read(&path)?, b"an upload");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn transfer_to_file(
        &mut self,
        from: &impl ReadReady,
        to: &impl AsFd,
    ) -> io::Result<u64> {
        poll_fn(|cx| self.poll_transfer_to_file(cx, from, to)).await
    }
}

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
    /// That of the receive; waiting allocates nothing.
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

    /// Waits until the source is readable, then receives into several blocks of `pool`:
    /// [`receive_vectored`](Self::receive_vectored), which waits.
    ///
    /// # Errors
    ///
    /// As [`poll_receive`](Self::poll_receive).
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

/// Turns `WouldBlock` into success: the caller waits next.
fn ignore_would_block(call: io::Result<()>) -> io::Result<()> {
    call.or_else(|e| if e.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(e) })
}

#[cfg(test)]
mod tests;
