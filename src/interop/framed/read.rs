//! Frames of a reader.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Decoder;
use crate::buf::ByteBuf;
use crate::io::RecvSizer;

pin_project_lite::pin_project! {
    /// The frames of a reader, as a [`Stream`].
    ///
    /// After an error it ends once (`None`), as that of `tokio_util` does; polled again it reads on, and
    /// the decoder goes on with the bytes that it left. Dropping a future that waits for a frame loses nothing.
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
        decoder: D,
        buffer: ByteBuf,
        sizer: RecvSizer,
        state: State,
    }
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
    /// An error was given, and `None` follows; then this.
    Failed {
        is_ended: bool,
    },
}

impl<T, D> FramedRead<T, D> {
    /// Returns the frames of `inner`.
    pub fn new(inner: T, decoder: D) -> Self {
        let (buffer, sizer) = (ByteBuf::new(), RecvSizer::new());
        Self { inner, decoder, buffer, sizer, state: State::Read }
    }

    /// Returns the reader.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns the reader, to be changed. Bytes that are read from it are missing in the frames.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the reader. The bytes of [`read_buffer`](Self::read_buffer) are lost.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// Returns the decoder, to be changed.
    pub fn decoder_mut(&mut self) -> &mut D {
        &mut self.decoder
    }

    /// Returns the bytes that were received and not decoded.
    pub fn read_buffer(&self) -> &ByteBuf {
        &self.buffer
    }

    /// Returns the bytes that were received and not decoded, to be changed. The blocks that follow come from
    /// the pool of this buffer.
    pub fn read_buffer_mut(&mut self) -> &mut ByteBuf {
        &mut self.buffer
    }
}

impl<T: AsyncRead, D: Decoder> FramedRead<T, D> {
    /// Waits for the next frame: `next` of the stream without an extension trait.
    ///
    /// # Errors
    ///
    /// Those of the reader and of the decoder.
    pub async fn next_frame(&mut self) -> Option<Result<D::Item, D::Error>>
    where
        T: Unpin,
    {
        let mut this = Pin::new(self);
        poll_fn(|cx| this.as_mut().poll_next(cx)).await
    }
}

impl<T: AsyncRead, D: Decoder> Stream for FramedRead<T, D> {
    type Item = Result<D::Item, D::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            let is_ended = matches!(*this.state, State::DecodeLast | State::Ended);
            let result = match *this.state {
                State::Failed { is_ended } => {
                    *this.state = if is_ended { State::Ended } else { State::Read };
                    return Poll::Ready(None);
                }
                State::Decode => this.decoder.decode(this.buffer),
                State::DecodeLast => this.decoder.decode_eof(this.buffer),
                State::Read | State::Ended => {
                    match ready!(poll_read(this.inner.as_mut(), cx, this.buffer, this.sizer)) {
                        Ok(0) if is_ended => return Poll::Ready(None),
                        Ok(0) => *this.state = State::DecodeLast,
                        Ok(_) => *this.state = State::Decode,
                        Err(error) => {
                            *this.state = State::Failed { is_ended };
                            return Poll::Ready(Some(Err(error.into())));
                        }
                    }
                    continue;
                }
            };
            match result {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if is_ended => {
                    *this.state = State::Ended;
                    return Poll::Ready(None);
                }
                Ok(None) => *this.state = State::Read,
                Err(error) => {
                    *this.state = State::Failed { is_ended };
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

/// Reads into spare capacity that is there only during the call, unless bytes come.
fn poll_read<T: AsyncRead>(
    mut inner: Pin<&mut T>,
    cx: &mut Context<'_>,
    buffer: &mut ByteBuf,
    sizer: &mut RecvSizer,
) -> Poll<io::Result<usize>> {
    let read = buffer.receive_with(sizer.size(), |buffer| pin!(inner.read_buf(buffer)).poll(cx));
    let (read, offered) = match read {
        Ok(read) => read,
        Err(error) => return Poll::Ready(Err(error.into())),
    };
    match read {
        Poll::Ready(Ok(received @ 1..)) => sizer.record(received, offered),
        _ => buffer.release_excess(),
    }
    read
}
