//! Sends queues to asynchronous writers of tokio and of `futures-io`: TLS streams, split halves, in-memory
//! pipes, compressors.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::{MAX_WRITER_CALL, PollWriter, WriteQueue};

/// Defines a [`PollWriter`] over a pinned writer of one of the traits. One call offers at most `$max` bytes.
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
// One call offers all that a flush may send, as a codec of `tokio_util` does.
#[cfg(feature = "tokio")]
poll_writer!(pub(super) TokioFrames, crate::sys::MAX_BYTES, tokio::io::AsyncWrite);
#[cfg(feature = "futures-io")]
poll_writer!(Futures, MAX_WRITER_CALL, futures_io::AsyncWrite);

#[cfg(feature = "tokio")]
impl WriteQueue {
    /// Sends everything to a writer of tokio, then flushes the writer.
    ///
    /// Use it for TLS streams, split halves, in-memory pipes and compressors. For a socket or a pipe of
    /// tokio, use [`poll_flush`](Self::poll_flush): there the kernel sends the files. The writer is flushed
    /// also if the queue is empty, so that a pending flush continues.
    ///
    /// When the budget of one flush is spent, the task yields and is woken again. Dropping the task loses
    /// nothing: the queue holds exactly the bytes that the writer has not taken.
    ///
    /// # Errors
    ///
    /// Those of the writer; [`io::ErrorKind::WriteZero`] if it takes nothing;
    /// [`io::ErrorKind::InvalidData`] if it reports more bytes than it was offered. If a file ends before its
    /// region, the source of the error is [`FileTruncated`](crate::FileTruncated). After every error the queue
    /// holds exactly the bytes that the writer has not taken.
    ///
    /// # Cost
    ///
    /// Makes vectored writes of at most 64 KiB; a writer without vectored writes is offered one slice at a
    /// time. Reads files 64 KiB at a time, which blocks on the disk.
    pub fn poll_flush_into(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl tokio::io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain(cx, &mut Tokio(writer))
    }

    /// Sends everything to a writer of tokio: [`poll_flush_into`](Self::poll_flush_into) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds the bytes that the writer has not taken.
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

    /// Sends to a writer of tokio until the queue is [writable](Self::is_writable): from above the high
    /// watermark down to the low one. Does not flush the writer.
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

    /// Sends until the queue is [writable](Self::is_writable):
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
    /// Sends everything to a writer of `futures-io`, then flushes the writer.
    ///
    /// It works as `poll_flush_into` does for writers of tokio. The writer is flushed also if the queue is
    /// empty. After an error, or if the task is dropped, the queue holds exactly the bytes that the writer has
    /// not taken.
    ///
    /// # Errors
    ///
    /// Those of the writer; [`io::ErrorKind::WriteZero`] if it takes nothing;
    /// [`io::ErrorKind::InvalidData`] if it reports more bytes than it was offered. If a file ends before its
    /// region, the source of the error is [`FileTruncated`](crate::FileTruncated).
    ///
    /// # Cost
    ///
    /// Makes vectored writes of at most 64 KiB, and reads files 64 KiB at a time, which blocks on the disk.
    pub fn poll_flush_into_futures(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl futures_io::AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        self.poll_drain(cx, &mut Futures(writer))
    }

    /// Sends everything to a writer of `futures-io`:
    /// [`poll_flush_into_futures`](Self::poll_flush_into_futures) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds the bytes that the writer has not taken.
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

    /// Sends to a writer of `futures-io` until the queue is [writable](Self::is_writable): from above the high
    /// watermark down to the low one. Does not flush the writer.
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
