//! Frames of a reader.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::framed::FramedParts;
use super::stream::{over_stream, receives_frames};
use super::{Decoder, MAX_READ};
use crate::buf::ByteBuf;
use crate::io::{RecvSizer, WriteQueue};

pin_project_lite::pin_project! {
    /// The frames of a reader, as a [`Stream`].
    ///
    /// After an error it ends once (`None`), as that of `tokio_util` does; polled again it reads on, and
    /// the decoder goes on with the bytes that it left, also at the end of the stream if it has taken some.
    /// Dropping a future that waits for a frame loses nothing.
    ///
    /// # Cost
    ///
    /// Each read is offered what [`RecvSizer`] has learnt, up to 256 KiB. While it waits, it holds no memory
    /// with no bytes buffered, and with a part of a frame at most four times the length of that, or 256
    /// bytes. A frame keeps the block that it was received into.
    #[derive(Debug)]
    pub struct FramedRead<T, D> {
        #[pin]
        inner: T,
        codec: D,
        incoming: Incoming,
    }
}

impl<T, D> FramedRead<T, D> {
    /// Returns the frames of `inner`.
    pub fn new(inner: T, decoder: D) -> Self {
        Self { inner, codec: decoder, incoming: Incoming::new() }
    }

    /// Returns the frames of `inner`; each read is offered at least `capacity` bytes.
    pub fn with_capacity(inner: T, decoder: D, capacity: usize) -> Self {
        Self { inner, codec: decoder, incoming: Incoming::with_capacity(capacity) }
    }

    /// Replaces the decoder by what `map` makes of it.
    pub fn map_decoder<C>(self, map: impl FnOnce(D) -> C) -> FramedRead<T, C> {
        let Self { inner, codec, incoming } = self;
        FramedRead { inner, codec: map(codec), incoming }
    }

    /// Takes it apart: the reader, the decoder and the bytes that were received and not decoded.
    pub fn into_parts(self) -> FramedParts<T, D> {
        FramedParts {
            io: self.inner,
            codec: self.codec,
            read_buf: self.incoming.buffer,
            write_buf: WriteQueue::new(),
            _priv: (),
        }
    }
}

over_stream!(FramedRead, decoder, decoder_mut, decoder_pin_mut);
receives_frames!(FramedRead);

/// What was received and not decoded, and what to do next.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) buffer: ByteBuf,
    sizer: RecvSizer,
    state: State,
}

/// What the next poll does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Read,
    Decode,
    /// The reader has ended; what it has left is decoded.
    DecodeLast,
    /// The reader has ended, and all of it is decoded. It may go on, as a file that grows does.
    Ended,
    /// An error was given, and `None` follows.
    Failed(Resume),
}

/// What comes after an error and its `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    Read,
    DecodeLast,
    Ended,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self::from(ByteBuf::new())
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        let sizer = RecvSizer::with_range(capacity.max(1), capacity.max(MAX_READ));
        Self { sizer, ..Self::new() }
    }

    pub(super) fn poll_next<T: AsyncRead, D: Decoder>(
        &mut self,
        mut inner: Pin<&mut T>,
        decoder: &mut D,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<D::Item, D::Error>>> {
        loop {
            let is_ended = matches!(self.state, State::DecodeLast | State::Ended);
            let undecoded = self.buffer.len();
            let result = match self.state {
                State::Failed(resume) => {
                    self.state = match resume {
                        Resume::Read => State::Read,
                        Resume::DecodeLast => State::DecodeLast,
                        Resume::Ended => State::Ended,
                    };
                    return Poll::Ready(None);
                }
                State::Decode => decoder.decode(&mut self.buffer),
                State::DecodeLast => decoder.decode_eof(&mut self.buffer),
                State::Read | State::Ended => {
                    match ready!(self.poll_read(inner.as_mut(), cx)) {
                        Ok(0) if is_ended => return Poll::Ready(None),
                        Ok(0) => self.state = State::DecodeLast,
                        Ok(_) => self.state = State::Decode,
                        Err(error) => {
                            let resume = if is_ended { Resume::Ended } else { Resume::Read };
                            self.state = State::Failed(resume);
                            return Poll::Ready(Some(Err(error.into())));
                        }
                    }
                    continue;
                }
            };
            match result {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if is_ended => {
                    self.state = State::Ended;
                    return Poll::Ready(None);
                }
                Ok(None) => self.state = State::Read,
                Err(error) => {
                    self.state = State::Failed(match self.buffer.len() < undecoded {
                        _ if !is_ended => Resume::Read,
                        // What is left may have frames.
                        true => Resume::DecodeLast,
                        false => Resume::Ended,
                    });
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Reads into spare capacity that is there only during the call, unless bytes come.
    fn poll_read<T: AsyncRead>(
        &mut self,
        mut inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let read = self
            .buffer
            .receive_with(self.sizer.size(), |buffer| pin!(inner.read_buf(buffer)).poll(cx));
        let (read, offered) = match read {
            Ok(read) => read,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        match read {
            Poll::Ready(Ok(received @ 1..)) => self.sizer.record(received, offered),
            _ => self.buffer.release_excess(),
        }
        read
    }
}

impl From<ByteBuf> for Incoming {
    /// Decodes what is in the buffer before it reads.
    fn from(buffer: ByteBuf) -> Self {
        let state = if buffer.is_empty() { State::Read } else { State::Decode };
        Self { buffer, sizer: RecvSizer::new(), state }
    }
}
