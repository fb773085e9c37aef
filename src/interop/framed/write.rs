//! Frames for a writer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::AsyncWrite;

use super::Encoder;
use super::parts::FramedParts;
use super::stream::{over_stream, sends_frames};
use crate::buf::ByteBuf;
#[cfg(unix)]
use crate::interop::WriteReady;
use crate::interop::async_write::TokioFrames;
use crate::io::WriteQueue;

pin_project_lite::pin_project! {
    /// Encodes frames and sends them to a writer, as a [`Sink`].
    ///
    /// Frames go into a [`WriteQueue`], so large parts are not copied, and a part of a frame may be a range of a
    /// file. Dropping a future that sends loses nothing: the queue holds the unsent bytes.
    ///
    /// # Cost
    ///
    /// Makes one vectored write for all queued frames, up to 1 MiB and 1024 parts; a writer without vectored writes is
    /// offered one part at a time. Reads files 64 KiB at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use bytebuf::codec::{FramedWrite, LinesCodec};
    ///
    /// let mut lines = FramedWrite::new(Vec::new(), LinesCodec::new()); // any `AsyncWrite`
    /// lines.push_frame("first").unwrap();
    /// lines.send_frame("second").await.unwrap(); // one write for both
    /// assert_eq!(lines.into_inner(), b"first\nsecond\n");
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct FramedWrite<T, E> {
        #[pin]
        inner: T,
        codec: E,
        outgoing: Outgoing,
    }
}

impl<T, E> FramedWrite<T, E> {
    /// Creates a sink over `inner`.
    pub fn new(inner: T, encoder: E) -> Self {
        Self { inner, codec: encoder, outgoing: Outgoing::new() }
    }

    /// Creates a sink over `inner` with this [`backpressure_boundary`](Self::backpressure_boundary).
    pub fn with_capacity(inner: T, encoder: E, capacity: usize) -> Self {
        Self { inner, codec: encoder, outgoing: Outgoing::with_boundary(capacity) }
    }

    /// Replaces the encoder by the result of `map`.
    pub fn map_encoder<C>(self, map: impl FnOnce(E) -> C) -> FramedWrite<T, C> {
        let Self { inner, codec, outgoing } = self;
        FramedWrite { inner, codec: map(codec), outgoing }
    }

    /// Returns the parts: the writer, the encoder, and the frames that are not sent.
    pub fn into_parts(self) -> FramedParts<T, E> {
        FramedParts {
            io: self.inner,
            codec: self.codec,
            read_buf: ByteBuf::new(),
            write_buf: self.outgoing.queue,
            _priv: (),
        }
    }
}

over_stream!(FramedWrite, encoder, encoder_mut, encoder_pin_mut);
sends_frames!(FramedWrite);

/// Returns the items of a writer that is also a stream.
impl<T: Stream, E> Stream for FramedWrite<T, E> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.project().inner.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

/// The frames that are not sent. The boundary is the high watermark of the queue.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) queue: WriteQueue,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self::from(WriteQueue::new())
    }

    pub(super) fn with_boundary(boundary: usize) -> Self {
        let mut outgoing = Self::new();
        outgoing.set_boundary(boundary);
        outgoing
    }

    pub(super) fn boundary(&self) -> usize {
        usize::try_from(self.queue.high_watermark()).unwrap_or(usize::MAX)
    }

    pub(super) fn set_boundary(&mut self, boundary: usize) {
        let high = boundary as u64;
        self.queue = std::mem::take(&mut self.queue).with_watermarks(high / 2, high);
    }

    /// Appends a frame, or nothing.
    #[inline]
    pub(super) fn encode<I, E: Encoder<I>>(
        &mut self,
        item: I,
        encoder: &mut E,
    ) -> Result<(), E::Error> {
        self.queue.push_all_or_none(|queue| encoder.encode(item, queue))
    }

    pub(super) fn poll_ready<T: AsyncWrite>(
        &mut self,
        inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.queue.poll_drain_until_writable(cx, &mut TokioFrames(inner))
    }

    pub(super) fn poll_flush<T: AsyncWrite>(
        &mut self,
        inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.queue.poll_drain(cx, &mut TokioFrames(inner))
    }

    pub(super) fn poll_close<T: AsyncWrite>(
        &mut self,
        mut inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(inner.as_mut(), cx))?;
        inner.poll_shutdown(cx)
    }
}

impl From<WriteQueue> for Outgoing {
    fn from(queue: WriteQueue) -> Self {
        Self { queue }
    }
}
