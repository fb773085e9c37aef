//! Reads and writes that `Buf` and `BufMut` lack: integers of variable length, and text.

use std::{error::Error, fmt};

use bytes::{Buf, BufMut};

use super::{
    ByteBuf, ByteView, CompositeByteBuf, OutOfRange, Peek,
    text::StrError,
    varint::{self, VarintOverflow},
};

/// More reads that move a cursor. None of them panics; one that fails leaves the cursor where it
/// was.
///
/// For our types and for `&[u8]`.
///
/// # Examples
///
/// ```
/// use bytebuf::{BufExt, BufMutExt, ByteBuf};
///
/// let mut buf = ByteBuf::new();
/// buf.put_varint(300);
/// buf.put_zigzag(-2);
/// buf.put_str("hé");
/// assert_eq!(buf, b"\xAC\x02\x03h\xC3\xA9"[..]);
///
/// assert_eq!(buf.try_get_varint()?, 300);
/// assert_eq!(buf.try_get_zigzag()?, -2);
/// assert_eq!(buf.try_get_str(3)?, "hé");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait BufExt: Buf {
    /// Returns the readable bytes without consuming them.
    fn readable(&self) -> &(impl Peek + ?Sized);

    /// Reads an unsigned integer in LEB128, as protocol buffers write it: 1 to 10 bytes.
    ///
    /// # Errors
    ///
    /// If its last byte is missing, or it has more than 64 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{BufExt, VarintError};
    ///
    /// let mut data = &b"\xAC\x02\xAC"[..];
    /// assert_eq!(data.try_get_varint(), Ok(300));
    /// assert_eq!(data.try_get_varint(), Err(VarintError::TooShort { len: 1 }));
    /// ```
    fn try_get_varint(&mut self) -> Result<u64, VarintError> {
        let found = self.readable().peek_varint(0).map_err(VarintError::Overflow)?;
        let (value, len) = found.ok_or(VarintError::TooShort { len: self.remaining() })?;
        self.advance(len);
        Ok(value)
    }

    /// Reads a signed integer in zigzag LEB128, `sint64` of protocol buffers: 1 to 10 bytes.
    ///
    /// # Errors
    ///
    /// If its last byte is missing, or it has more than 64 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufExt;
    ///
    /// assert_eq!((&b"\x03"[..]).try_get_zigzag(), Ok(-2));
    /// ```
    fn try_get_zigzag(&mut self) -> Result<i64, VarintError> {
        self.try_get_varint().map(varint::from_zigzag)
    }

    /// Reads an integer of QUIC's form (RFC 9000, section 16): 1, 2, 4 or 8 bytes.
    ///
    /// # Errors
    ///
    /// If its last byte is missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufExt;
    ///
    /// assert_eq!((&b"\x7B\xBD"[..]).try_get_quic_varint(), Ok(15293));
    /// ```
    fn try_get_quic_varint(&mut self) -> Result<u64, VarintError> {
        let found = self.readable().peek_quic_varint(0);
        let (value, len) = found.ok_or(VarintError::TooShort { len: self.remaining() })?;
        self.advance(len);
        Ok(value)
    }

    /// Reads `len` bytes of UTF-8. Copies them.
    ///
    /// # Errors
    ///
    /// If the buffer has fewer bytes, or they are not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufExt;
    ///
    /// assert_eq!((&b"hello"[..]).try_get_str(4)?, "hell");
    /// # Ok::<_, bytebuf::StrError>(())
    /// ```
    #[doc(alias = "readCharSequence")]
    #[doc(alias = "readString")]
    fn try_get_str(&mut self, len: usize) -> Result<String, StrError> {
        // Checked first, so that a wrong length allocates nothing.
        OutOfRange::check(0, len, self.remaining()).map_err(StrError::TooShort)?;
        let mut bytes = vec![0; len];
        self.readable().peek_slice(0, &mut bytes).map_err(StrError::TooShort)?;
        let text = String::from_utf8(bytes).map_err(|e| StrError::NotUtf8(e.utf8_error()))?;
        self.advance(len);
        Ok(text)
    }
}

macro_rules! buf_ext {
    ($($type:ty: |$this:ident| $readable:expr, $peek:ty;)+) => { $(
        impl BufExt for $type {
            #[allow(refining_impl_trait, reason = "it is this very type")]
            fn readable(&self) -> &$peek {
                let $this = self;
                $readable
            }
        }
    )+ };
}

buf_ext! {
    &[u8]: |this| this, [u8];
    ByteView: |this| this, [u8];
    ByteBuf: |this| this, [u8];
    CompositeByteBuf: |this| this, CompositeByteBuf;
}

/// More writes that move a cursor, for every [`BufMut`]. As with those of `BufMut`, the spare
/// capacity must be large enough.
///
/// # Examples
///
/// ```
/// use bytebuf::BufMutExt;
///
/// let mut bytes = Vec::new();
/// bytes.put_varint(1);
/// bytes.put_str("é");
/// assert_eq!(bytes, b"\x01\xC3\xA9");
/// ```
pub trait BufMutExt: BufMut {
    /// Writes an unsigned integer in LEB128, as protocol buffers do: 1 to 10 bytes.
    ///
    /// # Panics
    ///
    /// If the spare capacity is too small.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufMutExt;
    ///
    /// let mut bytes = Vec::new();
    /// bytes.put_varint(300);
    /// assert_eq!(bytes, b"\xAC\x02");
    /// ```
    fn put_varint(&mut self, value: u64) {
        let (bytes, len) = varint::encode(value);
        self.put_slice(&bytes[..len]);
    }

    /// Writes a signed integer in zigzag LEB128, `sint64` of protocol buffers: 1 to 10 bytes.
    ///
    /// # Panics
    ///
    /// If the spare capacity is too small.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufMutExt;
    ///
    /// let mut bytes = Vec::new();
    /// bytes.put_zigzag(-2);
    /// assert_eq!(bytes, b"\x03");
    /// ```
    fn put_zigzag(&mut self, value: i64) {
        self.put_varint(varint::zigzag(value));
    }

    /// Writes an integer in QUIC's form (RFC 9000, section 16): 1, 2, 4 or 8 bytes.
    ///
    /// # Panics
    ///
    /// If the spare capacity is too small, or the value is 2^62 or more.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufMutExt;
    ///
    /// let mut bytes = Vec::new();
    /// bytes.put_quic_varint(15293);
    /// assert_eq!(bytes, b"\x7B\xBD");
    /// ```
    fn put_quic_varint(&mut self, value: u64) {
        assert!(value <= varint::QUIC_MAX, "{value} does not fit the 62 bits of a QUIC integer");
        let (bytes, len) = varint::encode_quic(value);
        self.put_slice(&bytes[8 - len..]);
    }

    /// Writes `text` as UTF-8, without its length.
    ///
    /// # Panics
    ///
    /// If the spare capacity is too small.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::BufMutExt;
    ///
    /// let mut bytes = Vec::new();
    /// bytes.put_str("é");
    /// assert_eq!(bytes, b"\xC3\xA9");
    /// ```
    #[doc(alias = "writeCharSequence")]
    #[doc(alias = "writeUtf8")]
    fn put_str(&mut self, text: &str) {
        self.put_slice(text.as_bytes());
    }
}

impl<B: BufMut + ?Sized> BufMutExt for B {}

/// The error of a variable-length integer that could not be read; the cursor has not moved.
///
/// # Examples
///
/// ```
/// use bytebuf::{BufExt, VarintError};
///
/// let mut data = &[0xFF; 20][..];
/// assert!(matches!(data.try_get_varint(), Err(VarintError::Overflow(_))));
/// assert_eq!(data.len(), 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VarintError {
    /// The last byte is missing.
    TooShort {
        /// The number of bytes present.
        len: usize,
    },
    /// The integer has more than 64 bits.
    Overflow(VarintOverflow),
}

impl fmt::Display for VarintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len } => {
                write!(f, "the integer is longer than the {len} readable bytes")
            }
            Self::Overflow(_) => f.write_str("the integer can't be read"),
        }
    }
}

impl Error for VarintError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooShort { .. } => None,
            Self::Overflow(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_bits_are_the_limit() {
        let most = [&[0xFF; 9][..], &[1]].concat();
        assert_eq!((&most[..]).try_get_varint(), Ok(u64::MAX));
        let more = [&[0xFF; 9][..], &[2]].concat();
        assert_eq!(more.peek_varint(0), Err(VarintOverflow { offset: 0 }));
        assert_eq!([0x80; 10].peek_varint(0), Err(VarintOverflow { offset: 0 }));
        // Longer than necessary, because some writers pad.
        assert_eq!([0x80, 0x80, 0].peek_varint(0), Ok(Some((0, 3))));
        assert_eq!([0; 4].peek_varint(usize::MAX), Ok(None));
        assert_eq!([0; 4].peek_quic_varint(usize::MAX), None);
    }

    #[test]
    fn the_examples_of_rfc_9000() {
        let examples: [(&[u8], u64); 5] = [
            (b"\xC2\x19\x7C\x5E\xFF\x14\xE8\x8C", 151_288_809_941_952_652),
            (b"\x9D\x7F\x3E\x7D", 494_878_333),
            (b"\x7B\xBD", 15_293),
            (b"\x25", 37),
            (b"\x40\x25", 37),
        ];
        for (bytes, value) in examples {
            assert_eq!(bytes.peek_quic_varint(0), Some((value, bytes.len())));
        }
    }
}
