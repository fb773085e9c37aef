//! Frames that end with a delimiter, and lines.

use std::io;

use bytes::Buf;
use memchr::memmem::Finder;

use super::error::{FrameTooLong, LinesCodecError, invalid};
use super::{Decoder, MAX_LENGTH};
use crate::buf::{ByteBuf, ByteStr};

/// Splits frames at a delimiter of one or more bytes, which is not part of them.
///
/// A frame that is over the limit is reported as soon as that is known; the rest of it is discarded, in
/// constant memory, up to its delimiter. Each byte is searched once, however it arrives, and at most twice
/// in a frame that is too long. Bytes behind the last delimiter are a frame when the stream ends.
#[derive(Clone, Debug)]
#[doc(alias = "DelimiterBasedFrameDecoder")]
pub struct DelimiterCodec {
    finder: Finder<'static>,
    max_length: usize,
    /// No delimiter begins before this.
    searched: usize,
    is_discarding: bool,
}

impl DelimiterCodec {
    /// Splits at `delimiter`, with frames of up to `max_length` bytes.
    ///
    /// # Panics
    ///
    /// If the delimiter is empty.
    pub fn new(delimiter: &[u8], max_length: usize) -> Self {
        assert!(!delimiter.is_empty(), "the delimiter is empty");
        let finder = Finder::new(delimiter).into_owned();
        Self { finder, max_length, searched: 0, is_discarding: false }
    }

    /// Returns the limit of a frame in bytes.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    fn next(&mut self, src: &mut ByteBuf) -> Result<Option<ByteBuf>, FrameTooLong> {
        let delimiter = self.finder.needle().len();
        let most = self.max_length.saturating_add(delimiter);
        loop {
            let end = if self.is_discarding { src.len() } else { src.len().min(most) };
            let from = self.searched.min(end);
            let unfinished = src.len().min(delimiter - 1);
            match self.finder.find(&src[from..end]) {
                Some(at) if self.is_discarding => {
                    src.advance(from + at + delimiter);
                    (self.searched, self.is_discarding) = (0, false);
                }
                Some(at) => {
                    let frame = src.split_to(from + at);
                    src.advance(delimiter);
                    self.searched = 0;
                    return Ok(Some(frame));
                }
                None if self.is_discarding => {
                    src.advance(src.len() - unfinished);
                    self.searched = 0;
                    return Ok(None);
                }
                None if src.len() >= most => return Err(self.discard()),
                None => {
                    self.searched = src.len() - unfinished;
                    return Ok(None);
                }
            }
        }
    }

    fn last(&mut self, src: &mut ByteBuf) -> Result<Option<ByteBuf>, FrameTooLong> {
        if let Some(frame) = self.next(src)? {
            return Ok(Some(frame));
        }
        self.searched = 0;
        if std::mem::take(&mut self.is_discarding) {
            src.clear();
        }
        match src.len() {
            0 => Ok(None),
            length if length > self.max_length => Err(self.discard()),
            length => Ok(Some(src.split_to(length))),
        }
    }

    fn discard(&mut self) -> FrameTooLong {
        (self.searched, self.is_discarding) = (0, true);
        FrameTooLong { limit: self.max_length, length: None }
    }
}

impl Decoder for DelimiterCodec {
    type Item = ByteBuf;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        self.next(src).map_err(invalid)
    }

    fn decode_eof(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        self.last(src).map_err(invalid)
    }
}

/// Splits lines of UTF-8 at `\n` or `\r\n`, which are not part of them.
///
/// The limit counts the `\r`. A line that is over it is treated as in [`DelimiterCodec`]; one that is not
/// UTF-8 is an error, and the next line follows.
#[derive(Clone, Debug)]
#[doc(alias = "LineBasedFrameDecoder")]
pub struct LinesCodec(DelimiterCodec);

impl LinesCodec {
    /// Lines of up to 8 MiB.
    pub fn new() -> Self {
        Self::new_with_max_length(MAX_LENGTH)
    }

    /// Lines of up to `max_length` bytes.
    pub fn new_with_max_length(max_length: usize) -> Self {
        Self(DelimiterCodec::new(b"\n", max_length))
    }

    /// Returns the limit of a line in bytes.
    pub fn max_length(&self) -> usize {
        self.0.max_length
    }
}

impl Default for LinesCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LinesCodec {
    type Item = ByteStr;
    type Error = LinesCodecError;

    fn decode(&mut self, src: &mut ByteBuf) -> Result<Option<ByteStr>, LinesCodecError> {
        line(self.0.next(src))
    }

    fn decode_eof(&mut self, src: &mut ByteBuf) -> Result<Option<ByteStr>, LinesCodecError> {
        line(self.0.last(src))
    }
}

fn line(frame: Result<Option<ByteBuf>, FrameTooLong>) -> Result<Option<ByteStr>, LinesCodecError> {
    let Some(mut line) = frame.map_err(|_| LinesCodecError::MaxLineLengthExceeded)? else {
        return Ok(None);
    };
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    Ok(Some(ByteStr::try_from(line.freeze()).map_err(invalid)?))
}
