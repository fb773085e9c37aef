//! Text and hexadecimal digits, cut anywhere, judged as `std` judges them in one piece; comparisons as
//! vectors have them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use arbitrary::Arbitrary;
use bytebuf::{
    BufExt, BufMutExt, ByteBuf, ByteView, CompositeByteBuf, HexError, StrError, decode_hex,
};

use super::Model;
use super::fixtures::range;

#[derive(Arbitrary, Debug)]
pub enum Op {
    /// A character whose encoding has this many bytes.
    Char {
        bytes: u8,
        number: u32,
    },
    /// What may be no text.
    Raw {
        bytes: [u8; 3],
        len: u8,
    },
    /// Adds a boundary.
    Cut {
        at: u16,
    },
    /// Most of it goes.
    Keep {
        start: u16,
        end: u16,
    },
    Get {
        len: u8,
    },
    Hex,
    /// Digits, and sometimes something else.
    Decode {
        digits: [u8; 8],
        len: u8,
    },
    Compare {
        start: u16,
        end: u16,
        change: u8,
    },
}

/// Text in parts and in one piece.
pub struct Text {
    parts: CompositeByteBuf,
    flat: Vec<u8>,
}

const LONGEST: usize = 500;

fn character(bytes: u8, number: u32) -> char {
    let (least, end) = [(0, 0x80), (0x80, 0x800), (0x800, 0x1_0000), (0x1_0000, 0x11_0000)]
        [usize::from(bytes % 4)];
    // Half of a pair of UTF-16 is no character.
    char::from_u32(least + number % (end - least)).unwrap_or('\u{fffd}')
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Text {
    fn push(&mut self, part: &[u8]) {
        if self.flat.len() + part.len() <= LONGEST {
            self.flat.extend_from_slice(part);
            self.parts.insert(self.parts.components().len(), part.to_vec());
        }
    }

    fn get(&mut self, len: usize) {
        let read = self.parts.try_get_str(len);
        match self.flat.get(..len).map(str::from_utf8) {
            None => assert!(matches!(read, Err(StrError::TooShort(_)))),
            Some(Err(error)) => assert_eq!(read, Err(StrError::NotUtf8(error))),
            Some(Ok(text)) => {
                assert_eq!(read.as_deref(), Ok(text));
                self.flat.drain(..len);
            }
        }
    }

    fn compare(&self, other: &[u8]) {
        let cut = other.len() / 2;
        let (front, back) = other.split_at(cut);
        let parts: CompositeByteBuf = [front, back].map(<[u8]>::to_vec).into_iter().collect();
        let (view, buf) = (ByteView::copy_from_slice(other), ByteBuf::from(other));
        let expected = self.flat.as_slice().cmp(other);
        assert_eq!(self.parts.cmp(&parts), expected);
        assert_eq!(ByteView::copy_from_slice(&self.flat).cmp(&view), expected);
        assert_eq!(self.parts == parts, expected.is_eq());
        assert_eq!(self.parts == view, expected.is_eq());
        assert_eq!(self.parts == buf, expected.is_eq());
        assert_eq!(view, buf);
        assert_eq!(hash(&self.parts) == hash(&parts), expected.is_eq());
    }

    fn check(&self) {
        let text = str::from_utf8(&self.flat);
        assert_eq!(self.parts.is_utf8(), text.is_ok());
        assert_eq!(self.parts.is_ascii(), self.flat.is_ascii());
        assert_eq!(self.parts.to_str().as_deref().map_err(Clone::clone), text);
        if let Ok(text) = text {
            let mut buf = ByteBuf::new();
            buf.put_str(text);
            assert_eq!(buf, self.flat);
        }
    }
}

/// What digits mean, one pair after the other.
fn decoded(digits: &[u8]) -> Result<Vec<u8>, HexError> {
    if digits.len() % 2 == 1 {
        return Err(HexError::OddLength { len: digits.len() });
    }
    if let Some(offset) = digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(HexError::NotADigit { offset, byte: digits[offset] });
    }
    let pairs = digits.chunks(2).map(|pair| str::from_utf8(pair).expect("digits"));
    Ok(pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect())
}

impl Model for Text {
    type Op = Op;

    fn new() -> Self {
        Self { parts: CompositeByteBuf::new(), flat: Vec::new() }
    }

    fn apply(&mut self, op: &Op, _: u8) {
        match *op {
            Op::Char { bytes, number } => {
                self.push(character(bytes, number).encode_utf8(&mut [0; 4]).as_bytes());
            }
            Op::Raw { bytes, len } => self.push(&bytes[..usize::from(len) % 4]),
            Op::Cut { at } => {
                let at = usize::from(at) % (self.flat.len() + 1);
                let rest = self.parts.split_off(at);
                self.parts.append(rest);
            }
            Op::Keep { start, end } => {
                let range = range(start, end, self.flat.len());
                self.parts = self.parts.slice(range.clone());
                self.flat = self.flat[range].to_vec();
            }
            Op::Get { len } => self.get(len.into()),
            Op::Hex => {
                let digits: String = self.flat.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(bytebuf::Dump::to_hex(&self.parts), digits);
                assert_eq!(decode_hex(&digits).as_ref(), Ok(&self.flat));
                assert_eq!(decode_hex(digits.to_uppercase()).as_ref(), Ok(&self.flat));
            }
            Op::Decode { digits, len } => {
                let digit =
                    |byte: &u8| b"0123456789abcdefABCDEF0000000123"[usize::from(*byte) % 32];
                let mut text: Vec<u8> = digits.iter().map(digit).collect();
                text.truncate(usize::from(len) % 9);
                assert_eq!(decode_hex(&text), decoded(&text));
                text.extend_from_slice(&digits);
                assert_eq!(decode_hex(&text), decoded(&text));
            }
            Op::Compare { start, end, change } => {
                let mut other = self.flat[range(start, end, self.flat.len())].to_vec();
                if let Some(byte) = other.last_mut() {
                    *byte ^= change;
                }
                self.compare(&other);
                self.compare(&self.flat);
            }
        }
        self.check();
    }
}
