//! Readable forms of bytes: hexadecimal, boxed dumps, a `Debug` of limited length.
//!
//! [`Dump`] has the methods; `inherent_dump!(T, |this| target)` gives `T` the same ones as its own, carried
//! out by `target: &impl Dump`.

use std::{
    error::Error,
    fmt::{self, Write},
};

use super::{
    ByteBuf, ByteView,
    composite::{ByteIter, Components, CompositeByteBuf},
};

/// The maximum number of bytes that `Debug` prints.
const DEBUG_LIMIT: usize = 512;
const ROW: usize = 16;

/// Dumps, for `[u8]` and [`CompositeByteBuf`].
///
/// # Examples
///
/// ```
/// use bytebuf::Dump;
///
/// assert_eq!(b"\x00\xFFa".to_hex(), "00ff61");
/// println!("{}", b"GET / HTTP/1.1\r\n\r\n".hex_dump());
/// ```
pub trait Dump {
    /// Returns a dump in a box: 16 bytes a row, with offsets, hexadecimal and ASCII. It is formatted when it is
    /// printed. An empty buffer prints nothing.
    ///
    /// # Cost
    ///
    /// Printing is O(bytes); nothing is copied before.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Dump;
    ///
    /// let dump = b"GET / HTTP/1.1\r\n\r\n".hex_dump().to_string();
    /// assert_eq!(dump.lines().nth(4).unwrap(),
    ///     "|00000010| 0d 0a                                           |..              |");
    /// ```
    #[doc(alias = "prettyHexDump")]
    #[doc(alias = "appendPrettyHexDump")]
    fn hex_dump(&self) -> HexDump<'_>;

    /// Returns the bytes as lower-case hexadecimal digits.
    ///
    /// # Cost
    ///
    /// O(bytes), one allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Dump;
    ///
    /// assert_eq!(b"\x00\xFFa".to_hex(), "00ff61");
    /// ```
    #[doc(alias = "hexDump")]
    fn to_hex(&self) -> String;
}

impl Dump for [u8] {
    fn hex_dump(&self) -> HexDump<'_> {
        HexDump { bytes: ByteIter::of(self) }
    }

    fn to_hex(&self) -> String {
        to_hex(ByteIter::of(self))
    }
}

impl Dump for CompositeByteBuf {
    fn hex_dump(&self) -> HexDump<'_> {
        HexDump { bytes: self.iter_bytes() }
    }

    fn to_hex(&self) -> String {
        to_hex(self.iter_bytes())
    }
}

fn to_hex(bytes: ByteIter<'_>) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    let digit = |nibble| char::from_digit(u32::from(nibble), 16).expect("four bits");
    bytes.for_each(|byte| text.extend([digit(byte >> 4), digit(byte & 15)]));
    text
}

/// A dump in a box, by [`Dump::hex_dump`]; `Display` prints it.
///
/// # Examples
///
/// ```
/// use bytebuf::{CompositeByteBuf, Dump};
///
/// let parts = CompositeByteBuf::from_iter(["GET /", " HTTP/1.1"]);
/// assert_eq!(parts.hex_dump().to_string(), b"GET / HTTP/1.1".hex_dump().to_string());
/// ```
#[derive(Clone)]
pub struct HexDump<'a> {
    bytes: ByteIter<'a>,
}

impl fmt::Display for HexDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes.len() == 0 {
            return Ok(());
        }
        writeln!(f, "         +{:-<1$}+", "", 3 * ROW + 1)?;
        writeln!(f, "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |")?;
        writeln!(f, "+--------+{0:-<1$}+{0:-<2$}+", "", 3 * ROW + 1, ROW)?;
        let (mut bytes, mut text) = (self.bytes.clone(), String::with_capacity(ROW));
        for offset in (0..self.bytes.len()).step_by(ROW) {
            write!(f, "|{offset:08x}|")?;
            text.clear();
            for byte in bytes.by_ref().take(ROW) {
                write!(f, " {byte:02x}")?;
                text.push(if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' });
            }
            let missing = ROW - text.len();
            writeln!(f, "{:1$} |{text:ROW$}|", "", 3 * missing)?;
        }
        write!(f, "+--------+{0:-<1$}+{0:-<2$}+", "", 3 * ROW + 1, ROW)
    }
}

/// Reads hexadecimal digits, of either case, two for a byte. O(digits), one allocation.
///
/// # Errors
///
/// If the number of digits is odd, or a character is not a digit.
///
/// # Examples
///
/// ```
/// use bytebuf::{HexError, decode_hex};
///
/// assert_eq!(decode_hex("00fF61")?, b"\x00\xFFa");
/// assert_eq!(decode_hex("0x"), Err(HexError::NotADigit { offset: 1, byte: b'x' }));
/// assert_eq!(decode_hex("123"), Err(HexError::OddLength { len: 3 }));
/// # Ok::<_, HexError>(())
/// ```
#[doc(alias = "decodeHexDump")]
pub fn decode_hex(digits: impl AsRef<[u8]>) -> Result<Vec<u8>, HexError> {
    let digits = digits.as_ref();
    let (pairs, []) = digits.as_chunks() else {
        return Err(HexError::OddLength { len: digits.len() });
    };
    let value = |offset: usize, byte: u8| match char::from(byte).to_digit(16) {
        Some(value) => Ok(value as u8),
        None => Err(HexError::NotADigit { offset, byte }),
    };
    let mut bytes = Vec::with_capacity(pairs.len());
    for (index, &[high, low]) in pairs.iter().enumerate() {
        bytes.push(value(2 * index, high)? << 4 | value(2 * index + 1, low)?);
    }
    Ok(bytes)
}

/// Text that is not hexadecimal.
///
/// # Examples
///
/// ```
/// let error = bytebuf::decode_hex("xx").unwrap_err();
/// assert_eq!(error.to_string(), "'x' at 0 is not a hexadecimal digit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HexError {
    /// The last byte lacks a digit.
    OddLength {
        /// The number of digits.
        len: usize,
    },
    /// A character is not a digit.
    NotADigit {
        /// Its index.
        offset: usize,
        /// Its value.
        byte: u8,
    },
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OddLength { len } => write!(f, "an odd number of hexadecimal digits: {len}"),
            Self::NotADigit { offset, byte } => {
                write!(f, "'{}' at {offset} is not a hexadecimal digit", byte.escape_ascii())
            }
        }
    }
}

impl Error for HexError {}

/// Bytes as a byte string literal, truncated with a note after the first `DEBUG_LIMIT`.
pub(crate) struct Literal<'a>(pub(crate) ByteIter<'a>);

impl fmt::Debug for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("b\"")?;
        for byte in self.0.clone().take(DEBUG_LIMIT) {
            match byte {
                // As `bytes` has it, and as a byte string may.
                b'\'' => f.write_char('\'')?,
                0 => f.write_str("\\0")?,
                _ => write!(f, "{}", byte.escape_ascii())?,
            }
        }
        f.write_char('"')?;
        match self.0.len().saturating_sub(DEBUG_LIMIT) {
            0 => Ok(()),
            more => write!(f, "... and {more} bytes more"),
        }
    }
}

impl fmt::Debug for HexDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HexDump").field("bytes", &Literal(self.bytes.clone())).finish()
    }
}

impl fmt::Debug for ByteIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteIter").field(&Literal(self.clone())).finish()
    }
}

impl fmt::Debug for Components<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for CompositeByteBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompositeByteBuf")
            .field("len", &self.len())
            .field("components", &self.components().len())
            .field("bytes", &Literal(self.iter_bytes()))
            .finish()
    }
}

macro_rules! literal_debug {
    ($type:ty) => {
        /// Formats a byte string literal, truncated after 512 bytes.
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let bytes = $crate::buf::ByteIter::of(&self[..]);
                std::fmt::Debug::fmt(&$crate::buf::dump::Literal(bytes), f)
            }
        }
    };
}

macro_rules! hex_formats {
    ($type:ty, |$this:ident| $bytes:expr) => {
        hex_formats!(@one LowerHex "{:02x}", $type, |$this| $bytes);
        hex_formats!(@one UpperHex "{:02X}", $type, |$this| $bytes);
    };
    (@one $format:ident $digits:literal, $type:ty, |$this:ident| $bytes:expr) => {
        impl std::fmt::$format for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $this = self;
                $bytes.into_iter().try_for_each(|byte| write!(f, $digits, byte))
            }
        }
    };
}

macro_rules! inherent_dump {
    ($type:ty, |$this:ident| $target:expr) => {
        /// Dumps, as in [`Dump`](crate::Dump).
        impl $type {
            /// Returns a dump in a box, formatted when it is printed. An empty buffer prints nothing.
            ///
            /// Example: [`Dump::hex_dump`](crate::Dump::hex_dump).
            #[must_use]
            #[doc(alias = "prettyHexDump")]
            pub fn hex_dump(&self) -> $crate::HexDump<'_> {
                let $this = self;
                $crate::buf::Dump::hex_dump($target)
            }

            /// Returns the bytes as lower-case hexadecimal digits.
            ///
            /// Example: [`Dump::to_hex`](crate::Dump::to_hex).
            #[must_use]
            #[doc(alias = "hexDump")]
            pub fn to_hex(&self) -> String {
                let $this = self;
                $crate::buf::Dump::to_hex($target)
            }
        }
    };
}

literal_debug!(ByteView);
literal_debug!(ByteBuf);
hex_formats!(ByteView, |this| ByteIter::of(this));
hex_formats!(ByteBuf, |this| ByteIter::of(this));
hex_formats!(CompositeByteBuf, |this| this.iter_bytes());

pub(crate) use inherent_dump;

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of Netty 4.2 for these bytes.
    const BOX: &str = "\
         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 |................|
|00000010| 00 00 00 00 00 00 00 00 00 00 2c 2c 2c          |..........,,,   |
+--------+-------------------------------------------------+----------------+";

    #[test]
    fn the_dump_equals_nettys_at_any_boundary() {
        let bytes = [&[0; 26][..], b",,,"].concat();
        assert_eq!(bytes.hex_dump().to_string(), format!("         {BOX}"));
        for cut in (0..bytes.len()).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let parts = [&bytes[..cut], &bytes[cut..]].map(<[u8]>::to_vec);
            let parts = CompositeByteBuf::from_iter(parts);
            assert_eq!(parts.hex_dump().to_string(), format!("         {BOX}"));
        }
        assert_eq!([].hex_dump().to_string(), "");
    }

    #[test]
    fn hexadecimal_round_trips_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_hex(all.to_hex()).unwrap(), all);
        assert_eq!(decode_hex(all.to_hex().to_uppercase()).unwrap(), all);
        let parts = CompositeByteBuf::from_iter([all[..99].to_vec(), all[99..].to_vec()]);
        assert_eq!(format!("{parts:x}"), all.to_hex());
        assert_eq!(format!("{parts:X}"), all.to_hex().to_uppercase());
    }

    #[test]
    fn a_literal_is_that_of_bytes() {
        let all = bytes::Bytes::from_iter(0..=255);
        assert_eq!(format!("{:?}", Literal(ByteIter::of(&all))), format!("{all:?}"));
    }
}
