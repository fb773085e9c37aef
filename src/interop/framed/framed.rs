//! Frames in both directions.

use std::future::poll_fn;
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
    /// The frames that come from a connection, as a [`Stream`], and those that go to it, as a [`Sink`].
    ///
    /// What [`FramedRead`](super::FramedRead) and [`FramedWrite`](super::FramedWrite) say holds here.
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
    /// Returns the frames of `inner`.
    pub fn new(inner: T, codec: U) -> Self {
        Self { inner, codec, incoming: Incoming::new(), outgoing: Outgoing::new() }
    }

    /// Returns the frames of `inner`. Each read is offered at least `capacity` bytes, which is the
    /// [`backpressure_boundary`](Self::backpressure_boundary) too.
    pub fn with_capacity(inner: T, codec: U, capacity: usize) -> Self {
        let incoming = Incoming::with_capacity(capacity);
        Self { inner, codec, incoming, outgoing: Outgoing::with_boundary(capacity) }
    }

    /// Puts it together. Bytes that were received are decoded before others are read.
    pub fn from_parts(parts: FramedParts<T, U>) -> Self {
        let FramedParts { io, codec, read_buf, write_buf, .. } = parts;
        Self { inner: io, codec, incoming: read_buf.into(), outgoing: write_buf.into() }
    }

    /// Takes it apart, for another codec or protocol.
    pub fn into_parts(self) -> FramedParts<T, U> {
        FramedParts {
            io: self.inner,
            codec: self.codec,
            read_buf: self.incoming.buffer,
            write_buf: self.outgoing.queue,
            _priv: (),
        }
    }

    /// Replaces the codec by what `map` makes of it. What was received and not decoded goes to the new one,
    /// before more is read.
    pub fn map_codec<C>(self, map: impl FnOnce(U) -> C) -> Framed<T, C> {
        let Self { inner, codec, mut incoming, outgoing } = self;
        incoming.decode_again();
        Framed { inner, codec: map(codec), incoming, outgoing }
    }
}

over_stream!(Framed, codec, codec_mut, codec_pin_mut);
receives_frames!(Framed);
sends_frames!(Framed);
