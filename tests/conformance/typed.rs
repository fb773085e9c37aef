//! Netty's typed values: how the traces write them, and as which bytes they are stored.

use serde_json::Value;

/// The type an op like `getUnsignedShortLE` names after its verb, where it names one.
pub(crate) fn type_of(op: &str, verb: &str) -> Option<&'static str> {
    let name = op.strip_prefix(verb)?;
    TYPES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

pub(crate) fn width(name: &str) -> usize {
    let (_, width) = TYPES.iter().find(|(known, _)| *known == name).expect("a type");
    *width
}

const TYPES: &[(&str, usize)] = &[
    ("Byte", 1),
    ("UnsignedByte", 1),
    ("Boolean", 1),
    ("Short", 2),
    ("ShortLE", 2),
    ("UnsignedShort", 2),
    ("UnsignedShortLE", 2),
    ("Medium", 3),
    ("MediumLE", 3),
    ("UnsignedMedium", 3),
    ("UnsignedMediumLE", 3),
    ("Int", 4),
    ("IntLE", 4),
    ("UnsignedInt", 4),
    ("UnsignedIntLE", 4),
    ("Long", 8),
    ("LongLE", 8),
    ("Float", 4),
    ("FloatLE", 4),
    ("Double", 8),
    ("DoubleLE", 8),
];

/// A value as the traces write it.
pub(crate) trait Recorded {
    fn recorded(self) -> Value;
}

macro_rules! recorded {
    ($($type:ty: $value:ident => $how:expr;)*) => {$(
        impl Recorded for $type {
            fn recorded(self) -> Value {
                let $value = self;
                Value::from($how)
            }
        }
    )*};
}

recorded! {
    bool: value => value;
    i8: value => value;
    u8: value => value;
    i16: value => value;
    u16: value => value;
    i32: value => value;
    u32: value => value;
    i64: value => value.to_string();
    f32: value => format!("{:08x}", value.to_bits());
    f64: value => format!("{:016x}", value.to_bits());
}

/// The other way round. Integers come as 64 bits, for the caller to cut (**W** in the format's
/// description).
pub(crate) fn integer(value: &Value) -> i64 {
    match value {
        Value::Bool(flag) => i64::from(*flag),
        Value::String(digits) => digits.parse().expect("a decimal number"),
        number => number.as_i64().expect("an integer"),
    }
}

pub(crate) fn float(value: &Value) -> f32 {
    f32::from_bits(u32::try_from(bits(value)).expect("32 bits"))
}

pub(crate) fn double(value: &Value) -> f64 {
    f64::from_bits(bits(value))
}

fn bits(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("bits in hex"), 16).expect("bits in hex")
}

/// What the model makes of the bytes of a value, with no help from the library.
pub(crate) fn decode(name: &str, bytes: &[u8]) -> Value {
    let (base, bits) = ordered(name, bytes);
    let signed = |width: u32| (bits << (64 - width)).cast_signed() >> (64 - width);
    match base {
        "Boolean" => Value::from(bits != 0),
        "Byte" => Value::from(signed(8)),
        "Short" => Value::from(signed(16)),
        "Medium" => Value::from(signed(24)),
        "Int" => Value::from(signed(32)),
        "Long" => Value::from(signed(64).to_string()),
        "Float" => Value::from(format!("{bits:08x}")),
        "Double" => Value::from(format!("{bits:016x}")),
        _ => Value::from(bits),
    }
}

/// The bytes that the model stores for a value.
pub(crate) fn encode(name: &str, value: &Value) -> Vec<u8> {
    let little = name.ends_with("LE");
    let bits = match name.trim_end_matches("LE") {
        "Float" | "Double" => bits(value),
        _ => integer(value).cast_unsigned(),
    };
    let mut bytes = bits.to_le_bytes()[..width(name)].to_vec();
    if !little {
        bytes.reverse();
    }
    bytes
}

fn ordered<'a>(name: &'a str, bytes: &[u8]) -> (&'a str, u64) {
    let fold = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
    match name.strip_suffix("LE") {
        Some(base) => (base, bytes.iter().rev().fold(0, fold)),
        None => (name, bytes.iter().fold(0, fold)),
    }
}
