//! Flushing a queue to tokio's streams, by their readiness and past their `AsyncWrite`: that trait
//! knows neither files nor more than one write per wake-up.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream, unix::pipe};

use crate::io::{Flush, WriteQueue};

/// A descriptor that tokio watches: [`WriteQueue::poll_flush`] sends to it.
///
/// It is there for tokio's sockets and pipes, and for [`AsyncFd`] with anything in it. The write
/// half of a split stream gives the stream by `as_ref()`.
pub trait WriteReady: AsFd {
    /// Waits until the descriptor may take bytes.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `write` if the descriptor may take bytes; when it fails with
    /// [`io::ErrorKind::WouldBlock`], the next [`poll_write_ready`](Self::poll_write_ready) waits.
    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

macro_rules! write_ready {
    ($($stream:ty: $($interest:expr)?;)+) => {$(
        impl WriteReady for $stream {
            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$stream>::poll_write_ready(self, cx)
            }

            fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.try_io($($interest,)? write)
            }
        }
    )+};
}

write_ready! {
    TcpStream: Interest::WRITABLE;
    UnixStream: Interest::WRITABLE;
    pipe::Sender: ;
}

impl<T: AsRawFd> WriteReady for AsyncFd<T> {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncFd::poll_write_ready(self, cx).map_ok(drop)
    }

    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.try_io(Interest::WRITABLE, |_| write())
    }
}

impl WriteQueue {
    /// Sends everything, waiting for the descriptor where it takes no more.
    ///
    /// When the budget of one flush is spent the task gives way to the others and is woken again.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush). The queue is exact at every return, `Pending` among them.
    ///
    /// # Cost
    ///
    /// That of the flush; nothing is allocated, and no copy of the descriptor is made.
    pub fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        dst: &impl WriteReady,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            ready!(dst.poll_write_ready(cx))?;
            let flush = dst.try_write(|| match self.flush(dst)? {
                Flush::WouldBlock(_) => Err(io::ErrorKind::WouldBlock.into()),
                other => Ok(other),
            });
            match flush {
                Ok(Flush::BudgetSpent(_)) => {
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

    /// Sends everything; [`poll_flush`](Self::poll_flush) as a future.
    ///
    /// Dropping the future loses nothing: the queue holds what has not been sent.
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
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::task::Waker;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::io::FileRegion;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(future)
    }

    /// More than any socket holds, in memory and as a file.
    fn long_queue() -> (WriteQueue, Vec<u8>) {
        let contents: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 11) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&contents).unwrap();
        let mut queue = WriteQueue::new();
        queue.push("head");
        queue.push(FileRegion::new(file, 0..contents.len() as u64));
        queue.push(contents.clone());
        (queue, [b"head", &contents[..], &contents].concat())
    }

    async fn sends_everything(out: impl WriteReady, mut from: impl AsyncReadExt + Unpin) {
        let (mut queue, stream) = long_queue();
        let send = async {
            queue.flush_all(&out).await.unwrap();
            drop(out);
        };
        let receive = async {
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.unwrap();
            received
        };
        let ((), received) = both(send, receive).await;
        assert!(received == stream);
        assert!(queue.is_empty());
    }

    async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
        let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
        let (mut a_done, mut b_done) = (None, None);
        poll_fn(move |cx| {
            if a_done.is_none()
                && let Poll::Ready(value) = a.as_mut().poll(cx)
            {
                a_done = Some(value);
            }
            if b_done.is_none()
                && let Poll::Ready(value) = b.as_mut().poll(cx)
            {
                b_done = Some(value);
            }
            if a_done.is_some() && b_done.is_some() {
                return Poll::Ready((a_done.take().unwrap(), b_done.take().unwrap()));
            }
            Poll::Pending
        })
        .await
    }

    #[test]
    #[allow(deprecated, reason = "the new constructor is unsafe; a std stream keeps its promise")]
    fn every_kind_of_stream_gets_everything() {
        run(async {
            let (out, from) = UnixStream::pair().unwrap();
            sends_everything(out, from).await;

            let (out, from) = pipe::pipe().unwrap();
            sends_everything(out, from).await;

            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let out = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            sends_everything(out, listener.accept().await.unwrap().0).await;

            let (out, from) = std::os::unix::net::UnixStream::pair().unwrap();
            out.set_nonblocking(true).unwrap();
            from.set_nonblocking(true).unwrap();
            let out = AsyncFd::new(out).unwrap();
            sends_everything(out, UnixStream::from_std(from).unwrap()).await;
        });
    }

    #[test]
    fn a_future_that_is_dropped_loses_nothing() {
        run(async {
            let (out, mut from) = UnixStream::pair().unwrap();
            let (mut queue, stream) = long_queue();
            let mut received = Vec::new();
            while !queue.is_empty() {
                let mut cx = Context::from_waker(Waker::noop());
                let _ = std::pin::pin!(queue.flush_all(&out)).poll(&mut cx);
                while from.try_read_buf(&mut received).is_ok() {}
                tokio::task::yield_now().await;
            }
            drop(out);
            from.read_to_end(&mut received).await.unwrap();
            assert!(received == stream);
        });
    }

    #[test]
    fn a_spent_budget_gives_way_and_wakes() {
        run(async {
            let (out, _from) = UnixStream::pair().unwrap();
            let mut queue = WriteQueue::new().with_budget(10);
            queue.push("fifteen bytes..");
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                queue.poll_flush(cx, &out)
            })
            .await
            .unwrap();
            assert_eq!(polls, 2);
        });
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error() {
        run(async {
            let (out, from) = UnixStream::pair().unwrap();
            drop(from);
            let mut queue = WriteQueue::new();
            queue.push("nobody");
            let error = queue.flush_all(&out).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(queue.pending_bytes(), 6);
        });
    }
}
