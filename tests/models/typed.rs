//! Numbers of every width, order and form at any offset, written and read, against bytes put together
//! by hand.

use std::fmt::Debug;

use arbitrary::Arbitrary;
use bytebuf::{
    BufExt, BufMutExt, ByteBuf, CompositeByteBuf, Peek, Poke, VarintError, VarintOverflow,
};
use bytes::Buf;

use super::Model;
use super::fixtures::pool;

#[derive(Arbitrary, Debug)]
pub enum Op {
    Push {
        bytes: [u8; 9],
        len: u8,
    },
    Peek {
        at: u8,
    },
    Poke {
        at: u8,
        value: u64,
    },
    Advance {
        n: u8,
    },
    PutVarint(Near),
    PutZigzag(Near),
    PutQuic(Near),
    GetVarint,
    GetZigzag,
    GetQuic,
    /// Offsets where there is no such memory.
    Beyond {
        back: u8,
    },
}

/// A number of any magnitude.
#[derive(Arbitrary, Debug)]
pub struct Near {
    value: u64,
    bits: u8,
}

impl Near {
    fn number(&self) -> u64 {
        self.value >> (self.bits % 64)
    }
}

/// The same bytes in parts, in a buffer, and plain.
pub struct Numbers {
    parts: CompositeByteBuf,
    buf: ByteBuf,
    flat: Vec<u8>,
}

/// `width` bytes at `at` as one number, the first byte the highest.
fn big(flat: &[u8], at: usize, width: usize) -> Option<u128> {
    let end = at.checked_add(width).filter(|&end| end <= flat.len())?;
    Some(flat[at..end].iter().fold(0, |sum, &byte| sum << 8 | u128::from(byte)))
}

/// The same with the first byte the lowest.
fn little(flat: &[u8], at: usize, width: usize) -> Option<u128> {
    let end = at.checked_add(width).filter(|&end| end <= flat.len())?;
    Some(flat[at..end].iter().rev().fold(0, |sum, &byte| sum << 8 | u128::from(byte)))
}

/// A number of `width` bytes whose highest bit is its sign.
fn signed(value: u128, width: usize) -> i128 {
    let unused = 128 - 8 * width;
    (value << unused).cast_signed() >> unused
}

/// The LEB128 integer at `at`, by adding up.
fn varint(flat: &[u8], at: usize) -> Result<Option<(u64, usize)>, VarintOverflow> {
    let bytes = flat.get(at..).unwrap_or_default();
    let (mut sum, mut weight) = (0_u128, 1_u128);
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        sum += u128::from(byte % 128) * weight;
        weight *= 128;
        if byte < 128 {
            let value = u64::try_from(sum).map_err(|_| VarintOverflow { offset: at })?;
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 10 { Ok(None) } else { Err(VarintOverflow { offset: at }) }
}

fn leb128(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push((value % 128) as u8 + 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

/// QUIC's integer at `at`: two bits say how long it is.
fn quic(flat: &[u8], at: usize) -> Option<(u64, usize)> {
    let len = 1 << (flat.get(at)? / 64);
    let value = big(flat, at, len)? % (1 << (8 * len - 2));
    Some((value as u64, len))
}

/// Every read at `at`, in three kinds of memory.
macro_rules! peek_all {
    ($this:expr, $at:expr; $($method:ident $width:literal $order:ident |$value:ident| $of:expr;)+) => { $(
        let expected = $order(&$this.flat, $at, $width).map(|$value| $of);
        assert_eq!($this.parts.$method($at), expected, "{}", stringify!($method));
        assert_eq!($this.buf.$method($at), expected, "{}", stringify!($method));
        assert_eq!($this.flat.$method($at), expected, "{}", stringify!($method));
    )+ };
}

/// Every write at `at` of the low bytes of `value`, and what it has left there.
macro_rules! poke_all {
    ($this:expr, $at:expr, $value:expr; $($method:ident $width:literal $order:ident $type:ty;)+) => { $(
        let fits = $order(&$this.flat, $at, $width).is_some();
        let mut flat = $this.flat.clone();
        assert_eq!(flat.$method($at, $value as $type).is_ok(), fits, "{}", stringify!($method));
        assert_eq!($this.parts.$method($at, $value as $type).is_ok(), fits);
        assert_eq!($this.buf.$method($at, $value as $type).is_ok(), fits);
        if fits {
            let low = $value & u128::MAX >> (128 - 8 * $width);
            assert_eq!($order(&flat, $at, $width), Some(low), "{}", stringify!($method));
            // And nothing beside it.
            assert_eq!(flat[..$at], $this.flat[..$at]);
            assert_eq!(flat[$at + $width..], $this.flat[$at + $width..]);
        } else {
            assert_eq!(flat, $this.flat);
        }
        $this.flat = flat;
    )+ };
}

impl Numbers {
    fn peek(&self, at: usize) {
        peek_all! { self, at;
            peek_u8 1 big |value| value as u8;
            peek_i8 1 big |value| signed(value, 1) as i8;
            peek_bool 1 big |value| value != 0;
            peek_u16 2 big |value| value as u16;
            peek_u16_le 2 little |value| value as u16;
            peek_i16 2 big |value| signed(value, 2) as i16;
            peek_i16_le 2 little |value| signed(value, 2) as i16;
            peek_u24 3 big |value| value as u32;
            peek_u24_le 3 little |value| value as u32;
            peek_i24 3 big |value| signed(value, 3) as i32;
            peek_i24_le 3 little |value| signed(value, 3) as i32;
            peek_u32 4 big |value| value as u32;
            peek_u32_le 4 little |value| value as u32;
            peek_i32 4 big |value| signed(value, 4) as i32;
            peek_i32_le 4 little |value| signed(value, 4) as i32;
            peek_u64 8 big |value| value as u64;
            peek_u64_le 8 little |value| value as u64;
            peek_i64 8 big |value| signed(value, 8) as i64;
            peek_i64_le 8 little |value| signed(value, 8) as i64;
            peek_u128 16 big |value| value;
            peek_u128_le 16 little |value| value;
            peek_i128 16 big |value| signed(value, 16);
            peek_i128_le 16 little |value| signed(value, 16);
        }
        let expected = varint(&self.flat, at);
        assert_eq!(self.parts.peek_varint(at), expected);
        assert_eq!(self.buf.peek_varint(at), expected);
        assert_eq!(self.flat.peek_varint(at), expected);
        let expected = quic(&self.flat, at);
        assert_eq!(self.parts.peek_quic_varint(at), expected);
        assert_eq!(self.buf.peek_quic_varint(at), expected);
        assert_eq!(self.flat.peek_quic_varint(at), expected);
        // Numbers that are none differ from themselves, so by their bits.
        let bits = big(&self.flat, at, 4).map(|bits| bits as u32);
        assert_eq!(self.parts.peek_f32(at).map(f32::to_bits), bits);
        let bits = little(&self.flat, at, 8).map(|bits| bits as u64);
        assert_eq!(self.parts.peek_f64_le(at).map(f64::to_bits), bits);
    }

    fn poke(&mut self, at: usize, value: u64) {
        let value = u128::from(value) | u128::from(!value) << 64;
        poke_all! { self, at, value;
            set_u8 1 big u8;
            set_u16 2 big u16;
            set_i16_le 2 little i16;
            set_u24 3 big u32;
            set_i24_le 3 little i32;
            set_u32_le 4 little u32;
            set_i32 4 big i32;
            set_u64 8 big u64;
            set_i64_le 8 little i64;
            set_u128_le 16 little u128;
            set_i128 16 big i128;
        }
    }

    /// What was written to the buffer comes behind the rest.
    fn put(&mut self, bytes: &[u8], put: impl FnOnce(&mut ByteBuf)) {
        put(&mut self.buf);
        self.flat.extend_from_slice(bytes);
        self.parts.insert(self.parts.components().len(), bytes.to_vec());
    }

    fn get<T: PartialEq + Debug>(
        &mut self,
        expected: Result<Option<(T, usize)>, VarintOverflow>,
        parts: fn(&mut CompositeByteBuf) -> Result<T, VarintError>,
        buf: fn(&mut ByteBuf) -> Result<T, VarintError>,
    ) {
        let (expected, taken) = match expected {
            Ok(Some((value, taken))) => (Ok(value), taken),
            Ok(None) => (Err(VarintError::TooShort { len: self.flat.len() }), 0),
            Err(error) => (Err(VarintError::Overflow(error)), 0),
        };
        assert_eq!(parts(&mut self.parts), expected);
        assert_eq!(buf(&mut self.buf), expected);
        self.flat.drain(..taken);
    }
}

/// Zigzag backwards.
fn unzigzag(found: (u64, usize)) -> (i64, usize) {
    let half = i128::from(found.0 / 2);
    ((if found.0.is_multiple_of(2) { half } else { -half - 1 }) as i64, found.1)
}

impl Model for Numbers {
    type Op = Op;

    fn new() -> Self {
        Self { parts: CompositeByteBuf::new(), buf: pool().alloc(64), flat: Vec::new() }
    }

    fn apply(&mut self, op: &Op, _: u8) {
        match *op {
            Op::Push { bytes, len } => {
                let bytes = &bytes[..usize::from(len) % 10];
                self.put(bytes, |buf| buf.extend_from_slice(bytes));
            }
            Op::Peek { at } => self.peek(usize::from(at) % (self.flat.len() + 2)),
            Op::Poke { at, value } => self.poke(usize::from(at) % (self.flat.len() + 2), value),
            Op::Advance { n } => {
                let n = usize::from(n) % (self.flat.len() + 1);
                self.parts.advance(n);
                self.buf.advance(n);
                self.flat.drain(..n);
            }
            Op::PutVarint(ref near) => {
                let value = near.number();
                self.put(&leb128(value), |buf| buf.put_varint(value));
            }
            Op::PutZigzag(ref near) => {
                let value = near.number().cast_signed();
                let wide = i128::from(value) * 2;
                let unsigned = if value < 0 { -wide - 1 } else { wide };
                self.put(&leb128(unsigned as u64), |buf| buf.put_zigzag(value));
            }
            Op::PutQuic(ref near) => {
                let value = near.number() >> 2;
                // As short as it can be: two bits of the first byte say how short.
                let len = [1_usize, 2, 4, 8].into_iter().find(|len| value < 1 << (8 * len - 2));
                let len = len.expect("62 bits fit in eight bytes");
                let tag = u64::from(len.trailing_zeros()) << (8 * len - 2);
                let bytes = &(value | tag).to_be_bytes()[8 - len..];
                self.put(bytes, |buf| buf.put_quic_varint(value));
            }
            Op::GetVarint => {
                let expected = varint(&self.flat, 0);
                self.get(expected, BufExt::try_get_varint, BufExt::try_get_varint);
            }
            Op::GetZigzag => {
                let expected = varint(&self.flat, 0).map(|found| found.map(unzigzag));
                self.get(expected, BufExt::try_get_zigzag, BufExt::try_get_zigzag);
            }
            Op::GetQuic => {
                let expected = Ok(quic(&self.flat, 0));
                self.get(expected, BufExt::try_get_quic_varint, BufExt::try_get_quic_varint);
            }
            Op::Beyond { back } => self.peek(usize::MAX - usize::from(back)),
        }
        assert_eq!(self.parts, self.flat);
        assert_eq!(self.buf, self.flat);
    }
}
