//! Queues into the asynchronous writers of tokio and of `futures-io`: TLS streams, split halves, pipes in
//! memory, compressors.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::{MAX_WRITER_CALL, PollWriter, WriteQueue};

/// Implements [`PollWriter`] for a pinned writer of one of the traits, which one call offers so many bytes at most.
macro_rules! poll_writer {
    ($visibility:vis $name:ident, $max:expr, $($trait:ident)::+) => {
        $visibility struct $name<'w, W: ?Sized>(pub(super) Pin<&'w mut W>);

        impl<W: $($trait)::+ + ?Sized> PollWriter for $name<'_, W> {
            const MAX_CALL: usize = $max;

            fn poll_write(
                &mut self,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.0.as_mut().poll_write_vectored(cx, bufs)
            }

            fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.as_mut().poll_flush(cx)
            }
        }
    };
}

#[cfg(feature = "tokio")]
poll_writer!(Tokio, MAX_WRITER_CALL, tokio::io::AsyncWrite);
// All that a flush may send: as much as a codec of `tokio_util` offers.
#[cfg(feature = "tokio")]
poll_writer!(pub(super) TokioFrames, usize::MAX, tokio::io::AsyncWrite);
#[cfg(feature = "futures-io")]
poll_writer!(Futures, MAX_WRITER_CALL, futures_io::AsyncWrite);

#[cfg(feature = "tokio")]
impl WriteQueue {
    /// Sends everything to any of tokio's writers, then has the writer flush what it has buffered itself.
    ///
    /// It is there for TLS streams, split halves, pipes in memory and compressors. To a socket or a pipe of
    /// tokio, [`poll_flush`](Self::poll_flush) is shorter: there the kernel sends files by itself. The writer
    /// is flushed also if the queue is empty, so that a flush that was pending is continued.
    ///
    /// When the budget of one flush is spent the task gives way to others and is woken again. Dropping the
    /// task at any point loses nothing: the queue holds exactly what the writer has not taken.
    ///
    /// # Errors
    ///
    /// Those of the writer. One that takes nothing gives [`io::ErrorKind::WriteZero`], one that reports more
    /// than it was offered [`io::ErrorKind::InvalidData`]. For a file that ends before its region does the
    /// source is [`FileTruncated`](crate::FileTruncated). The queue is exact after every error.
    ///
    /// # Cost
    ///
    /// Vectored writes of at most 64 KiB each; a writer that has none is offered one slice at a time. Files
    /// are read, which blocks on the disk, 64 KiB at a time.
    pub fn poll_flush_into(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl tokio::io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain(cx, &mut Tokio(writer))
    }

    /// Sends everything to any of tokio's writers; [`poll_flush_into`](Self::poll_flush_into) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds what the writer has not taken.
    ///
    /// # Errors
    ///
    /// As [`poll_flush_into`](Self::poll_flush_into).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use bytebuf::WriteQueue;
    /// use tokio::io::AsyncReadExt;
    ///
    /// // Two ends of a pipe in memory stand for a TLS stream.
    /// let (mut tls, mut peer) = tokio::io::duplex(1024);
    /// let mut queue = WriteQueue::new();
    /// queue.push("over any writer");
    /// queue.flush_into_async(&mut tls).await?;
    ///
    /// let mut received = [0; 15];
    /// peer.read_exact(&mut received).await?;
    /// assert_eq!(&received, b"over any writer");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn flush_into_async(
        &mut self,
        writer: &mut (impl tokio::io::AsyncWrite + Unpin + ?Sized),
    ) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush_into(cx, Pin::new(&mut *writer))).await
    }

    /// Sends to any of tokio's writers until the queue is [writable](Self::is_writable): if it was above
    /// the high watermark, until it is down to the low one. The writer is not flushed.
    ///
    /// # Errors
    ///
    /// As [`poll_flush_into`](Self::poll_flush_into).
    pub fn poll_writable_into(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl tokio::io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain_until_writable(cx, &mut Tokio(writer))
    }

    /// Sends until the queue is [writable](Self::is_writable);
    /// [`poll_writable_into`](Self::poll_writable_into) as a future.
    ///
    /// # Errors
    ///
    /// As [`poll_flush_into`](Self::poll_flush_into).
    ///
    /// # Examples
    ///
    /// A producer that is faster than its writer:
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// use bytebuf::WriteQueue;
    ///
    /// let mut writer = tokio::io::sink();
    /// let mut queue = WriteQueue::new();
    /// for line in 0..10_000 {
    ///     queue.writable_into(&mut writer).await?;
    ///     queue.push(format!("line {line}\n"));
    /// }
    /// queue.flush_into_async(&mut writer).await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn writable_into(
        &mut self,
        writer: &mut (impl tokio::io::AsyncWrite + Unpin + ?Sized),
    ) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable_into(cx, Pin::new(&mut *writer))).await
    }
}

#[cfg(feature = "futures-io")]
impl WriteQueue {
    /// Sends everything to any writer of `futures-io`, then has the writer flush what it has buffered itself.
    ///
    /// All that is said of `poll_flush_into`, which takes tokio's writers, holds here: the writer is flushed
    /// also if the queue is empty, it is offered at most 64 KiB at a time, files are read for it, and the
    /// queue is exact after every error and when the task is dropped.
    ///
    /// # Errors
    ///
    /// Those of the writer. One that takes nothing gives [`io::ErrorKind::WriteZero`], one that reports more
    /// than it was offered [`io::ErrorKind::InvalidData`]. For a file that ends before its region does the
    /// source is [`FileTruncated`](crate::FileTruncated).
    pub fn poll_flush_into_futures(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl futures_io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain(cx, &mut Futures(writer))
    }

    /// Sends everything to any writer of `futures-io`;
    /// [`poll_flush_into_futures`](Self::poll_flush_into_futures) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds what the writer has not taken.
    ///
    /// # Errors
    ///
    /// As [`poll_flush_into_futures`](Self::poll_flush_into_futures).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut written = Vec::new(); // a writer that never waits
    /// let mut queue = WriteQueue::new();
    /// queue.push("to any runtime");
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let flush = pin!(queue.flush_into_futures(&mut written)).poll(&mut cx);
    /// assert!(matches!(flush, Poll::Ready(Ok(()))));
    /// assert_eq!(written, b"to any runtime");
    /// ```
    pub async fn flush_into_futures(
        &mut self,
        writer: &mut (impl futures_io::AsyncWrite + Unpin + ?Sized),
    ) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush_into_futures(cx, Pin::new(&mut *writer))).await
    }

    /// Sends to any writer of `futures-io` until the queue is [writable](Self::is_writable): if it was
    /// above the high watermark, until it is down to the low one. The writer is not flushed.
    ///
    /// # Errors
    ///
    /// As [`poll_flush_into_futures`](Self::poll_flush_into_futures).
    pub fn poll_writable_into_futures(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl futures_io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain_until_writable(cx, &mut Futures(writer))
    }
}
