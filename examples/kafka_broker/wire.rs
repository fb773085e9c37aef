//! Numbers, strings and arrays in the encoding of Kafka's protocol: big-endian, length-prefixed.
//!
//! 1. [`Reader`] never reads past the frame and never panics: a value that does not fit is [`Malformed`].
//! 2. A count is valid only if the remaining bytes can hold it, and all arrays of a frame have at most [`MAX_ITEMS`] items. So the
//!    allocations and the work for a frame are bounded by the length of the frame, and by a constant.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use bytebuf::{ByteBuf, Peek};
use bytes::BufMut;

/// Items in the arrays of one request. A broker has at most 4096 partitions, each of which a request names
/// once.
const MAX_ITEMS: usize = 16_384;

/// A frame that does not follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The offset in the frame.
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} of the frame", self.what, self.at)
    }
}

impl Error for Malformed {}

type Result<T> = std::result::Result<T, Malformed>;

/// Reads a frame from its front to its end.
#[derive(Debug)]
pub(crate) struct Reader<'f> {
    frame: &'f [u8],
    at: usize,
    /// Items that its arrays may still have.
    items: usize,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(frame: &'f [u8]) -> Self {
        Self { frame, at: 0, items: MAX_ITEMS }
    }

    fn left(&self) -> usize {
        self.frame.len() - self.at
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.frame.peek_array(self.at).ok_or(self.malformed("truncated"))?;
        self.at += N;
        Ok(bytes)
    }

    pub(crate) fn i8(&mut self) -> Result<i8> {
        self.array_of().map(i8::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        self.i8().map(|byte| byte != 0)
    }

    pub(crate) fn i16(&mut self) -> Result<i16> {
        self.array_of().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.array_of().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array_of().map(i64::from_be_bytes)
    }

    /// The range of the next `length` bytes; `None` if the length is -1.
    fn range(&mut self, length: i32) -> Result<Option<Range<usize>>> {
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| self.malformed("negative length"))?;
        if length > self.left() {
            return Err(self.malformed("length beyond the frame"));
        }
        let start = self.at;
        self.at += length;
        Ok(Some(start..self.at))
    }

    /// The range of the frame that holds the next bytes with a 32-bit length.
    pub(crate) fn bytes_range(&mut self) -> Result<Option<Range<usize>>> {
        let length = self.i32()?;
        self.range(length)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'f [u8]> {
        let range = self.bytes_range()?.ok_or(self.malformed("null bytes"))?;
        Ok(&self.frame[range])
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<&'f str>> {
        let length = self.i16()?;
        let Some(range) = self.range(length.into())? else { return Ok(None) };
        self.text(range).map(Some)
    }

    pub(crate) fn string(&mut self) -> Result<&'f str> {
        self.nullable_string()?.ok_or(self.malformed("null string"))
    }

    fn text(&self, range: Range<usize>) -> Result<&'f str> {
        let at = range.start;
        let what = "a string that is not UTF-8";
        std::str::from_utf8(&self.frame[range]).map_err(|_| Malformed { at, what })
    }

    /// Reads a counted array of items that take `least` bytes or more each; `None` if it is null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let count = self.i32()?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(|_| self.malformed("negative count"))?;
        if count > self.left() / least {
            return Err(self.malformed("count beyond the frame"));
        }
        let left = self.items.checked_sub(count);
        self.items = left.ok_or(self.malformed("more items than a request needs"))?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(Some(items))
    }

    /// As [`nullable_array`](Self::nullable_array); null counts as empty.
    pub(crate) fn array<T>(
        &mut self,
        least: usize,
        item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        Ok(self.nullable_array(least, item)?.unwrap_or_default())
    }

    /// A variable-length number of the flexible versions: 7 bits for each byte, lowest first.
    fn varint(&mut self) -> Result<u32> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u8::from_be_bytes(self.array_of()?);
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.malformed("varint over 32 bits"));
            }
        }
        Err(self.malformed("varint over five bytes"))
    }

    pub(crate) fn compact_string(&mut self) -> Result<&'f str> {
        let length = self.varint()?.checked_sub(1).ok_or(self.malformed("null string"))?;
        let length =
            i32::try_from(length).map_err(|_| self.malformed("length beyond the frame"))?;
        let range = self.range(length)?.ok_or(self.malformed("null string"))?;
        self.text(range)
    }

    /// Skips the tagged fields of the flexible versions.
    pub(crate) fn tags(&mut self) -> Result<()> {
        // Each turn reads at least one byte, so the frame bounds them.
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = i32::try_from(self.varint()?).unwrap_or(i32::MAX);
            self.range(length)?;
        }
        Ok(())
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&self) -> Result<()> {
        if self.left() == 0 { Ok(()) } else { Err(self.malformed("bytes behind the request")) }
    }
}

/// Space in front of a response for its length and correlation id.
const HEADROOM: usize = 8;

/// A response under construction; its head is prepended when its length is known.
pub(crate) fn response() -> ByteBuf {
    ByteBuf::with_headroom(HEADROOM, 256)
}

/// Completes a response that `following` bytes of files follow.
pub(crate) fn complete(response: &mut ByteBuf, correlation: i32, following: u64) {
    response.prepend(&correlation.to_be_bytes());
    // A fetch is bounded by `limits::MAX_FETCH`, other responses by their requests.
    let length = u32::try_from(response.len() as u64 + following).unwrap_or(u32::MAX);
    response.prepend(&length.to_be_bytes());
}

/// Writes what [`Reader`] reads.
pub(crate) trait Write: BufMut + Sized {
    fn put_bool(&mut self, value: bool) {
        self.put_u8(value.into());
    }

    /// A string; all that the broker writes are shorter than 32 KiB, as they came in a request.
    fn put_string(&mut self, text: &str) {
        self.put_nullable_string(Some(text));
    }

    fn put_nullable_string(&mut self, text: Option<&str>) {
        let Some(text) = text else { return self.put_i16(-1) };
        let length = i16::try_from(text.len()).expect("a string of a request, or a short one");
        self.put_i16(length);
        self.put_slice(text.as_bytes());
    }

    fn put_bytes_field(&mut self, bytes: &[u8]) {
        self.put_i32(i32::try_from(bytes.len()).expect("bytes of a request"));
        self.put_slice(bytes);
    }

    fn put_array<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut put: impl FnMut(&mut Self, T),
    ) {
        self.put_i32(i32::try_from(items.len()).expect("as many as a request names, or topics"));
        items.for_each(|item| put(self, item));
    }
}

impl Write for ByteBuf {}
impl Write for Vec<u8> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lengths_are_bounded_by_the_bytes_left() {
        let claims = |count: i32| count.to_be_bytes();
        for count in [i32::MAX, i32::MIN, -2, 1] {
            let frame = claims(count);
            assert!(Reader::new(&frame).array(1, Reader::i8).is_err(), "{count}");
            assert!(Reader::new(&frame).bytes_range().is_err(), "{count}");
        }
        assert_eq!(Reader::new(&claims(-1)).nullable_array(1, Reader::i8), Ok(None));
        assert_eq!(Reader::new(&claims(-1)).bytes_range(), Ok(None));
        assert_eq!(Reader::new(&claims(0)).array(1, Reader::i8), Ok(vec![]));
    }

    #[test]
    fn the_items_of_all_arrays_of_a_frame_are_bounded() {
        let array = |count: usize| [&(count as i32).to_be_bytes()[..], &vec![0; count]].concat();
        let frame = [array(MAX_ITEMS - 1), array(1), array(1)].concat();
        let mut reader = Reader::new(&frame);
        assert_eq!(reader.array(1, Reader::i8).map(|items| items.len()), Ok(MAX_ITEMS - 1));
        assert_eq!(reader.array(1, Reader::i8), Ok(vec![0]));
        assert!(reader.array(1, Reader::i8).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        out.put_string("topic");
        out.put_nullable_string(None);
        out.put_bytes_field(b"\x00\xff");
        out.put_array([1_i32, -2].into_iter(), |out, n| out.put_i32(n));
        out.put_bool(true);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.string(), Ok("topic"));
        assert_eq!(reader.nullable_string(), Ok(None));
        assert_eq!(reader.bytes(), Ok(&b"\x00\xff"[..]));
        assert_eq!(reader.array(4, Reader::i32), Ok(vec![1, -2]));
        assert!(reader.end().is_err());
        assert_eq!(reader.bool(), Ok(true));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn varints_end_within_five_bytes() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).varint(), Ok(u32::MAX));
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint().is_err());
        assert!(Reader::new(&[0xff; 6]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }
}
