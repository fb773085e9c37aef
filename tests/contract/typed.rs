//! Numbers: read with a cursor, and at an offset.

use std::fmt::Debug;

use bytebuf::{Peek, StrError, VarintError};
use bytes::TryGetError;

use crate::subject::Subject;
use crate::{Case, cases, panics, places};

pub(crate) fn cases<S: Subject>() -> Vec<Case<S>> {
    let mut cases = got();
    cases.extend(got_by_width());
    cases.extend(peeked());
    cases.extend(varied());
    cases
}

/// Reads with a cursor what the bytes at each place stand for; and what is cut off, not at all.
fn get<S: Subject, T: PartialEq + Debug>(
    subject: &S,
    bytes: &[u8],
    width: usize,
    read: impl Fn(&mut S) -> T,
    try_read: impl Fn(&mut S) -> Result<T, TryGetError>,
    from: impl Fn(&[u8]) -> T,
) {
    for at in places(bytes.len()) {
        let mut rest = subject.clone();
        rest.advance(at);
        if let Some(there) = bytes[at..].get(..width) {
            let mut tried = rest.clone();
            assert_eq!(try_read(&mut tried).expect("enough bytes"), from(there));
            assert_eq!(read(&mut rest), from(there));
            assert_eq!(tried, bytes[at + width..]);
            assert_eq!(rest, bytes[at + width..]);
        } else {
            let error = try_read(&mut rest).expect_err("too few bytes");
            assert_eq!((error.requested, error.available), (width, bytes.len() - at));
            assert!(panics(|| _ = read(&mut rest)));
            assert_eq!(rest, bytes[at..]);
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("as wide as it is")
}

fn got<S: Subject>() -> Vec<Case<S>> {
    // Floats are compared by their bits: that a NaN is the same one counts.
    macro_rules! cases_of {
        ($($name:ident $try_name:ident: $type:ident $from:ident $(. $bits:ident)?;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |subject: S, bytes| get(
                    &subject,
                    bytes,
                    size_of::<$type>(),
                    |subject| subject.$name()$(.$bits())?,
                    |subject| subject.$try_name()$(.map($type::$bits))?,
                    |there| $type::$from(array(there))$(.$bits())?,
                ),
            }),+]
        };
    }
    cases_of! {
        get_u8 try_get_u8: u8 from_be_bytes;
        get_i8 try_get_i8: i8 from_be_bytes;
        get_u16 try_get_u16: u16 from_be_bytes;
        get_u16_le try_get_u16_le: u16 from_le_bytes;
        get_u16_ne try_get_u16_ne: u16 from_ne_bytes;
        get_i16 try_get_i16: i16 from_be_bytes;
        get_i16_le try_get_i16_le: i16 from_le_bytes;
        get_i16_ne try_get_i16_ne: i16 from_ne_bytes;
        get_u32 try_get_u32: u32 from_be_bytes;
        get_u32_le try_get_u32_le: u32 from_le_bytes;
        get_u32_ne try_get_u32_ne: u32 from_ne_bytes;
        get_i32 try_get_i32: i32 from_be_bytes;
        get_i32_le try_get_i32_le: i32 from_le_bytes;
        get_i32_ne try_get_i32_ne: i32 from_ne_bytes;
        get_u64 try_get_u64: u64 from_be_bytes;
        get_u64_le try_get_u64_le: u64 from_le_bytes;
        get_u64_ne try_get_u64_ne: u64 from_ne_bytes;
        get_i64 try_get_i64: i64 from_be_bytes;
        get_i64_le try_get_i64_le: i64 from_le_bytes;
        get_i64_ne try_get_i64_ne: i64 from_ne_bytes;
        get_u128 try_get_u128: u128 from_be_bytes;
        get_u128_le try_get_u128_le: u128 from_le_bytes;
        get_u128_ne try_get_u128_ne: u128 from_ne_bytes;
        get_i128 try_get_i128: i128 from_be_bytes;
        get_i128_le try_get_i128_le: i128 from_le_bytes;
        get_i128_ne try_get_i128_ne: i128 from_ne_bytes;
        get_f32 try_get_f32: f32 from_be_bytes.to_bits;
        get_f32_le try_get_f32_le: f32 from_le_bytes.to_bits;
        get_f32_ne try_get_f32_ne: f32 from_ne_bytes.to_bits;
        get_f64 try_get_f64: f64 from_be_bytes.to_bits;
        get_f64_le try_get_f64_le: f64 from_le_bytes.to_bits;
        get_f64_ne try_get_f64_ne: f64 from_ne_bytes.to_bits;
    }
}

/// The unsigned number that bytes stand for, the most significant first.
fn unsigned<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The same, signed, of so many bytes.
fn signed(number: u64, width: usize) -> i64 {
    let unused = 64 - 8 * width as u32;
    number.checked_shl(unused).unwrap_or(0).cast_signed().checked_shr(unused).unwrap_or(0)
}

fn got_by_width<S: Subject>() -> Vec<Case<S>> {
    const LITTLE: bool = cfg!(target_endian = "little");

    macro_rules! widths {
        ($($name:ident $try_name:ident: |$there:ident, $width:ident| $value:expr;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |subject: S, bytes| (0..=8_usize).for_each(|$width| get(
                    &subject,
                    bytes,
                    $width,
                    |subject| subject.$name($width),
                    |subject| subject.$try_name($width),
                    |$there| $value,
                )),
            }),+]
        };
    }
    let mut cases = widths! {
        get_uint try_get_uint: |there, _width| unsigned(there.iter());
        get_uint_le try_get_uint_le: |there, _width| unsigned(there.iter().rev());
        get_uint_ne try_get_uint_ne: |there, _width| {
            if LITTLE { unsigned(there.iter().rev()) } else { unsigned(there.iter()) }
        };
        get_int try_get_int: |there, width| signed(unsigned(there.iter()), width);
        get_int_le try_get_int_le: |there, width| signed(unsigned(there.iter().rev()), width);
        get_int_ne try_get_int_ne: |there, width| signed(
            if LITTLE { unsigned(there.iter().rev()) } else { unsigned(there.iter()) },
            width,
        );
    };
    fn get_uint_too_wide<S: Subject>(mut subject: S, bytes: &[u8]) {
        for width in [9, usize::MAX] {
            assert!(panics(|| _ = subject.get_uint(width)));
            assert!(panics(|| _ = subject.get_int_le(width)));
        }
        assert_eq!(subject, *bytes);
    }
    cases.extend(cases![get_uint_too_wide]);
    cases
}

/// Reads at an offset what the bytes there stand for, and beyond them nothing.
fn peek<S: Subject, T: PartialEq + Debug>(
    subject: &S,
    bytes: &[u8],
    width: usize,
    read: impl Fn(&S::Plain, usize) -> Option<T>,
    from: impl Fn(&[u8]) -> T,
) {
    for at in places(bytes.len()).into_iter().chain(crate::beyond(bytes.len())) {
        let there = at.checked_add(width).and_then(|end| bytes.get(at..end));
        assert_eq!(read(subject.plain(), at), there.map(&from));
    }
    assert_eq!(*subject, *bytes);
}

fn peeked<S: Subject>() -> Vec<Case<S>> {
    macro_rules! cases_of {
        ($($name:ident: $width:literal |$there:ident| $value:expr $(, $type:ident . $bits:ident)?;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |subject: S, bytes| peek(
                    &subject,
                    bytes,
                    $width,
                    |plain, at| plain.$name(at)$(.map($type::$bits))?,
                    |$there| $value,
                ),
            }),+]
        };
    }
    cases_of! {
        peek_bool: 1 |there| there != [0];
        peek_u8: 1 |there| there[0];
        peek_i8: 1 |there| there[0].cast_signed();
        peek_u16: 2 |there| u16::from_be_bytes(array(there));
        peek_u16_le: 2 |there| u16::from_le_bytes(array(there));
        peek_i16: 2 |there| i16::from_be_bytes(array(there));
        peek_i16_le: 2 |there| i16::from_le_bytes(array(there));
        peek_u24: 3 |there| unsigned(there.iter()) as u32;
        peek_u24_le: 3 |there| unsigned(there.iter().rev()) as u32;
        peek_i24: 3 |there| signed(unsigned(there.iter()), 3) as i32;
        peek_i24_le: 3 |there| signed(unsigned(there.iter().rev()), 3) as i32;
        peek_u32: 4 |there| u32::from_be_bytes(array(there));
        peek_u32_le: 4 |there| u32::from_le_bytes(array(there));
        peek_i32: 4 |there| i32::from_be_bytes(array(there));
        peek_i32_le: 4 |there| i32::from_le_bytes(array(there));
        peek_u64: 8 |there| u64::from_be_bytes(array(there));
        peek_u64_le: 8 |there| u64::from_le_bytes(array(there));
        peek_i64: 8 |there| i64::from_be_bytes(array(there));
        peek_i64_le: 8 |there| i64::from_le_bytes(array(there));
        peek_u128: 16 |there| u128::from_be_bytes(array(there));
        peek_u128_le: 16 |there| u128::from_le_bytes(array(there));
        peek_i128: 16 |there| i128::from_be_bytes(array(there));
        peek_i128_le: 16 |there| i128::from_le_bytes(array(there));
        peek_f32: 4 |there| u32::from_be_bytes(array(there)), f32.to_bits;
        peek_f32_le: 4 |there| u32::from_le_bytes(array(there)), f32.to_bits;
        peek_f64: 8 |there| u64::from_be_bytes(array(there)), f64.to_bits;
        peek_f64_le: 8 |there| u64::from_le_bytes(array(there)), f64.to_bits;
    }
}

/// What LEB128 says, by the definition: a value and its length, `None` if it is cut off.
fn leb128(bytes: &[u8]) -> Result<Option<(u64, usize)>, ()> {
    let mut value = 0_u128;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u128::from(byte & 0x7F) << (7 * i);
        if byte < 0x80 {
            return u64::try_from(value).map(|value| Some((value, i + 1))).map_err(drop);
        }
    }
    if bytes.len() >= 10 { Err(()) } else { Ok(None) }
}

fn varied<S: Subject>() -> Vec<Case<S>> {
    fn peek_varint<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let seen = subject.plain().peek_varint(at).map_err(drop);
            assert_eq!(seen, leb128(&bytes[at..]));
        }
        assert_eq!(subject.plain().peek_varint(usize::MAX), Ok(None));
    }
    fn try_get_varint<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let mut rest = subject.clone();
            rest.advance(at);
            let moved = match (rest.try_get_varint(), leb128(&bytes[at..])) {
                (Ok(value), Ok(Some((expected, width)))) if value == expected => width,
                (Err(VarintError::TooShort { len }), Ok(None)) if len == bytes.len() - at => 0,
                (Err(VarintError::Overflow(_)), Err(())) => 0,
                unequal => panic!("{unequal:?}"),
            };
            assert_eq!(rest, bytes[at + moved..]);
        }
    }
    fn try_get_zigzag<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let (mut rest, mut unsigned) = (subject.clone(), subject.clone());
            rest.advance(at);
            unsigned.advance(at);
            let expected = unsigned.try_get_varint().map(|value| {
                let half = (value / 2).cast_signed();
                if value % 2 == 0 { half } else { -half - 1 }
            });
            assert_eq!(rest.try_get_zigzag(), expected);
            assert_eq!(rest, unsigned);
        }
    }
    fn quic_varint<S: Subject>(subject: S, bytes: &[u8]) {
        for at in places(bytes.len()) {
            let width = bytes.get(at).map_or(1, |byte| 1 << (byte >> 6));
            let there = bytes[at..].get(..width);
            let expected = there.map(|there| {
                let bits = 8 * width - 2;
                (unsigned(there.iter()) & ((1 << bits) - 1), width)
            });
            assert_eq!(subject.plain().peek_quic_varint(at), expected);
            let mut rest = subject.clone();
            rest.advance(at);
            assert_eq!(rest.try_get_quic_varint().ok(), expected.map(|(value, _)| value));
            assert_eq!(rest, bytes[at + expected.map_or(0, |(_, width)| width)..]);
        }
    }
    fn try_get_str<S: Subject>(subject: S, bytes: &[u8]) {
        for len in places(bytes.len()) {
            let mut rest = subject.clone();
            match (rest.try_get_str(len), str::from_utf8(&bytes[..len])) {
                (Ok(text), Ok(expected)) => {
                    assert_eq!(text, expected);
                    assert_eq!(rest, bytes[len..]);
                }
                (Err(StrError::NotUtf8(error)), Err(expected)) => {
                    assert_eq!(error, expected);
                    assert_eq!(rest, *bytes);
                }
                unequal => panic!("{unequal:?}"),
            }
        }
    }
    fn try_get_str_beyond<S: Subject>(mut subject: S, bytes: &[u8]) {
        for len in crate::beyond(bytes.len()) {
            let error = subject.try_get_str(len).unwrap_err();
            assert!(matches!(error, StrError::TooShort(short) if short.width == len));
            assert_eq!(subject, *bytes);
        }
    }
    cases![
        peek_varint,
        try_get_varint,
        try_get_zigzag,
        quic_varint,
        try_get_str,
        try_get_str_beyond
    ]
}
