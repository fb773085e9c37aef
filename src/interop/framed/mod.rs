//! Frames out of byte streams, under the names of `tokio_util::codec`.
//!
//! A [`Decoder`] takes frames off the front of a [`ByteBuf`], and [`FramedRead`] runs it over any reader of
//! tokio. Frames are parts of the block that the bytes were received into; nothing is copied. While a
//! reader waits with no partial frame it holds no memory.
//!
//! Differences from `tokio_util::codec`: the buffer and the frames are [`ByteBuf`]s, lines are
//! [`ByteStr`](crate::ByteStr)s, each codec has a limit from the start (8 MiB), and a stream that ends
//! between a header and its frame is an error.
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
mod length;
mod read;

use std::io;

use crate::buf::ByteBuf;

pub use delimited::{DelimiterCodec, LinesCodec};
pub use error::{FrameTooLong, InvalidFrameLength, LinesCodecError};
pub use length::{Builder, LengthDelimitedCodec};
pub use read::FramedRead;

/// The limit of each codec that is given none: 8 MiB, as `tokio_util` has it for length fields.
const MAX_LENGTH: usize = 8 * 1024 * 1024;

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
}
