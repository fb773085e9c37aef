//! Integers of variable length: LEB128, zigzag, and those of QUIC.

use std::{error::Error, fmt};

/// Maximum number of bytes of 64 bits in LEB128.
pub(super) const MAX_LEN: usize = 10;
/// QUIC's largest value: two bits of the first byte encode the length.
pub(super) const QUIC_MAX: u64 = (1 << 62) - 1;

/// A variable-length integer of more than 64 bits.
///
/// # Examples
///
/// ```
/// use bytebuf::Peek;
///
/// let error = [0xFF; 11].peek_varint(0).unwrap_err();
/// assert_eq!(error.to_string(), "the integer at offset 0 has more than 64 bits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VarintOverflow {
    /// The offset of the integer.
    pub offset: usize,
}

impl fmt::Display for VarintOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the integer at offset {} has more than 64 bits", self.offset)
    }
}

impl Error for VarintOverflow {}

/// Returns the LEB128 integer at `offset` and its length; `None` if its last byte is missing. `whole` has the
/// maximum number of bytes of the integer, if there are as many; otherwise `byte` returns them one by one.
#[inline]
pub(super) fn decode_at(
    offset: usize,
    whole: Option<[u8; MAX_LEN]>,
    byte: impl Fn(usize) -> Option<[u8; 1]>,
) -> Result<Option<(u64, usize)>, VarintOverflow> {
    match whole {
        Some(whole) => decode(|index| Some(whole[index])),
        None => decode(|index| byte(offset.checked_add(index)?).map(|[byte]| byte)),
    }
    .ok_or(VarintOverflow { offset })
}

/// `None` for more than 64 bits.
fn decode(byte: impl Fn(usize) -> Option<u8>) -> Option<Option<(u64, usize)>> {
    let mut value = 0;
    for index in 0..MAX_LEN {
        let Some(byte) = byte(index) else { return Some(None) };
        if index == MAX_LEN - 1 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Some(Some((value, index + 1)));
        }
    }
    None
}

/// Encodes `value` in LEB128: returns an array, and the number of its bytes that are used.
pub(super) fn encode(mut value: u64) -> ([u8; MAX_LEN], usize) {
    let mut bytes = [0; MAX_LEN];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    (bytes, len + 1)
}

/// Maps integers near 0, of either sign, to small ones.
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

pub(super) fn from_zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Returns QUIC's integer at `offset` and its length; `None` if its last byte is missing. `whole` has the
/// maximum number of bytes of the integer, if there are as many; otherwise `byte` returns them one by one.
#[inline]
pub(super) fn decode_quic_at(
    offset: usize,
    whole: Option<[u8; 8]>,
    byte: impl Fn(usize) -> Option<[u8; 1]>,
) -> Option<(u64, usize)> {
    let bytes = match whole {
        Some(whole) => whole,
        None => {
            let mut bytes = [0; 8];
            [bytes[0]] = byte(offset)?;
            for index in 1..quic_len(bytes[0]) {
                [bytes[index]] = byte(offset.checked_add(index)?)?;
            }
            bytes
        }
    };
    let len = quic_len(bytes[0]);
    // The two bits of the length are the highest.
    Some(((u64::from_be_bytes(bytes) & QUIC_MAX) >> (64 - 8 * len), len))
}

/// Returns the length of QUIC's integer that begins with this byte.
fn quic_len(first: u8) -> usize {
    1 << (first >> 6)
}

/// Encodes `value`, at most `QUIC_MAX`, in QUIC's form: returns an array, and the number of its last bytes that
/// are used.
pub(super) fn encode_quic(value: u64) -> ([u8; 8], usize) {
    let (len, tag) = match value {
        0..0x40 => (1, 0),
        0x40..0x4000 => (2, 1),
        0x4000..0x4000_0000 => (4, 2),
        _ => (8, 3_u64),
    };
    ((value | tag << (8 * len - 2)).to_be_bytes(), len)
}
