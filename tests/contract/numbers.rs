//! Numbers: appended, and written at an offset.

use std::fmt::Debug;

use bytebuf::{BufMutExt, ByteBuf, CompositeByteBuf, OutOfRange, Poke};
use bytes::BufMut;

use crate::writing::grows;
use crate::{Case, beyond, places};

pub(crate) fn appended() -> Vec<Case<ByteBuf>> {
    macro_rules! cases_of {
        ($($name:ident: $value:expr => $bytes:expr;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |buf: ByteBuf, bytes| grows(buf, bytes, &$bytes, |buf| buf.$name($value)),
            }),+]
        };
    }
    cases_of! {
        put_u8: 0xFE => [0xFE];
        put_i8: -2 => [0xFE];
        put_u16: 0x0102 => [1, 2];
        put_u16_le: 0x0102 => [2, 1];
        put_u16_ne: 0x0102 => 0x0102_u16.to_ne_bytes();
        put_i16: -2 => [255, 254];
        put_i16_le: -2 => [254, 255];
        put_i16_ne: -2 => (-2_i16).to_ne_bytes();
        put_u32: 0x0102_0304 => [1, 2, 3, 4];
        put_u32_le: 0x0102_0304 => [4, 3, 2, 1];
        put_u32_ne: 0x0102_0304 => 0x0102_0304_u32.to_ne_bytes();
        put_i32: -2 => [255, 255, 255, 254];
        put_i32_le: -2 => [254, 255, 255, 255];
        put_i32_ne: -2 => (-2_i32).to_ne_bytes();
        put_u64: 7 => [0, 0, 0, 0, 0, 0, 0, 7];
        put_u64_le: 7 => [7, 0, 0, 0, 0, 0, 0, 0];
        put_u64_ne: 7 => 7_u64.to_ne_bytes();
        put_i64: -7 => (-7_i64).to_be_bytes();
        put_i64_le: -7 => (-7_i64).to_le_bytes();
        put_i64_ne: -7 => (-7_i64).to_ne_bytes();
        put_u128: 7 => 7_u128.to_be_bytes();
        put_u128_le: 7 => 7_u128.to_le_bytes();
        put_u128_ne: 7 => 7_u128.to_ne_bytes();
        put_i128: -7 => (-7_i128).to_be_bytes();
        put_i128_le: -7 => (-7_i128).to_le_bytes();
        put_i128_ne: -7 => (-7_i128).to_ne_bytes();
        put_f32: 0.5 => 0.5_f32.to_be_bytes();
        put_f32_le: 0.5 => 0.5_f32.to_le_bytes();
        put_f32_ne: 0.5 => 0.5_f32.to_ne_bytes();
        put_f64: 0.5 => 0.5_f64.to_be_bytes();
        put_f64_le: 0.5 => 0.5_f64.to_le_bytes();
        put_f64_ne: 0.5 => 0.5_f64.to_ne_bytes();
        put_varint: 300 => [0xAC, 2];
        put_zigzag: -2 => [3];
        put_str: "text" => *b"text";
    }
}

/// What takes writes at an offset.
pub(crate) trait Writable: PartialEq<Vec<u8>> + Clone + Debug {
    type Place: Poke + ?Sized;

    fn place(&mut self) -> &mut Self::Place;
}

impl Writable for ByteBuf {
    type Place = [u8];

    fn place(&mut self) -> &mut [u8] {
        self
    }
}

impl Writable for CompositeByteBuf {
    type Place = Self;

    fn place(&mut self) -> &mut Self {
        self
    }
}

/// Writes at each offset, and where it does not fit, changes nothing.
fn set_each<S: Writable>(
    mut subject: S,
    bytes: &[u8],
    there: &[u8],
    put: impl Fn(&mut S::Place, usize) -> Result<(), OutOfRange>,
) {
    let before = subject.clone();
    let mut expected = bytes.to_vec();
    for at in places(bytes.len()).into_iter().chain(beyond(bytes.len())) {
        let result = put(subject.place(), at);
        match at.checked_add(there.len()).and_then(|end| expected.get_mut(at..end)) {
            Some(part) => {
                part.copy_from_slice(there);
                assert_eq!(result, Ok(()));
            }
            None => {
                let error = OutOfRange { offset: at, width: there.len(), len: bytes.len() };
                assert_eq!(result, Err(error));
            }
        }
        assert_eq!(subject, expected);
    }
    assert_eq!(before, bytes.to_vec());
}

pub(crate) fn set<S: Writable>() -> Vec<Case<S>> {
    macro_rules! cases_of {
        ($($name:ident: $value:expr => $bytes:expr;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |subject: S, bytes| {
                    set_each(subject, bytes, &$bytes, |place, at| place.$name(at, $value));
                },
            }),+]
        };
    }
    cases_of! {
        set_bool: true => [1];
        set_u8: 0xFE => [0xFE];
        set_i8: -2 => [0xFE];
        set_u16: 0x0102 => [1, 2];
        set_u16_le: 0x0102 => [2, 1];
        set_i16: -2 => [255, 254];
        set_i16_le: -2 => [254, 255];
        set_u24: 0x0102_0304 => [2, 3, 4];
        set_u24_le: 0x0102_0304 => [4, 3, 2];
        set_i24: -2 => [255, 255, 254];
        set_i24_le: -2 => [254, 255, 255];
        set_u32: 0x0102_0304 => [1, 2, 3, 4];
        set_u32_le: 0x0102_0304 => [4, 3, 2, 1];
        set_i32: -2 => [255, 255, 255, 254];
        set_i32_le: -2 => [254, 255, 255, 255];
        set_u64: 7 => 7_u64.to_be_bytes();
        set_u64_le: 7 => 7_u64.to_le_bytes();
        set_i64: -7 => (-7_i64).to_be_bytes();
        set_i64_le: -7 => (-7_i64).to_le_bytes();
        set_u128: 7 => 7_u128.to_be_bytes();
        set_u128_le: 7 => 7_u128.to_le_bytes();
        set_i128: -7 => (-7_i128).to_be_bytes();
        set_i128_le: -7 => (-7_i128).to_le_bytes();
        set_f32: 0.5 => 0.5_f32.to_be_bytes();
        set_f32_le: 0.5 => 0.5_f32.to_le_bytes();
        set_f64: 0.5 => 0.5_f64.to_be_bytes();
        set_f64_le: 0.5 => 0.5_f64.to_le_bytes();
        set_slice: b"abc" => *b"abc";
    }
}
