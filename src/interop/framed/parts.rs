//! The parts of a stream of frames.

use super::Encoder;
use crate::buf::ByteBuf;
use crate::io::WriteQueue;

/// The parts of a [`Framed`](super::Framed).
#[derive(Debug)]
#[allow(clippy::manual_non_exhaustive, reason = "the fields of tokio_util, for patterns with `..`")]
pub struct FramedParts<T, U> {
    /// The connection.
    pub io: T,
    /// The codec.
    pub codec: U,
    /// The received bytes that are not decoded.
    pub read_buf: ByteBuf,
    /// The encoded frames that are not sent.
    pub write_buf: WriteQueue,
    pub(super) _priv: (),
}

impl<T, U> FramedParts<T, U> {
    /// Creates parts with empty buffers.
    pub fn new<I>(io: T, codec: U) -> Self
    where
        U: Encoder<I>,
    {
        Self { io, codec, read_buf: ByteBuf::new(), write_buf: WriteQueue::new(), _priv: () }
    }
}
