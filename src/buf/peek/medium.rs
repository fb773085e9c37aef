//! 24-bit integers in the low bits of 32; higher bits are truncated, as by `as`.

pub(crate) fn u24_from_be([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

pub(crate) fn u24_from_le([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

pub(crate) fn i24_from_be([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

pub(crate) fn i24_from_le([a, b, c]: [u8; 3]) -> i32 {
    i32::from_le_bytes([0, a, b, c]) >> 8
}

pub(crate) fn u24_to_be(value: u32) -> [u8; 3] {
    let [_, bytes @ ..] = value.to_be_bytes();
    bytes
}

pub(crate) fn u24_to_le(value: u32) -> [u8; 3] {
    let [bytes @ .., _] = value.to_le_bytes();
    bytes
}

pub(crate) fn i24_to_be(value: i32) -> [u8; 3] {
    u24_to_be(value.cast_unsigned())
}

pub(crate) fn i24_to_le(value: i32) -> [u8; 3] {
    u24_to_le(value.cast_unsigned())
}
