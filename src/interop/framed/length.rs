//! Frames with their length in front.

use std::io;

use bytes::Buf;

use super::error::{FrameTooLong, InvalidFrameLength, invalid};
use super::{Decoder, FramedRead, MAX_LENGTH};
use crate::buf::ByteBuf;

/// How a [`LengthDelimitedCodec`] reads headers.
///
/// A frame is what follows [`num_skip`](Self::num_skip) bytes of the header, as long as the length field and
/// [`length_adjustment`](Self::length_adjustment) say together.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    offset: usize,
    width: usize,
    adjustment: isize,
    num_skip: Option<usize>,
    max_length: usize,
    is_little_endian: bool,
}

impl Builder {
    /// A length of 4 bytes, big endian, in front of frames of up to 8 MiB.
    pub const fn new() -> Self {
        Self {
            offset: 0,
            width: 4,
            adjustment: 0,
            num_skip: None,
            max_length: MAX_LENGTH,
            is_little_endian: false,
        }
    }

    /// Sets the number of bytes in front of the length field.
    pub fn length_field_offset(&mut self, offset: usize) -> &mut Self {
        self.offset = offset;
        self
    }

    /// Sets the number of bytes of the length field.
    ///
    /// # Panics
    ///
    /// If it is not 1 to 8.
    pub fn length_field_length(&mut self, width: usize) -> &mut Self {
        assert!((1..=8).contains(&width), "a length field of {width} bytes");
        self.width = width;
        self
    }

    /// Sets what is added to the length field to get the length of the frame.
    pub fn length_adjustment(&mut self, adjustment: isize) -> &mut Self {
        self.adjustment = adjustment;
        self
    }

    /// Sets the number of bytes that are dropped in front of the frame: by default, up to the end of the
    /// length field.
    pub fn num_skip(&mut self, bytes: usize) -> &mut Self {
        self.num_skip = Some(bytes);
        self
    }

    /// Sets the limit, of the length field and of the frame.
    pub fn max_frame_length(&mut self, bytes: usize) -> &mut Self {
        self.max_length = bytes;
        self
    }

    /// Reads the length field as big endian.
    pub fn big_endian(&mut self) -> &mut Self {
        self.is_little_endian = false;
        self
    }

    /// Reads the length field as little endian.
    pub fn little_endian(&mut self) -> &mut Self {
        self.is_little_endian = true;
        self
    }

    /// Returns the codec.
    pub fn new_codec(&self) -> LengthDelimitedCodec {
        LengthDelimitedCodec(*self)
    }

    /// Returns frames of `inner`.
    pub fn new_read<T>(&self, inner: T) -> FramedRead<T, LengthDelimitedCodec> {
        FramedRead::new(inner, self.new_codec())
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes frames that have their length in front.
///
/// A length that is over the limit, negative, or within the header is an error as soon as its header is
/// complete, whose source is [`FrameTooLong`] or [`InvalidFrameLength`]. The header stays in the buffer:
/// there is no next frame to be found. Memory follows the bytes that came, not the length that a peer claims.
#[derive(Clone, Debug)]
#[doc(alias = "LengthFieldBasedFrameDecoder")]
pub struct LengthDelimitedCodec(Builder);

impl LengthDelimitedCodec {
    /// That of [`Builder::new`].
    pub fn new() -> Self {
        Builder::new().new_codec()
    }

    /// Returns [`Builder::new`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns the limit of a frame in bytes.
    pub fn max_frame_length(&self) -> usize {
        self.0.max_length
    }

    /// Sets the limit of the frames that follow.
    pub fn set_max_frame_length(&mut self, bytes: usize) {
        self.0.max_length = bytes;
    }

    /// The number of bytes to skip and the length of the frame behind them.
    fn measure(&self, field: u64, header: usize) -> io::Result<(usize, usize)> {
        let Builder { adjustment, max_length, .. } = self.0;
        let bad = || invalid(InvalidFrameLength { field, adjustment });
        let length = field.checked_add_signed(adjustment as i64).ok_or_else(bad)?;
        let longest = length.max(field);
        let over = || invalid(FrameTooLong { limit: max_length, length: Some(longest) });
        if usize::try_from(longest).map_or(true, |longest| longest > max_length) {
            return Err(over());
        }
        let skip = self.0.num_skip.unwrap_or(header);
        let length = length as usize;
        match skip.checked_add(length) {
            None => Err(over()),
            // The next header would begin within this one, or be the same.
            Some(end) if end < header => Err(bad()),
            Some(_) => Ok((skip, length)),
        }
    }
}

impl Default for LengthDelimitedCodec {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes spare capacity for the rest of a frame of which a quarter is there: before, memory follows what came.
fn reserve_rest(src: &mut ByteBuf, length: usize) {
    if src.len() >= length / 4 {
        // Without memory for all of it, the next read gets less, or the error.
        _ = src.try_reserve(length - src.len());
    }
}

impl Decoder for LengthDelimitedCodec {
    type Item = ByteBuf;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        let Builder { offset, width, is_little_endian, .. } = self.0;
        let Some(header) = offset.checked_add(width).filter(|&end| end <= src.len()) else {
            return Ok(None);
        };
        let mut field = &src[offset..header];
        let field = if is_little_endian { field.get_uint_le(width) } else { field.get_uint(width) };
        let (skip, length) = self.measure(field, header)?;
        if src.len() < skip + length {
            reserve_rest(src, skip + length);
            return Ok(None);
        }
        src.advance(skip);
        Ok(Some(src.split_to(length)))
    }
}
