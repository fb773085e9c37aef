//! Splices bytes between descriptors, and into a file.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use super::{ReadReady, WriteReady};
use crate::io::Splice;

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

/// Turns `WouldBlock` into success: the caller waits next.
fn ignore_would_block(call: io::Result<()>) -> io::Result<()> {
    call.or_else(|e| if e.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(e) })
}
