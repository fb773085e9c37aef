//! Text between delimiters.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bytes::BufMut;

use super::delimited::DelimiterCodec;
use super::error::{AnyDelimiterCodecError, FrameTooLong, LinesCodecError, invalid};
use super::{Decoder, Encoder, MAX_LENGTH};
use crate::buf::{ByteBuf, ByteStr, ByteView};
use crate::io::WriteQueue;

/// Splits UTF-8 text into lines at `\n` or `\r\n`, which it removes, and sends lines with `\n` at the end.
///
/// The limit counts the `\r`. A line over the limit is treated as in [`DelimiterCodec`]. A line that is not
/// UTF-8 is an error, and the next line follows.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytebuf::codec::{Decoder, LinesCodec};
///
/// let mut codec = LinesCodec::new_with_max_length(1000);
/// let mut received = ByteBuf::from("HELO example.org\r\nQUIT");
/// let line = codec.decode(&mut received).unwrap().unwrap();
/// assert_eq!(line.strip_prefix("HELO "), Some("example.org")); // it is a `str`
/// assert_eq!(codec.decode_eof(&mut received).unwrap().unwrap(), *"QUIT");
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "LineBasedFrameDecoder")]
pub struct LinesCodec(DelimiterCodec);

impl LinesCodec {
    /// Creates a codec for lines of up to 8 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::new_with_max_length(MAX_LENGTH)
    }

    /// Creates a codec for lines of up to `max_length` bytes.
    #[must_use]
    pub fn new_with_max_length(max_length: usize) -> Self {
        Self(DelimiterCodec::new(b"\n", max_length))
    }

    /// Returns the limit of a line in bytes.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.0.max_length()
    }

    fn key(&self) -> impl Ord + Hash {
        self.0.progress()
    }
}

/// Compares and hashes codecs by their settings and by their position in a frame, as `tokio_util` does.
macro_rules! compares_by_key {
    ($type:ty) => {
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }

        impl Eq for $type {}

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                self.key().cmp(&other.key())
            }
        }

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.key().hash(state);
            }
        }
    };
}

compares_by_key!(LinesCodec);
compares_by_key!(AnyDelimiterCodec);

impl Default for LinesCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LinesCodec {
    type Item = ByteStr;
    type Error = LinesCodecError;

    fn decode(&mut self, src: &mut ByteBuf) -> Result<Option<ByteStr>, LinesCodecError> {
        line(self.0.next(src)?)
    }

    fn decode_eof(&mut self, src: &mut ByteBuf) -> Result<Option<ByteStr>, LinesCodecError> {
        let whole = self.decode(src)?;
        if whole.is_some() {
            return Ok(whole);
        }
        // The first half of `\r\n` is not a line.
        if src[..] == *b"\r" {
            src.clear();
        }
        line(self.0.last(src)?)
    }
}

fn line(line: Option<ByteBuf>) -> Result<Option<ByteStr>, LinesCodecError> {
    let Some(mut line) = line else { return Ok(None) };
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    Ok(Some(ByteStr::try_from(line.freeze()).map_err(invalid)?))
}

impl<T: AsRef<str>> Encoder<T> for LinesCodec {
    type Error = LinesCodecError;

    fn encode(&mut self, line: T, dst: &mut WriteQueue) -> Result<(), LinesCodecError> {
        encode_text(line.as_ref(), b"\n", self.max_length(), dst)
    }
}

/// Splits frames at any of several bytes, which it removes, and sends frames with a sequence of bytes at the end.
///
/// A frame over the limit is treated as in [`DelimiterCodec`].
///
/// # Examples
///
/// ```
/// use bytebuf::codec::{AnyDelimiterCodec, Decoder, Encoder};
/// use bytebuf::{ByteBuf, WriteQueue};
///
/// let mut codec = AnyDelimiterCodec::new(b",;".to_vec(), b";".to_vec());
/// let mut received = ByteBuf::from("a,b;");
/// assert_eq!(codec.decode(&mut received).unwrap().unwrap(), b"a"[..]);
/// assert_eq!(codec.decode(&mut received).unwrap().unwrap(), b"b"[..]);
///
/// let mut queue = WriteQueue::new();
/// codec.encode("c", &mut queue).unwrap();
/// assert_eq!(queue.pending_bytes(), 2); // "c;"
/// ```
#[derive(Clone, Debug)]
pub struct AnyDelimiterCodec {
    decoder: DelimiterCodec,
    seek_delimiters: Vec<u8>,
    sequence_writer: Vec<u8>,
}

impl AnyDelimiterCodec {
    /// Creates a codec for frames of up to 8 MiB.
    #[must_use]
    pub fn new(seek_delimiters: Vec<u8>, sequence_writer: Vec<u8>) -> Self {
        Self::new_with_max_length(seek_delimiters, sequence_writer, MAX_LENGTH)
    }

    /// Creates a codec for frames of up to `max_length` bytes.
    #[must_use]
    pub fn new_with_max_length(
        seek_delimiters: Vec<u8>,
        sequence_writer: Vec<u8>,
        max_length: usize,
    ) -> Self {
        let decoder = DelimiterCodec::at_bytes(&seek_delimiters, max_length);
        Self { decoder, seek_delimiters, sequence_writer }
    }

    /// Returns the limit of a frame in bytes.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.decoder.max_length()
    }

    fn key(&self) -> impl Ord + Hash {
        (self.decoder.progress(), &self.seek_delimiters, &self.sequence_writer)
    }
}

impl Default for AnyDelimiterCodec {
    /// Creates a codec that splits at `,`, `;`, `\n` and `\r`, and sends `,`.
    fn default() -> Self {
        Self::new(b",;\n\r".to_vec(), b",".to_vec())
    }
}

impl Decoder for AnyDelimiterCodec {
    type Item = ByteView;
    type Error = AnyDelimiterCodecError;

    fn decode(&mut self, src: &mut ByteBuf) -> Result<Option<ByteView>, AnyDelimiterCodecError> {
        Ok(self.decoder.next(src)?.map(ByteBuf::freeze))
    }

    fn decode_eof(
        &mut self,
        src: &mut ByteBuf,
    ) -> Result<Option<ByteView>, AnyDelimiterCodecError> {
        Ok(self.decoder.last(src)?.map(ByteBuf::freeze))
    }
}

impl<T: AsRef<str>> Encoder<T> for AnyDelimiterCodec {
    type Error = AnyDelimiterCodecError;

    fn encode(&mut self, chunk: T, dst: &mut WriteQueue) -> Result<(), AnyDelimiterCodecError> {
        encode_text(chunk.as_ref(), &self.sequence_writer, self.max_length(), dst)
    }
}

fn encode_text<E: From<FrameTooLong> + From<std::io::Error>>(
    text: &str,
    end: &[u8],
    limit: usize,
    dst: &mut WriteQueue,
) -> Result<(), E> {
    if text.len() > limit {
        return Err(FrameTooLong { limit, length: Some(text.len() as u64) }.into());
    }
    dst.try_reserve(text.len().saturating_add(end.len())).map_err(std::io::Error::from)?;
    dst.put_slice(text.as_bytes());
    dst.put_slice(end);
    Ok(())
}
