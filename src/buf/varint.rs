//! Integers of variable length: LEB128, zigzag, and those of QUIC.

use std::{error::Error, fmt};

use super::Peek;

/// The most bytes that 64 bits need in LEB128.
pub(super) const MAX_LEN: usize = 10;
/// QUIC's largest value: two bits of the first byte encode the length.
pub(super) const QUIC_MAX: u64 = (1 << 62) - 1;

/// A variable-length integer of more than 64 bits.
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

/// Returns the LEB128 integer at `offset` and its length; `None` if its last byte is not there yet.
pub(super) fn peek(
    bytes: &(impl Peek + ?Sized),
    offset: usize,
) -> Result<Option<(u64, usize)>, VarintOverflow> {
    let at = |index| offset.checked_add(index).and_then(|at| bytes.peek_u8(at));
    match bytes.peek_array::<MAX_LEN>(offset) {
        Some(all) => decode(|index| Some(all[index])),
        None => decode(at),
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

/// Encodes `value` in LEB128: returns an array, and how many of its bytes are used.
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

/// Returns QUIC's integer at `offset` and its length; `None` if its last byte is not there yet.
pub(super) fn peek_quic(bytes: &(impl Peek + ?Sized), offset: usize) -> Option<(u64, usize)> {
    let (value, len) = match bytes.peek_u8(offset)? >> 6 {
        0 => (bytes.peek_u8(offset)?.into(), 1),
        1 => (bytes.peek_u16(offset)?.into(), 2),
        2 => (bytes.peek_u32(offset)?.into(), 4),
        _ => (bytes.peek_u64(offset)?, 8),
    };
    // The two bits of the length are the highest of whatever width it has.
    Some((value & QUIC_MAX >> (64 - 8 * len), len))
}

/// `value`, at most `QUIC_MAX`, in QUIC's form: some bytes, of which the last ones count, and how
/// many.
pub(super) fn encode_quic(value: u64) -> ([u8; 8], usize) {
    let (len, tag) = match value {
        0..0x40 => (1, 0),
        0x40..0x4000 => (2, 1),
        0x4000..0x4000_0000 => (4, 2),
        _ => (8, 3_u64),
    };
    ((value | tag << (8 * len - 2)).to_be_bytes(), len)
}
