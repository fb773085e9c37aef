//! The parts of a stream of frames.

use super::Encoder;
use crate::buf::ByteBuf;
use crate::io::WriteQueue;

/// The parts of a [`Framed`](super::Framed).
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bytebuf::codec::{BytesCodec, Framed, LinesCodec};
///
/// // A protocol that starts with a line and continues with other bytes.
/// let (client, mut server) = tokio::io::duplex(1024);
/// tokio::io::AsyncWriteExt::write_all(&mut server, b"UPGRADE\nraw bytes").await.unwrap();
/// let mut lines = Framed::new(client, LinesCodec::new());
/// assert_eq!(lines.next_frame().await.unwrap().unwrap(), *"UPGRADE");
///
/// let parts = lines.into_parts();
/// assert_eq!(parts.read_buf, b"raw bytes"[..]); // received, and not a line
/// let mut raw = Framed::new(parts.io, BytesCodec::new());
/// *raw.read_buffer_mut() = parts.read_buf;
/// # });
/// ```
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
