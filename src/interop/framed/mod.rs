//! Frames out of byte streams and into them, under the names of `tokio_util::codec`.
//!
//! A [`Decoder`] takes frames off the front of a [`ByteBuf`], and [`FramedRead`] runs it over any reader of
//! tokio. Frames are parts of the block that the bytes were received into; nothing is copied. While a
//! reader waits it holds memory in proportion to the part of a frame that has come, and none if none has.
//!
//! An [`Encoder`] puts frames into a [`WriteQueue`], and [`FramedWrite`] sends that to any writer of tokio.
//! Large buffers are sent from where they are, and a frame may have a range of a file in it. [`Framed`] does both.
//!
//! # Differences from `tokio_util::codec`
//!
//! * The buffer and the frames are [`ByteBuf`]s, lines are [`ByteStr`](crate::ByteStr)s, and encoders write to
//!   a [`WriteQueue`], which is a [`BufMut`](::bytes::BufMut).
//! * Each codec has a limit from the start (8 MiB), in both directions. That of a [`LengthDelimitedCodec`] is
//!   the limit of the frame, with the adjustment; a length that ends within the header is an error.
//! * The [backpressure boundary](FramedWrite::backpressure_boundary) is 64 KiB at first, not 8 KiB, and a
//!   frame that waits at it waits until half of that is sent, not all.
//! * After an error of a decoder that has taken bytes, and when the codec is replaced, what is buffered is decoded
//!   before more is read.
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
#[allow(clippy::module_inception, reason = "the type's name is tokio_util's")]
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

/// The limit of each codec that is given none: 8 MiB, as `tokio_util` has it for length fields.
const MAX_LENGTH: usize = 8 * 1024 * 1024;

/// What a read is offered at most, unless a larger capacity is asked for.
const MAX_READ: usize = 256 * 1024;

/// The same while the frames of the block before are kept: a frame keeps its whole block alive.
const MAX_KEPT_READ: usize = 32 * 1024;

/// The number of reads for which frames are taken to be kept: at first, and after a block whose frames were kept.
const KEPT_READS: u8 = 16;

/// The longest frame for which a read is offered its length: 1 MiB and a header.
const MAX_FRAME_READ: usize = 1024 * 1024 + 1024;

/// Takes frames off the front of received bytes.
#[doc(alias = "ByteToMessageDecoder")]
pub trait Decoder {
    /// A frame.
    type Item;
    /// What ends the stream of frames.
    type Error: From<io::Error>;

    /// Takes the next frame off the front of `src`; returns `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// If the bytes are not a frame. The bytes that it leaves in `src` are decoded next.
    fn decode(&mut self, src: &mut ByteBuf) -> Result<Option<Self::Item>, Self::Error>;

    /// Takes the next frame off the front of `src` when the stream has ended. It is called until it
    /// returns `None`.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), and by default if bytes are left that are not a frame.
    fn decode_eof(&mut self, src: &mut ByteBuf) -> Result<Option<Self::Item>, Self::Error> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::Error::other("bytes remaining on stream").into()),
            frame => Ok(frame),
        }
    }

    /// Returns the frames of a stream in both directions.
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
    /// Why a frame was not encoded, or not sent.
    type Error: From<io::Error>;

    /// Appends the frame to `dst`.
    ///
    /// # Errors
    ///
    /// If the item can't be a frame. It should have appended nothing then: what it has appended is sent.
    fn encode(&mut self, item: Item, dst: &mut WriteQueue) -> Result<(), Self::Error>;
}

/// Bytes of no pool are copied up to this length, as the queue would copy them, without becoming views before, which
/// takes an allocation.
const SMALL: usize = 1024;

/// Implements [`Encoder`] of a codec for all that can be pushed, by its methods `encode_slice`, which copies, and
/// `encode_payload`.
macro_rules! encodes_payloads {
    ($codec:ty) => {
        encodes_payloads!($codec, frame => ::bytes::Bytes: frame.into(),
            ::bytes::BytesMut: frame.freeze().into(), Vec<u8>: frame.into());
        encodes_payloads!($codec, $crate::ByteBuf, $crate::ByteView, $crate::ByteStr,
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
                if $frame.len() <= $crate::codec::SMALL {
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

use encodes_payloads;
