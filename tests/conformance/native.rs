//! Netty's typed calls, each as the library's own.

use bytebuf::{Peek, Poke};
use bytes::{Buf, BufMut};
use serde_json::Value;

use crate::typed::{Recorded, double, float, integer};

/// `getT`: at an offset that may not be there.
pub(crate) fn peek<P: Peek + ?Sized>(bytes: &P, kind: &str, at: usize) -> Option<Value> {
    Some(match kind {
        "Byte" => bytes.peek_i8(at)?.recorded(),
        "UnsignedByte" => bytes.peek_u8(at)?.recorded(),
        "Boolean" => bytes.peek_bool(at)?.recorded(),
        "Short" => bytes.peek_i16(at)?.recorded(),
        "ShortLE" => bytes.peek_i16_le(at)?.recorded(),
        "UnsignedShort" => bytes.peek_u16(at)?.recorded(),
        "UnsignedShortLE" => bytes.peek_u16_le(at)?.recorded(),
        "Medium" => bytes.peek_i24(at)?.recorded(),
        "MediumLE" => bytes.peek_i24_le(at)?.recorded(),
        "UnsignedMedium" => bytes.peek_u24(at)?.recorded(),
        "UnsignedMediumLE" => bytes.peek_u24_le(at)?.recorded(),
        "Int" => bytes.peek_i32(at)?.recorded(),
        "IntLE" => bytes.peek_i32_le(at)?.recorded(),
        "UnsignedInt" => bytes.peek_u32(at)?.recorded(),
        "UnsignedIntLE" => bytes.peek_u32_le(at)?.recorded(),
        "Long" => bytes.peek_i64(at)?.recorded(),
        "LongLE" => bytes.peek_i64_le(at)?.recorded(),
        "Float" => bytes.peek_f32(at)?.recorded(),
        "FloatLE" => bytes.peek_f32_le(at)?.recorded(),
        "Double" => bytes.peek_f64(at)?.recorded(),
        "DoubleLE" => bytes.peek_f64_le(at)?.recorded(),
        other => panic!("unknown type {other}"),
    })
}

/// `setT`: at an offset that may not be there.
pub(crate) fn poke<P: Poke + ?Sized>(bytes: &mut P, kind: &str, at: usize, value: &Value) -> bool {
    let whole = || integer(value);
    match kind {
        "Byte" => bytes.set_i8(at, whole() as i8),
        "Boolean" => bytes.set_bool(at, whole() != 0),
        "Short" => bytes.set_i16(at, whole() as i16),
        "ShortLE" => bytes.set_i16_le(at, whole() as i16),
        "Medium" => bytes.set_u24(at, whole() as u32 & 0xff_ffff),
        "MediumLE" => bytes.set_u24_le(at, whole() as u32 & 0xff_ffff),
        "Int" => bytes.set_i32(at, whole() as i32),
        "IntLE" => bytes.set_i32_le(at, whole() as i32),
        "Long" => bytes.set_i64(at, whole()),
        "LongLE" => bytes.set_i64_le(at, whole()),
        "Float" => bytes.set_f32(at, float(value)),
        "FloatLE" => bytes.set_f32_le(at, float(value)),
        "Double" => bytes.set_f64(at, double(value)),
        "DoubleLE" => bytes.set_f64_le(at, double(value)),
        other => panic!("unknown type {other}"),
    }
    .is_ok()
}

/// `readT`: from the front, which moves only if all bytes are there.
pub(crate) fn get(from: &mut impl Buf, kind: &str) -> Option<Value> {
    Some(match kind {
        "Byte" => from.try_get_i8().ok()?.recorded(),
        "UnsignedByte" => from.try_get_u8().ok()?.recorded(),
        "Boolean" => (from.try_get_u8().ok()? != 0).recorded(),
        "Short" => from.try_get_i16().ok()?.recorded(),
        "ShortLE" => from.try_get_i16_le().ok()?.recorded(),
        "UnsignedShort" => from.try_get_u16().ok()?.recorded(),
        "UnsignedShortLE" => from.try_get_u16_le().ok()?.recorded(),
        "Medium" => Value::from(from.try_get_int(3).ok()?),
        "MediumLE" => Value::from(from.try_get_int_le(3).ok()?),
        "UnsignedMedium" => Value::from(from.try_get_uint(3).ok()?),
        "UnsignedMediumLE" => Value::from(from.try_get_uint_le(3).ok()?),
        "Int" => from.try_get_i32().ok()?.recorded(),
        "IntLE" => from.try_get_i32_le().ok()?.recorded(),
        "UnsignedInt" => from.try_get_u32().ok()?.recorded(),
        "UnsignedIntLE" => from.try_get_u32_le().ok()?.recorded(),
        "Long" => from.try_get_i64().ok()?.recorded(),
        "LongLE" => from.try_get_i64_le().ok()?.recorded(),
        "Float" => from.try_get_f32().ok()?.recorded(),
        "FloatLE" => from.try_get_f32_le().ok()?.recorded(),
        "Double" => from.try_get_f64().ok()?.recorded(),
        "DoubleLE" => from.try_get_f64_le().ok()?.recorded(),
        other => panic!("unknown type {other}"),
    })
}

/// `writeT`: behind the last byte, where there is space.
pub(crate) fn put(to: &mut impl BufMut, kind: &str, value: &Value) {
    let whole = || integer(value);
    match kind {
        "Byte" => to.put_i8(whole() as i8),
        "Boolean" => to.put_u8(u8::from(whole() != 0)),
        "Short" => to.put_i16(whole() as i16),
        "ShortLE" => to.put_i16_le(whole() as i16),
        "Medium" => to.put_int(whole(), 3),
        "MediumLE" => to.put_int_le(whole(), 3),
        "Int" => to.put_i32(whole() as i32),
        "IntLE" => to.put_i32_le(whole() as i32),
        "Long" => to.put_i64(whole()),
        "LongLE" => to.put_i64_le(whole()),
        "Float" => to.put_f32(float(value)),
        "FloatLE" => to.put_f32_le(float(value)),
        "Double" => to.put_f64(double(value)),
        "DoubleLE" => to.put_f64_le(double(value)),
        other => panic!("unknown type {other}"),
    }
}
