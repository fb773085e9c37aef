//! Frames from byte streams and into them, with the names of `tokio_util::codec`.
//!
//! A [`Decoder`] takes frames off the front of a [`ByteBuf`], and [`FramedRead`] runs it over a reader of
//! tokio. Frames are parts of the block that received the bytes; they are not copied. A reader that waits holds
//! memory in proportion to the received part of a frame, and none without such a part.
//!
//! An [`Encoder`] puts frames into a [`WriteQueue`], and [`FramedWrite`] sends the queue to a writer of tokio.
//! Large buffers are not copied, and a frame may contain a range of a file. [`Framed`] does both.
//!
//! # Differences from `tokio_util::codec`
//!
//! * The buffer and the frames are [`ByteBuf`]s, lines are [`ByteStr`](crate::ByteStr)s, and encoders write to
//!   a [`WriteQueue`], which is a [`BufMut`](::bytes::BufMut).
//! * Each codec has a limit by default (8 MiB), in both directions. The limit of a [`LengthDelimitedCodec`] counts
//!   the adjustment; a length that ends within the header is an error.
//! * The [backpressure boundary](FramedWrite::backpressure_boundary) is 64 KiB by default, not 8 KiB. Above
//!   it, a new frame waits until half of it is left, not until all is sent.
//! * An encoder that fails leaves nothing in the queue. In `tokio_util` the bytes that it appended are sent.
//! * The buffered bytes are decoded before the next read after an error of a decoder that has taken bytes, and
//!   after the codec is replaced.
//!
//! # Examples
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use bytebuf::codec::{FramedRead, LengthDelimitedCodec};
//!
//! let socket: &[u8] = b"\0\x05hello\0\0\0\x03you";
//! let codec = LengthDelimitedCodec::builder().length_field_length(2).new_codec();
//! let mut frames = FramedRead::new(socket, codec);
//! assert_eq!(frames.next_frame().await.unwrap().unwrap(), b"hello"[..]);
//! assert_eq!(frames.next_frame().await.unwrap().unwrap(), b""[..]);
//! assert_eq!(frames.next_frame().await.unwrap().unwrap(), b"you"[..]);
//! assert!(frames.next_frame().await.is_none());
//! # });
//! ```

mod delimited;
mod error;
#[allow(clippy::module_inception, reason = "the type has the name of tokio_util")]
mod framed;
pub mod length_delimited;
mod lines;
mod parts;
mod raw;
mod read;
mod stream;
mod write;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::buf::ByteBuf;
use crate::io::WriteQueue;

pub use delimited::{DelimiterCodec, TooLong};
pub use error::{
    AnyDelimiterCodecError, FrameTooLong, InvalidFrameLength, LengthDelimitedCodecError,
    LinesCodecError,
};
pub use framed::Framed;
pub use length_delimited::LengthDelimitedCodec;
pub use lines::{AnyDelimiterCodec, LinesCodec};
pub use parts::FramedParts;
pub use raw::BytesCodec;
pub use read::FramedRead;
pub use write::FramedWrite;

/// The default limit of a codec: 8 MiB, as in `tokio_util` for length fields.
const MAX_LENGTH: usize = 8 * 1024 * 1024;

/// The most bytes that a read is offered, unless a larger capacity is set.
const MAX_READ: usize = 256 * 1024;

/// The most bytes that a read is offered while the caller keeps the frames of recent blocks: a frame keeps its whole
/// block alive.
const MAX_KEPT_READ: usize = 32 * 1024;

/// The largest capacity that can be set: sockets hold no more by default, so a larger block makes no fewer reads.
const MAX_CAPACITY: usize = 16 * 1024 * 1024;

/// The number of reads that are limited to [`MAX_KEPT_READ`]: at first, and after a block whose frames were kept.
const KEPT_READS: u8 = 16;

/// The longest frame that gets a block of its own length: 1 MiB and a header.
const MAX_FRAME_READ: usize = 1024 * 1024 + 1024;

/// A partial frame of this length stays in its block if its rest fits there. A shorter one moves to the next block:
/// copying it costs less than the further read.
const MIN_HELD_TO_STAY: usize = 8 * 1024;

/// Takes frames off the front of received bytes.
///
/// # Examples
///
/// ```
/// use bytebuf::codec::Decoder;
/// use bytebuf::{ByteBuf, ByteView};
/// use bytes::Buf;
/// use std::io;
///
/// /// A frame behind its length of one byte, as a view of the received block.
/// struct Short;
///
/// impl Decoder for Short {
///     type Item = ByteView;
///     type Error = io::Error;
///
///     fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteView>> {
///         let Some(length) = src.peek_u8(0).map(usize::from) else { return Ok(None) };
///         if src.len() < 1 + length {
///             return Ok(None);
///         }
///         src.advance(1);
///         Ok(Some(src.split_to(length).freeze()))
///     }
/// }
///
/// let mut received = ByteBuf::from("\x05hello\x05wor");
/// assert_eq!(Short.decode(&mut received)?.unwrap(), "hello");
/// assert!(Short.decode(&mut received)?.is_none());
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "ByteToMessageDecoder")]
pub trait Decoder {
    /// The type of a frame.
    type Item;
    /// The error of a frame or of the stream.
    type Error: From<io::Error>;

    /// Takes the next frame off the front of `src`; returns `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// If the bytes are not a frame. The next call decodes the bytes that are left in `src`.
    fn decode(&mut self, src: &mut ByteBuf) -> Result<Option<Self::Item>, Self::Error>;

    /// Takes the next frame off the front of `src` after the end of the stream. The caller repeats the call
    /// until it returns `None`.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode); by default also if bytes are left that are not a frame.
    fn decode_eof(&mut self, src: &mut ByteBuf) -> Result<Option<Self::Item>, Self::Error> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::Error::other("bytes remaining on stream").into()),
            frame => Ok(frame),
        }
    }

    /// Creates a [`Framed`] over a stream.
    fn framed<T: AsyncRead + AsyncWrite>(self, io: T) -> Framed<T, Self>
    where
        Self: Sized,
    {
        Framed::new(io, self)
    }
}

/// Puts frames into a queue.
///
/// # Examples
///
/// ```
/// use bytebuf::codec::Encoder;
/// use bytebuf::{FileRegion, WriteQueue};
/// use bytes::BufMut;
/// use std::io;
///
/// /// A file, behind its length.
/// struct Files;
///
/// impl Encoder<FileRegion> for Files {
///     type Error = io::Error;
///
///     fn encode(&mut self, file: FileRegion, dst: &mut WriteQueue) -> io::Result<()> {
///         dst.try_reserve(8)?;
///         dst.put_u64(file.len());
///         dst.push(file);
///         Ok(())
///     }
/// }
///
/// let mut queue = WriteQueue::new();
/// Files.encode(FileRegion::open("Cargo.toml")?, &mut queue)?;
/// assert_eq!(queue.pending_bytes(), 8 + std::fs::metadata("Cargo.toml")?.len());
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "MessageToByteEncoder")]
pub trait Encoder<Item> {
    /// The error of a frame or of the stream.
    type Error: From<io::Error>;

    /// Appends the frame to `dst`.
    ///
    /// # Errors
    ///
    /// If the item can't be a frame. Streams of this module drop the bytes that it appended before the error, so that
    /// no part of a frame is sent. They do the same if it panics.
    fn encode(&mut self, item: Item, dst: &mut WriteQueue) -> Result<(), Self::Error>;
}

/// The longest `Bytes`, `BytesMut` or `Vec` that is copied, as the queue copies it. Otherwise it would become a view
/// first, which takes an allocation.
const MAX_COPIED: usize = 1024;

/// Implements [`Encoder`] of a codec for each type that a queue takes, by its methods `encode_slice`, which copies, and
/// `encode_payload`.
macro_rules! impl_encoder {
    ($codec:ty) => {
        impl_encoder!($codec, frame => ::bytes::Bytes: frame.into(),
            ::bytes::BytesMut: frame.freeze().into(), Vec<u8>: frame.into());
        impl_encoder!($codec, $crate::ByteBuf, $crate::ByteView, $crate::ByteStr,
            $crate::CompositeByteBuf, $crate::FileRegion, $crate::Payload, String);

        impl $crate::codec::Encoder<&[u8]> for $codec {
            type Error = std::io::Error;

            fn encode(&mut self, frame: &[u8], dst: &mut $crate::WriteQueue) -> std::io::Result<()> {
                self.encode_slice(frame, dst)
            }
        }
    };
    ($codec:ty, $frame:ident => $($bytes:ty: $payload:expr),+) => {$(
        impl $crate::codec::Encoder<$bytes> for $codec {
            type Error = std::io::Error;

            fn encode(&mut self, $frame: $bytes, dst: &mut $crate::WriteQueue) -> std::io::Result<()> {
                if $frame.len() <= $crate::codec::MAX_COPIED {
                    self.encode_slice(&$frame, dst)
                } else {
                    self.encode_payload($payload, dst)
                }
            }
        }
    )+};
    ($codec:ty, $($item:ty),+) => {$(
        impl $crate::codec::Encoder<$item> for $codec {
            type Error = std::io::Error;

            fn encode(&mut self, frame: $item, dst: &mut $crate::WriteQueue) -> std::io::Result<()> {
                self.encode_payload(frame.into(), dst)
            }
        }
    )+};
}

use impl_encoder;
