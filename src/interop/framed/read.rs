//! Frames of a reader.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::parts::FramedParts;
use super::stream::{over_stream, receives_frames};
use super::{Decoder, KEPT_READS, MAX_FRAME_READ, MAX_KEPT_READ, MAX_READ};
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
    /// Each read is offered what [`RecvSizer`] has learnt, up to 256 KiB. A frame keeps the block that it was
    /// received into, so while the caller keeps frames, and in the first reads, that is up to 32 KiB. Frames of more
    /// than half of that are received each into a block of its own length, up to 1 MiB. While it waits, it holds no
    /// memory with no bytes buffered, and with a part of a frame at most four times the length of that, or 256 bytes.
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

    /// Replaces the decoder by what `map` makes of it. The bytes that were received and not decoded go to the new
    /// one, before others are read.
    pub fn map_decoder<C>(self, map: impl FnOnce(D) -> C) -> FramedRead<T, C> {
        let Self { inner, codec, mut incoming } = self;
        incoming.decode_again();
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

/// Passes items on to a stream that is a sink itself.
impl<T: Sink<I>, I, D> Sink<I> for FramedRead<T, D> {
    type Error = T::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.project().inner.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, item: I) -> Result<(), T::Error> {
        self.project().inner.start_send(item)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.project().inner.poll_close(cx)
    }
}

/// What was received and not decoded, and what to do next.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) buffer: ByteBuf,
    sizer: RecvSizer,
    /// The most that a read is offered while frames are kept.
    max_kept: usize,
    /// The bytes of the last two frames.
    frames: [usize; 2],
    /// The number of reads that are offered no more than that: each block whose frames were kept sets it.
    kept_reads: u8,
    look: Look,
    state: State,
}

/// When to look whether the frames of a block are kept. Once for each read, because it costs as much as a small frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// At the poll behind the first frame of the block.
    AfterFrame,
    AtNextPoll,
    Done,
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
    Decode,
    DecodeLast,
    Ended,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self::from(ByteBuf::new())
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        let sizer = RecvSizer::with_range(capacity.max(1), capacity.max(MAX_READ));
        Self { sizer, max_kept: capacity.max(MAX_KEPT_READ), ..Self::new() }
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
                        Resume::Decode => State::Decode,
                        Resume::DecodeLast => State::DecodeLast,
                        Resume::Ended => State::Ended,
                    };
                    return Poll::Ready(None);
                }
                State::Decode => {
                    if self.look == Look::AtNextPoll {
                        self.look_at_block();
                    }
                    decoder.decode(&mut self.buffer)
                }
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
                Ok(Some(frame)) => {
                    self.record_frame(undecoded.saturating_sub(self.buffer.len()));
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) if is_ended => {
                    self.state = State::Ended;
                    return Poll::Ready(None);
                }
                Ok(None) => self.state = State::Read,
                Err(error) => {
                    // What is left may have frames, if the decoder has taken some.
                    self.state = State::Failed(match self.buffer.len() < undecoded {
                        true if is_ended => Resume::DecodeLast,
                        true => Resume::Decode,
                        false if is_ended => Resume::Ended,
                        false => Resume::Read,
                    });
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Gives what is buffered to another decoder before more is read.
    pub(super) fn decode_again(&mut self) {
        if !self.buffer.is_empty() {
            self.state = match self.state {
                State::Read => State::Decode,
                State::Ended => State::DecodeLast,
                State::Failed(Resume::Read) => State::Failed(Resume::Decode),
                State::Failed(Resume::Ended) => State::Failed(Resume::DecodeLast),
                state => state,
            };
        }
    }

    fn record_frame(&mut self, length: usize) {
        self.frames = [self.frames[1], length];
        if self.look == Look::AfterFrame {
            self.look = Look::AtNextPoll;
        }
    }

    /// Records whether the frames that were given out of this block are kept.
    fn look_at_block(&mut self) {
        self.look = Look::Done;
        let kept = self.buffer.is_shared();
        self.kept_reads = if kept { KEPT_READS } else { self.kept_reads.saturating_sub(1) };
    }

    /// Returns the capacity that the next read should have.
    ///
    /// Where the last two frames are large beside a read, the block ends with a frame: else the beginning of the next
    /// one would have to move to another block.
    fn read_size(&self) -> usize {
        let max = if self.kept_reads > 0 { self.max_kept } else { usize::MAX };
        let size = self.sizer.size().min(max);
        let frame = self.frames[0].min(self.frames[1]);
        let rest = frame.saturating_sub(self.buffer.len());
        if frame > size / 2 && frame <= MAX_FRAME_READ && rest > 0 { rest } else { size }
    }

    /// Reads into spare capacity that is there only during the call, unless bytes come.
    fn poll_read<T: AsyncRead>(
        &mut self,
        mut inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let size = self.read_size();
        if self.kept_reads > 0 {
            // Its first frames would keep all of it alive while the rest of the last one moves to another block.
            self.buffer.replace_larger(size);
        }
        let read = self.buffer.receive_with(size, |buffer| pin!(inner.read_buf(buffer)).poll(cx));
        let (read, offered) = match read {
            Ok(read) => read,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        match read {
            Poll::Ready(Ok(received @ 1..)) => {
                self.sizer.record(received, offered);
                self.look = Look::AfterFrame;
            }
            _ => self.buffer.release_excess(),
        }
        read
    }
}

impl From<ByteBuf> for Incoming {
    /// Decodes what is in the buffer before it reads.
    fn from(buffer: ByteBuf) -> Self {
        let state = if buffer.is_empty() { State::Read } else { State::Decode };
        Self {
            buffer,
            sizer: RecvSizer::new(),
            max_kept: MAX_KEPT_READ,
            frames: [0; 2],
            kept_reads: KEPT_READS,
            look: Look::Done,
            state,
        }
    }
}
