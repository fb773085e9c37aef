//! Frames in both directions.

use std::future::poll_fn;
#[cfg(unix)]
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::read::Incoming;
use super::stream::{over_stream, receives_frames, sends_frames};
use super::write::Outgoing;
use super::{Decoder, Encoder, FramedParts};
use crate::buf::ByteBuf;
#[cfg(unix)]
use crate::interop::WriteReady;
use crate::io::WriteQueue;

pin_project_lite::pin_project! {
    /// Receives frames from a connection, as a [`Stream`], and sends frames to it, as a [`Sink`].
    ///
    /// It receives as [`FramedRead`](super::FramedRead) does, and sends as
    /// [`FramedWrite`](super::FramedWrite) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use bytebuf::codec::{Framed, LinesCodec};
    ///
    /// let (client, server) = tokio::io::duplex(1024);
    /// let mut client = Framed::new(client, LinesCodec::new());
    /// let mut server = Framed::new(server, LinesCodec::new_with_max_length(100));
    ///
    /// client.send_frame("ping").await.unwrap();
    /// assert_eq!(server.next_frame().await.unwrap().unwrap(), *"ping");
    /// server.send_frame("pong").await.unwrap();
    /// assert_eq!(client.next_frame().await.unwrap().unwrap(), *"pong");
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct Framed<T, U> {
        #[pin]
        inner: T,
        codec: U,
        incoming: Incoming,
        outgoing: Outgoing,
    }
}

impl<T, U> Framed<T, U> {
    /// Creates frames over `inner`.
    pub fn new(inner: T, codec: U) -> Self {
        Self { inner, codec, incoming: Incoming::new(), outgoing: Outgoing::new() }
    }

    /// Creates frames over `inner`. `capacity` is the smallest size of a new block for reads, unless the length
    /// of the frames determines it (above 16 MiB it counts as 16 MiB), and the
    /// [`backpressure_boundary`](Self::backpressure_boundary).
    pub fn with_capacity(inner: T, codec: U, capacity: usize) -> Self {
        let incoming = Incoming::with_capacity(capacity);
        Self { inner, codec, incoming, outgoing: Outgoing::with_boundary(capacity) }
    }

    /// Joins the parts. Received bytes are decoded before the next read.
    pub fn from_parts(parts: FramedParts<T, U>) -> Self {
        let FramedParts { io, codec, read_buf, write_buf, .. } = parts;
        Self { inner: io, codec, incoming: read_buf.into(), outgoing: write_buf.into() }
    }

    /// Returns the parts, for another codec or protocol.
    pub fn into_parts(self) -> FramedParts<T, U> {
        FramedParts {
            io: self.inner,
            codec: self.codec,
            read_buf: self.incoming.buffer,
            write_buf: self.outgoing.queue,
            _priv: (),
        }
    }

    /// Replaces the codec by the result of `map`. The new codec decodes the received bytes that are not
    /// decoded before the next read.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use bytebuf::codec::{Framed, LengthDelimitedCodec, LinesCodec};
    ///
    /// let (client, mut server) = tokio::io::duplex(1024);
    /// tokio::io::AsyncWriteExt::write_all(&mut server, b"BINARY\n\0\0\0\x02hi").await.unwrap();
    /// let mut text = Framed::new(client, LinesCodec::new());
    /// assert_eq!(text.next_frame().await.unwrap().unwrap(), *"BINARY");
    /// let mut binary = text.map_codec(|_| LengthDelimitedCodec::new());
    /// assert_eq!(binary.next_frame().await.unwrap().unwrap(), b"hi"[..]);
    /// # });
    /// ```
    pub fn map_codec<C>(self, map: impl FnOnce(U) -> C) -> Framed<T, C> {
        let Self { inner, codec, mut incoming, outgoing } = self;
        incoming.decode_again();
        Framed { inner, codec: map(codec), incoming, outgoing }
    }
}

over_stream!(Framed, codec, codec_mut, codec_pin_mut);
receives_frames!(Framed);
sends_frames!(Framed);
