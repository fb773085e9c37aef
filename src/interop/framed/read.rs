//! Frames from a reader.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::parts::FramedParts;
use super::stream::{over_stream, receives_frames};
use super::{
    Decoder, KEPT_READS, MAX_CAPACITY, MAX_FRAME_READ, MAX_KEPT_READ, MAX_READ, MIN_HELD_TO_STAY,
};
use crate::buf::ByteBuf;
use crate::io::{RecvSizer, WriteQueue};

pin_project_lite::pin_project! {
    /// Receives frames from a reader, as a [`Stream`].
    ///
    /// After an error it returns `None` once, as in `tokio_util`. The next poll reads on, and the decoder
    /// continues with the bytes that it left, also at the end of the stream if it has taken some. Dropping a
    /// future that waits for a frame loses nothing.
    ///
    /// # Cost
    ///
    /// [`RecvSizer`] determines the size of each read, up to 256 KiB. A frame keeps its whole block alive, so the
    /// limit is 32 KiB in the first reads and while the caller keeps frames. While frames have one length, a block holds
    /// whole frames, at least one of up to 1 MiB, so that no frame moves to another block. A wait holds no memory if no
    /// bytes are buffered, and otherwise at most four times the length of the partial frame, or 256 bytes.
    /// A decoder that reserves memory for a whole frame should do so when a third of the frame is there: before that, each
    /// wait releases the memory, which moves the partial frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use bytebuf::codec::{FramedRead, LinesCodec};
    ///
    /// let socket: &[u8] = b"first\nsecond\n"; // any `AsyncRead`
    /// let mut lines = FramedRead::new(socket, LinesCodec::new());
    /// while let Some(line) = lines.next_frame().await {
    ///     println!("{}", line.unwrap());
    /// }
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct FramedRead<T, D> {
        #[pin]
        inner: T,
        codec: D,
        incoming: Incoming,
    }
}

impl<T, D> FramedRead<T, D> {
    /// Creates frames from `inner`.
    pub fn new(inner: T, decoder: D) -> Self {
        Self { inner, codec: decoder, incoming: Incoming::new() }
    }

    /// Creates frames from `inner`. `capacity` is the smallest size of a new block for reads, unless the length
    /// of the frames determines it. Above 16 MiB it counts as 16 MiB.
    pub fn with_capacity(inner: T, decoder: D, capacity: usize) -> Self {
        Self { inner, codec: decoder, incoming: Incoming::with_capacity(capacity) }
    }

    /// Replaces the decoder by the result of `map`. The new decoder gets the received bytes that are not decoded before
    /// the next read.
    pub fn map_decoder<C>(self, map: impl FnOnce(D) -> C) -> FramedRead<T, C> {
        let Self { inner, codec, mut incoming } = self;
        incoming.decode_again();
        FramedRead { inner, codec: map(codec), incoming }
    }

    /// Returns the parts: the reader, the decoder, and the received bytes that are not decoded.
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

/// Passes items to a stream that is also a sink.
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

/// The received bytes that are not decoded, and the next step.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) buffer: ByteBuf,
    sizer: RecvSizer,
    /// The most bytes that a read is offered while frames are kept.
    max_kept: usize,
    /// The lengths of the last two frames, with their headers.
    frames: [usize; 2],
    /// The number of reads that `max_kept` still limits. A block whose frames were kept resets it.
    kept_reads: u8,
    check: KeptCheck,
    state: State,
}

/// When to check whether the frames of a block are kept: once for each read, as the check costs as much as a small
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeptCheck {
    /// At the poll after the first frame of the block.
    AfterFrame,
    AtNextPoll,
    Done,
}

/// The first step of the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Read,
    Decode,
    /// The reader has ended; the rest of its bytes is decoded.
    DecodeLast,
    /// The reader has ended, and all bytes are decoded. It may continue, as a growing file does.
    Ended,
    /// An error was returned, and `None` follows.
    Failed(Resume),
}

/// The step after an error and its `None`.
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
        let capacity = capacity.clamp(1, MAX_CAPACITY);
        let sizer = RecvSizer::with_range(capacity, capacity.max(MAX_READ));
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
                    if self.check == KeptCheck::AtNextPoll {
                        self.check_kept();
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
                    // The rest may contain frames if the decoder has taken some bytes.
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

    /// Makes the next poll decode the buffered bytes, with another decoder, before it reads.
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
        if self.check == KeptCheck::AfterFrame {
            self.check = KeptCheck::AtNextPoll;
        }
    }

    /// Records whether the caller keeps the frames of this block.
    fn check_kept(&mut self) {
        self.check = KeptCheck::Done;
        let kept = self.buffer.is_shared();
        self.kept_reads = if kept { KEPT_READS } else { self.kept_reads.saturating_sub(1) };
    }

    /// Returns the expected length of the next frame, with its header: the smaller of the last two. Returns `None` if it
    /// is too long for a block of its own length.
    fn expected_frame(&self) -> Option<usize> {
        let frame = self.frames[0].min(self.frames[1]);
        (1..=MAX_FRAME_READ).contains(&frame).then_some(frame)
    }

    /// Returns the capacity for the next read. A new block has space for whole frames: otherwise the beginning of the
    /// last one would move to another block.
    fn read_size(&self) -> usize {
        let max = if self.kept_reads > 0 { self.max_kept } else { usize::MAX };
        let size = self.sizer.size().min(max);
        let Some(frame) = self.expected_frame() else { return size };
        let (held, capacity) = (self.buffer.len(), self.buffer.capacity());
        if held >= MIN_HELD_TO_STAY && whole_frames(frame, held, capacity - held).is_some() {
            return capacity;
        }
        let frames = if frame > size / 2 { 1 } else { size / frame };
        (frames * frame).checked_sub(held).filter(|&rest| rest > 0).unwrap_or(size)
    }

    /// Reads into spare capacity, and releases it if no bytes arrive.
    fn poll_read<T: AsyncRead>(
        &mut self,
        mut inner: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let size = self.read_size();
        if self.kept_reads > 0 {
            // Frames that the caller keeps would keep all of a larger block alive.
            self.buffer.replace_larger(size);
        }
        let (frame, held) = (self.expected_frame(), self.buffer.len());
        let read = self.buffer.receive_with(size, |buffer| {
            let spare = buffer.capacity() - buffer.len();
            let whole = frame.and_then(|frame| whole_frames(frame, held, spare));
            let offered = whole.unwrap_or(spare);
            (pin!(inner.read_buf(&mut buffer.limit(offered))).poll(cx), offered)
        });
        let (read, offered) = match read {
            Ok((read, _)) => read,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        match read {
            Poll::Ready(Ok(received @ 1..)) => {
                self.sizer.record(received, offered);
                self.check = KeptCheck::AfterFrame;
            }
            _ => self.buffer.release_excess(),
        }
        read
    }
}

/// Returns the number of bytes up to the end of the last frame that ends within `spare` bytes behind `held` bytes.
fn whole_frames(frame: usize, held: usize, spare: usize) -> Option<usize> {
    ((held + spare) / frame * frame).checked_sub(held).filter(|&bytes| bytes > 0)
}

impl From<ByteBuf> for Incoming {
    /// Decodes the bytes of the buffer before the first read.
    fn from(buffer: ByteBuf) -> Self {
        let state = if buffer.is_empty() { State::Read } else { State::Decode };
        Self {
            buffer,
            sizer: RecvSizer::new(),
            max_kept: MAX_KEPT_READ,
            frames: [0; 2],
            kept_reads: KEPT_READS,
            check: KeptCheck::Done,
            state,
        }
    }
}
