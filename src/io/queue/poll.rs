//! Flushing to a writer that is polled: it returns a result at once, or keeps the task's waker.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use super::WriteQueue;
use super::flush::Flush;
use super::sink::Sink;
use crate::io::file::region::FileRegion;
use crate::sys::More;

/// An asynchronous writer of any runtime.
pub(crate) trait PollWriter {
    /// The maximum number of bytes that one call is offered.
    const MAX_CALL: usize;

    /// Writes the slices in order, or a prefix of them.
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>])
    -> Poll<io::Result<usize>>;

    /// Sends the bytes that the writer has buffered.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A [`PollWriter`] during one poll. Files are read into memory for it.
struct Polled<'p, 'cx, W> {
    writer: &'p mut W,
    cx: &'p mut Context<'cx>,
    /// Whether the writer has kept the task's waker.
    is_pending: bool,
}

impl<W: PollWriter> Sink for Polled<'_, '_, W> {
    const SENDS_FILES: bool = false;
    const MAX_CALL: usize = W::MAX_CALL;

    fn write(&mut self, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        loop {
            match self.writer.poll_write(self.cx, bufs) {
                Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(result) => return result,
                Poll::Pending => {
                    self.is_pending = true;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
    }

    fn send_file(&mut self, _: &mut FileRegion, _: usize, _: More) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

impl WriteQueue {
    /// Sends the whole queue to `writer`, then flushes `writer`.
    pub(crate) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut impl PollWriter,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_write_until(cx, writer, Self::is_empty))?;
        writer.poll_flush(cx)
    }

    /// Sends to `writer` until the queue is writable.
    pub(crate) fn poll_drain_until_writable(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut impl PollWriter,
    ) -> Poll<io::Result<()>> {
        self.poll_write_until(cx, writer, Self::is_writable)
    }

    fn poll_write_until(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut impl PollWriter,
        is_done: impl Fn(&Self) -> bool,
    ) -> Poll<io::Result<()>> {
        if is_done(self) {
            return Poll::Ready(Ok(()));
        }
        let mut polled = Polled { writer, cx, is_pending: false };
        let flush = self.drain_until(&mut polled, &is_done)?;
        match flush {
            _ if is_done(self) => Poll::Ready(Ok(())),
            Flush::WouldBlock(_) if polled.is_pending => Poll::Pending,
            // The writer returned the error `WouldBlock` and did not keep the waker.
            Flush::WouldBlock(_) => Poll::Ready(Err(io::ErrorKind::WouldBlock.into())),
            Flush::Done(_) | Flush::BudgetSpent(_) => {
                polled.cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
