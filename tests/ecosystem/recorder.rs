//! A socket that notes where the bytes lay that it was given.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Address and length of a slice.
type Place = (usize, usize);

/// The places that each write was given.
#[derive(Clone, Default)]
pub(crate) struct Writes(Arc<Mutex<Vec<Vec<Place>>>>);

fn place(slice: &[u8]) -> Place {
    (slice.as_ptr().addr(), slice.len())
}

impl Writes {
    fn note<'a>(&self, slices: impl Iterator<Item = &'a [u8]>) {
        self.0.lock().unwrap().push(slices.map(place).collect());
    }

    /// Whether one write was given all of `parts`, one behind the other, where they lie.
    pub(crate) fn has<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let parts: Vec<_> = parts.into_iter().map(place).collect();
        let writes = self.0.lock().unwrap();
        writes.iter().any(|slices| slices.windows(parts.len()).any(|window| window == parts))
    }
}

/// For tokio and for hyper.
pub(crate) struct Recorder {
    socket: UnixStream,
    writes: Writes,
}

impl Recorder {
    /// Two ends, with what is written to each.
    pub(crate) fn pair() -> [(Self, Writes); 2] {
        let (a, b) = UnixStream::pair().unwrap();
        [a, b].map(|socket| {
            let writes = Writes::default();
            (Self { socket, writes: writes.clone() }, writes)
        })
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, space)
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.note([bytes].into_iter());
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.note(slices.iter().map(|slice| &slice[..]));
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl hyper::rt::Read for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = vec![0; cursor.remaining()];
        let mut read = ReadBuf::new(&mut space);
        ready!(AsyncRead::poll_read(self, cx, &mut read))?;
        cursor.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(self, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        AsyncWrite::is_write_vectored(self)
    }
}
