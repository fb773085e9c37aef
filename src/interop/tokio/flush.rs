//! Sends a queue to a descriptor.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::WriteReady;
use crate::io::{Flush, WriteQueue};
use crate::sys::Target;

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
    ///
    /// # Examples
    ///
    /// One task sends and receives; neither waits for the other:
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use bytebuf::{ByteBuf, RecvSizer, WriteQueue};
    /// use std::{future::poll_fn, task::Poll};
    /// use tokio::{io::AsyncWriteExt, net::UnixStream};
    ///
    /// let (stream, mut peer) = UnixStream::pair()?;
    /// peer.write_all(b"question").await?;
    ///
    /// let (mut queue, mut sizer, mut input) = (WriteQueue::new(), RecvSizer::new(), ByteBuf::new());
    /// queue.push("the answer to an earlier question");
    /// let received = poll_fn(|cx| {
    ///     if let Poll::Ready(Err(error)) = queue.poll_flush(cx, &stream) {
    ///         return Poll::Ready(Err(error));
    ///     }
    ///     sizer.poll_receive(cx, &stream, &mut input)
    /// })
    /// .await?;
    /// assert_eq!(received, 8);
    /// assert!(queue.is_empty());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
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
