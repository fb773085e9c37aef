//! Frames with a length in front.

use std::io;

use bytes::{Buf, BufMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{FrameTooLong, InvalidFrameLength, invalid, not_encoded};
use super::{Decoder, Framed, FramedRead, FramedWrite, MAX_LENGTH, TooLong, impl_encoder};
use crate::buf::ByteBuf;
use crate::io::{Payload, WriteQueue};

/// Memory for a whole frame is reserved when one part in this number of it was received. A wait releases a block of which
/// less than a quarter is used, and a block is up to an eighth larger than what is reserved. So this is less than
/// 4 * 8 / 9: otherwise each received byte would move the frame out of its block and back.
const MIN_RECEIVED_SHARE: usize = 3;

/// Settings of a [`LengthDelimitedCodec`]: how it reads and writes headers.
///
/// A decoded frame starts after [`num_skip`](Self::num_skip) bytes of the header. Its length is the sum of the
/// length field and [`length_adjustment`](Self::length_adjustment). An encoded header is the length field alone.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytebuf::codec::{Decoder, LengthDelimitedCodec};
///
/// // A type of one byte, then a little-endian length of two, which counts all bytes. The frame is the whole message.
/// let mut codec = LengthDelimitedCodec::builder()
///     .length_field_offset(1)
///     .length_field_type::<u16>()
///     .length_adjustment(0)
///     .num_skip(0)
///     .little_endian()
///     .max_frame_length(1000)
///     .new_codec();
/// let mut received = ByteBuf::from("\x01\x05\0hi\x02");
/// assert_eq!(codec.decode(&mut received)?.unwrap(), b"\x01\x05\0hi"[..]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    offset: usize,
    width: usize,
    adjustment: isize,
    num_skip: Option<usize>,
    max_length: usize,
    is_little_endian: bool,
    skips: Option<TooLong>,
}

impl Builder {
    /// Creates the default settings: a length of 4 bytes, big endian, and frames of up to 8 MiB.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            offset: 0,
            width: 4,
            adjustment: 0,
            num_skip: None,
            max_length: MAX_LENGTH,
            is_little_endian: false,
            skips: None,
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

    /// Sets the number of bytes of the length field to those of an unsigned integer.
    pub fn length_field_type<T: LengthFieldType>(&mut self) -> &mut Self {
        self.length_field_length(size_of::<T>())
    }

    /// Sets the number that is added to the length field to get the length of the frame.
    pub fn length_adjustment(&mut self, adjustment: isize) -> &mut Self {
        self.adjustment = adjustment;
        self
    }

    /// Sets the number of bytes that are dropped in front of the frame. By default these are all bytes up to
    /// the end of the length field.
    pub fn num_skip(&mut self, bytes: usize) -> &mut Self {
        self.num_skip = Some(bytes);
        self
    }

    /// Sets the limit of a frame. A limit above the largest value of the length field is reduced to that.
    pub fn max_frame_length(&mut self, bytes: usize) -> &mut Self {
        self.max_length = bytes;
        self
    }

    /// Reads and writes the length field as big endian.
    pub fn big_endian(&mut self) -> &mut Self {
        self.is_little_endian = false;
        self
    }

    /// Reads and writes the length field as little endian.
    pub fn little_endian(&mut self) -> &mut Self {
        self.is_little_endian = true;
        self
    }

    /// Reads and writes the length field as this machine does.
    pub fn native_endian(&mut self) -> &mut Self {
        self.is_little_endian = cfg!(target_endian = "little");
        self
    }

    /// Makes the codec skip a frame over the limit, in constant memory, and continue with the next frame.
    /// Without this setting, no frame follows.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytebuf::codec::{Decoder, LengthDelimitedCodec, TooLong};
    ///
    /// let mut builder = LengthDelimitedCodec::builder();
    /// let builder = builder.length_field_type::<u8>().max_frame_length(4);
    /// let mut codec = builder.skip_too_long(TooLong::ErrorThenSkip).new_codec();
    /// let mut received = ByteBuf::from("\x08too long\x04next");
    /// assert!(codec.decode(&mut received).is_err());
    /// assert_eq!(codec.decode(&mut received)?.unwrap(), b"next"[..]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "failFast")]
    pub fn skip_too_long(&mut self, report: TooLong) -> &mut Self {
        self.skips = Some(report);
        self
    }

    /// Creates the codec.
    #[must_use]
    pub fn new_codec(&self) -> LengthDelimitedCodec {
        let mut codec = LengthDelimitedCodec { builder: *self, skipping: None };
        codec.set_max_frame_length(self.max_length);
        codec
    }

    /// Creates a [`FramedRead`] over `inner`.
    pub fn new_read<T: AsyncRead>(&self, inner: T) -> FramedRead<T, LengthDelimitedCodec> {
        FramedRead::new(inner, self.new_codec())
    }

    /// Creates a [`FramedWrite`] over `inner`.
    pub fn new_write<T: AsyncWrite>(&self, inner: T) -> FramedWrite<T, LengthDelimitedCodec> {
        FramedWrite::new(inner, self.new_codec())
    }

    /// Creates a [`Framed`] over `inner`.
    pub fn new_framed<T: AsyncRead + AsyncWrite>(
        &self,
        inner: T,
    ) -> Framed<T, LengthDelimitedCodec> {
        Framed::new(inner, self.new_codec())
    }

    /// Returns the length of the longest frame that the length field can describe.
    fn longest(&self) -> usize {
        let length = self.largest_field().saturating_add_signed(self.adjustment as i64);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    /// Returns the largest value of the length field.
    fn largest_field(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.width)
    }

    /// Returns the lengths of the frame and of the skipped bytes in front of it, for a value of the length field.
    fn measure(&self, field: u64) -> Result<Measure, InvalidFrameLength> {
        let error = InvalidFrameLength { field, adjustment: self.adjustment };
        let length = field.checked_add_signed(self.adjustment as i64).ok_or(error)?;
        let header = self.offset.saturating_add(self.width);
        let skip = self.num_skip.unwrap_or(header);
        let end = (skip as u64).saturating_add(length);
        // The next header would begin within this one, or be the same.
        if end < header as u64 { Err(error) } else { Ok(Measure { skip, length, end }) }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// The lengths that a header describes, in bytes.
struct Measure {
    skip: usize,
    length: u64,
    /// The offset of the next header.
    end: u64,
}

/// The types of [`Builder::length_field_type`].
pub trait LengthFieldType: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! length_field_types {
    ($($type:ty),+) => {$(
        impl sealed::Sealed for $type {}
        impl LengthFieldType for $type {}
    )+};
}

length_field_types!(u8, u16, u32, u64, usize);

/// Decodes and encodes frames with a length in front.
///
/// A length that is over the limit, negative, or ends within the header is an error as soon as the header is
/// complete. The source of the error is [`FrameTooLong`] or [`InvalidFrameLength`]. The header stays in the
/// buffer, and no frame follows, unless the codec [skips](Builder::skip_too_long) long frames. Memory depends
/// on the received bytes, not on the length that a peer claims.
///
/// # Examples
///
/// ```
/// use bytebuf::codec::{Decoder, Encoder, LengthDelimitedCodec};
/// use bytebuf::{ByteBuf, WriteQueue};
///
/// let mut codec = LengthDelimitedCodec::new();
/// let mut queue = WriteQueue::new();
/// codec.encode(ByteBuf::from("hello"), &mut queue)?;
/// let mut wire = Vec::new();
/// assert!(queue.flush_into(&mut wire)?.is_done());
/// assert_eq!(wire, b"\0\0\0\x05hello");
/// assert_eq!(codec.decode(&mut ByteBuf::from(&wire[..]))?.unwrap(), b"hello"[..]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "LengthFieldBasedFrameDecoder")]
#[doc(alias = "LengthFieldPrepender")]
pub struct LengthDelimitedCodec {
    builder: Builder,
    /// The frame that is being skipped.
    skipping: Option<Skipping>,
}

#[derive(Clone, Copy, Debug)]
struct Skipping {
    left: u64,
    /// The length of the whole frame, for the error.
    length: u64,
}

impl LengthDelimitedCodec {
    /// Creates the codec of [`Builder::new`].
    #[must_use]
    pub fn new() -> Self {
        Builder::new().new_codec()
    }

    /// Returns [`Builder::new`].
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns the limit of a frame in bytes.
    #[must_use]
    pub fn max_frame_length(&self) -> usize {
        self.builder.max_length
    }

    /// Sets the limit of the next frames. A limit above the largest value of the length field is reduced to that.
    pub fn set_max_frame_length(&mut self, bytes: usize) {
        self.builder.max_length = bytes.min(self.builder.longest());
    }

    fn too_long(&self, length: u64) -> FrameTooLong {
        FrameTooLong { limit: self.builder.max_length, length: Some(length) }
    }

    /// Returns the length field, if it is complete.
    fn field(&self, src: &ByteBuf) -> Option<u64> {
        let Builder { offset, width, is_little_endian, .. } = self.builder;
        let mut field = src.get(offset..offset.checked_add(width)?)?;
        Some(if is_little_endian { field.get_uint_le(width) } else { field.get_uint(width) })
    }

    /// Drops bytes of a frame that is too long. Returns whether all of them are dropped.
    fn skip(&mut self, src: &mut ByteBuf) -> io::Result<bool> {
        let Some(Skipping { left, length }) = self.skipping else { return Ok(true) };
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(src.len());
        src.advance(now);
        if now as u64 != left {
            self.skipping = Some(Skipping { left: left - now as u64, length });
            return Ok(false);
        }
        self.skipping = None;
        match self.builder.skips {
            Some(TooLong::SkipThenError) => Err(invalid(self.too_long(length))),
            _ => Ok(true),
        }
    }

    /// Appends the header of a frame, with spare capacity for `copied` bytes behind it.
    #[inline]
    fn encode_header(&self, length: u64, copied: usize, dst: &mut WriteQueue) -> io::Result<()> {
        let Builder { width, adjustment, max_length, is_little_endian, .. } = self.builder;
        if length > max_length as u64 {
            return Err(not_encoded(self.too_long(length)));
        }
        let field = if adjustment < 0 {
            length.checked_add(adjustment.unsigned_abs() as u64)
        } else {
            length.checked_sub(adjustment as u64)
        };
        // The field has no value below 0, and none above its width: an adjustment may exceed even that.
        let Some(field) = field.filter(|&field| field <= self.builder.largest_field()) else {
            return Err(not_encoded(InvalidFrameLength { field: length, adjustment }));
        };
        dst.try_reserve(width.saturating_add(copied))?;
        match width {
            4 if !is_little_endian => dst.put_u32(field as u32),
            _ if is_little_endian => dst.put_uint_le(field, width),
            _ => dst.put_uint(field, width),
        }
        Ok(())
    }

    #[inline]
    fn encode_slice(&mut self, frame: &[u8], dst: &mut WriteQueue) -> io::Result<()> {
        self.encode_header(frame.len() as u64, frame.len(), dst)?;
        dst.push_copy(frame);
        Ok(())
    }

    fn encode_payload(&mut self, frame: Payload, dst: &mut WriteQueue) -> io::Result<()> {
        self.encode_header(frame.len(), 0, dst)?;
        dst.push(frame);
        Ok(())
    }
}

impl Default for LengthDelimitedCodec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for LengthDelimitedCodec {
    type Item = ByteBuf;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        loop {
            if !self.skip(src)? {
                return Ok(None);
            }
            let Some(field) = self.field(src) else { return Ok(None) };
            let Measure { skip, length, end } = self.builder.measure(field).map_err(invalid)?;
            let limit = self.builder.max_length as u64;
            // No memory is larger than `isize::MAX`.
            if length <= limit && end <= isize::MAX as u64 {
                let (end, length) = (end as usize, length as usize);
                if src.len() < end {
                    if src.len() >= end / MIN_RECEIVED_SHARE {
                        // If the pool has no memory for all of it, the next read gets less capacity, or the error.
                        _ = src.reserve_whole(end);
                    }
                    return Ok(None);
                }
                src.advance(skip);
                return Ok(Some(src.split_to(length)));
            }
            let error = invalid(self.too_long(length));
            match self.builder.skips {
                None => return Err(error),
                Some(report) => {
                    self.skipping = Some(Skipping { left: end, length });
                    if report == TooLong::ErrorThenSkip {
                        self.skip(src)?;
                        return Err(error);
                    }
                }
            }
        }
    }

    fn decode_eof(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(io::Error::other("bytes remaining on stream")),
            None => match self.skipping.take() {
                Some(Skipping { length, .. })
                    if self.builder.skips == Some(TooLong::SkipThenError) =>
                {
                    Err(invalid(self.too_long(length)))
                }
                _ => Ok(None),
            },
            frame => Ok(frame),
        }
    }
}

impl_encoder!(LengthDelimitedCodec);
