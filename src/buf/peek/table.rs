//! The tables behind [`Peek`](crate::Peek) and [`Poke`](crate::Poke): every type that can be read and
//! written at an offset, with Netty's name for it.
//!
//! `peek_methods!([] |this| this)` gives the methods of the trait, with their examples. `inherent_peek!(T,
//! |this| target)` gives `T` the same reads as methods of its own, carried out by `target: &impl Peek`;
//! their documentation links to the trait's. `inherent_poke!` does the same for writes, with
//! `target: &mut impl Poke`. The place that uses a macro imports the trait.

/// Documentation of a method: its text, and the example of a trait's method or a link to it.
macro_rules! peek_doc {
    ([] $trait:literal, $method:expr, $text:expr, $example:expr) => {
        concat!($text, "\n\n# Examples\n\n```\nuse bytebuf::{Peek, Poke};\n\n", $example, "\n```")
    };
    ([pub] $trait:literal, $method:expr, $text:expr, $example:expr) => {
        concat!(
            $text,
            "\n\nExample: [`",
            $trait,
            "::",
            $method,
            "`](crate::",
            $trait,
            "::",
            $method,
            ")."
        )
    };
}

macro_rules! peek_methods {
    ([$($vis:tt)*] |$this:ident| $target:expr) => {
        #[doc = $crate::buf::peek::table::peek_doc!([$($vis)*] "Peek", "peek_varint", concat!(
            "Reads the LEB128 integer at `offset`, as protocol buffers write it. Returns it and its length; ",
            "`None` if its last byte is missing.\n\n",
            "# Errors\n\nIf it has more than 64 bits.",
        ), concat!(
            "let data = [0xAC, 0x02, 0xAC];\n",
            "assert_eq!(data.peek_varint(0)?, Some((300, 2)));\n",
            "assert_eq!(data.peek_varint(2)?, None);\n# Ok::<_, bytebuf::VarintOverflow>(())",
        ))]
        $($vis)* fn peek_varint(
            &self,
            offset: usize,
        ) -> Result<Option<(u64, usize)>, $crate::VarintOverflow> {
            let $this = self;
            let bytes = $target;
            let whole = Peek::peek_array(bytes, offset);
            $crate::buf::varint::decode_at(offset, whole, |at| Peek::peek_array(bytes, at))
        }

        #[doc = $crate::buf::peek::table::peek_doc!([$($vis)*] "Peek", "peek_quic_varint", concat!(
            "Reads the integer of QUIC's form (RFC 9000, section 16) at `offset`. Returns it and its ",
            "length; `None` if its last byte is missing.",
        ), concat!(
            "let data = [0x7B, 0xBD];\n",
            "assert_eq!(data.peek_quic_varint(0), Some((15293, 2)));\n",
            "assert_eq!(data.peek_quic_varint(1), None);",
        ))]
        #[must_use]
        $($vis)* fn peek_quic_varint(&self, offset: usize) -> Option<(u64, usize)> {
            let $this = self;
            let bytes = $target;
            let whole = Peek::peek_array(bytes, offset);
            $crate::buf::varint::decode_quic_at(offset, whole, |at| Peek::peek_array(bytes, at))
        }

        $crate::buf::peek::table::peek_methods! { @rows [$($vis)*] |$this| $target;
            peek_bool: bool = |[byte]: [u8; 1]| byte != 0,
                "a byte as `bool`: whether it is not 0", "[1]", "true", ["getBoolean"];
            peek_u8: u8 = u8::from_be_bytes, "a `u8`", "[7]", "7", ["getUnsignedByte"];
            peek_i8: i8 = i8::from_be_bytes, "an `i8`", "[255]", "-1", ["getByte"];
            peek_u16: u16 = u16::from_be_bytes,
                "a big-endian `u16`", "7_u16.to_be_bytes()", "7", ["getUnsignedShort"];
            peek_u16_le: u16 = u16::from_le_bytes,
                "a little-endian `u16`", "7_u16.to_le_bytes()", "7", ["getUnsignedShortLE"];
            peek_i16: i16 = i16::from_be_bytes,
                "a big-endian `i16`", "(-7_i16).to_be_bytes()", "-7", ["getShort"];
            peek_i16_le: i16 = i16::from_le_bytes,
                "a little-endian `i16`", "(-7_i16).to_le_bytes()", "-7", ["getShortLE"];
            peek_u24: u32 = $crate::buf::peek::medium::u24_from_be,
                "a 24-bit big-endian integer (unsigned)", "[0, 0, 7]", "7", ["getUnsignedMedium"];
            peek_u24_le: u32 = $crate::buf::peek::medium::u24_from_le,
                "a 24-bit little-endian integer (unsigned)", "[7, 0, 0]", "7",
                ["getUnsignedMediumLE"];
            peek_i24: i32 = $crate::buf::peek::medium::i24_from_be,
                "a 24-bit big-endian integer (signed)", "[255, 255, 254]", "-2", ["getMedium"];
            peek_i24_le: i32 = $crate::buf::peek::medium::i24_from_le,
                "a 24-bit little-endian integer (signed)", "[254, 255, 255]", "-2", ["getMediumLE"];
            peek_u32: u32 = u32::from_be_bytes,
                "a big-endian `u32`", "7_u32.to_be_bytes()", "7", ["getUnsignedInt"];
            peek_u32_le: u32 = u32::from_le_bytes,
                "a little-endian `u32`", "7_u32.to_le_bytes()", "7", ["getUnsignedIntLE"];
            peek_i32: i32 = i32::from_be_bytes,
                "a big-endian `i32`", "(-7_i32).to_be_bytes()", "-7", ["getInt"];
            peek_i32_le: i32 = i32::from_le_bytes,
                "a little-endian `i32`", "(-7_i32).to_le_bytes()", "-7", ["getIntLE"];
            peek_u64: u64 = u64::from_be_bytes,
                "a big-endian `u64`", "7_u64.to_be_bytes()", "7", [];
            peek_u64_le: u64 = u64::from_le_bytes,
                "a little-endian `u64`", "7_u64.to_le_bytes()", "7", [];
            peek_i64: i64 = i64::from_be_bytes,
                "a big-endian `i64`", "(-7_i64).to_be_bytes()", "-7", ["getLong"];
            peek_i64_le: i64 = i64::from_le_bytes,
                "a little-endian `i64`", "(-7_i64).to_le_bytes()", "-7", ["getLongLE"];
            peek_u128: u128 = u128::from_be_bytes,
                "a big-endian `u128`", "7_u128.to_be_bytes()", "7", [];
            peek_u128_le: u128 = u128::from_le_bytes,
                "a little-endian `u128`", "7_u128.to_le_bytes()", "7", [];
            peek_i128: i128 = i128::from_be_bytes,
                "a big-endian `i128`", "(-7_i128).to_be_bytes()", "-7", [];
            peek_i128_le: i128 = i128::from_le_bytes,
                "a little-endian `i128`", "(-7_i128).to_le_bytes()", "-7", [];
            peek_f32: f32 = f32::from_be_bytes,
                "a big-endian `f32`", "0.5_f32.to_be_bytes()", "0.5", ["getFloat"];
            peek_f32_le: f32 = f32::from_le_bytes,
                "a little-endian `f32`", "0.5_f32.to_le_bytes()", "0.5", ["getFloatLE"];
            peek_f64: f64 = f64::from_be_bytes,
                "a big-endian `f64`", "0.5_f64.to_be_bytes()", "0.5", ["getDouble"];
            peek_f64_le: f64 = f64::from_le_bytes,
                "a little-endian `f64`", "0.5_f64.to_le_bytes()", "0.5", ["getDoubleLE"];
        }
    };
    (@rows $vis:tt |$this:ident| $target:expr;
        $($method:ident: $type:ty = $from:expr, $what:literal, $bytes:literal, $value:literal,
            [$($alias:literal)?];)+) => { $(
        $crate::buf::peek::table::peek_methods! { @one $vis
            #[doc = $crate::buf::peek::table::peek_doc!($vis "Peek", stringify!($method),
                concat!("Reads ", $what, " at `offset`."),
                concat!(
                    "let data = ", $bytes, ";\n",
                    "assert_eq!(data.", stringify!($method), "(0), Some(", $value, "));\n",
                    "assert_eq!(data.", stringify!($method), "(1), None);",
                )
            )]
            $(#[doc(alias = $alias)])?
            $method |$this| $target, $type, $from
        }
    )+ };
    (@one [$($vis:tt)*] #[doc = $doc:expr] $(#[doc(alias = $alias:literal)])?
        $method:ident |$this:ident| $target:expr, $type:ty, $from:expr) => {
        #[doc = $doc]
        $(#[doc(alias = $alias)])?
        #[inline]
        #[must_use]
        $($vis)* fn $method(&self, offset: usize) -> Option<$type> {
            let $this = self;
            Peek::peek_array($target, offset).map($from)
        }
    };
}

macro_rules! poke_methods {
    ([$($vis:tt)*] |$this:ident| $target:expr) => {
        $crate::buf::peek::table::poke_methods! { @rows [$($vis)*] |$this| $target;
            set_bool: bool = |value| [u8::from(value)],
                "`value` as a byte: 1 or 0", "[1]", "true", ["setBoolean"];
            set_u8: u8 = u8::to_be_bytes, "a `u8`", "[7]", "7", ["setByte"];
            set_i8: i8 = i8::to_be_bytes, "an `i8`", "[255]", "-1", ["setByte"];
            set_u16: u16 = u16::to_be_bytes,
                "a big-endian `u16`", "7_u16.to_be_bytes()", "7", ["setShort"];
            set_u16_le: u16 = u16::to_le_bytes,
                "a little-endian `u16`", "7_u16.to_le_bytes()", "7", ["setShortLE"];
            set_i16: i16 = i16::to_be_bytes,
                "a big-endian `i16`", "(-7_i16).to_be_bytes()", "-7", ["setShort"];
            set_i16_le: i16 = i16::to_le_bytes,
                "a little-endian `i16`", "(-7_i16).to_le_bytes()", "-7", ["setShortLE"];
            set_u24: u32 = $crate::buf::peek::medium::u24_to_be,
                "the low 24 bits of `value`, big-endian,", "[0, 0, 7]", "7", ["setMedium"];
            set_u24_le: u32 = $crate::buf::peek::medium::u24_to_le,
                "the low 24 bits of `value`, little-endian,", "[7, 0, 0]", "7", ["setMediumLE"];
            set_i24: i32 = $crate::buf::peek::medium::i24_to_be,
                "the low 24 bits of `value`, big-endian,", "[255, 255, 254]", "-2", ["setMedium"];
            set_i24_le: i32 = $crate::buf::peek::medium::i24_to_le,
                "the low 24 bits of `value`, little-endian,", "[254, 255, 255]", "-2",
                ["setMediumLE"];
            set_u32: u32 = u32::to_be_bytes,
                "a big-endian `u32`", "7_u32.to_be_bytes()", "7", ["setInt"];
            set_u32_le: u32 = u32::to_le_bytes,
                "a little-endian `u32`", "7_u32.to_le_bytes()", "7", ["setIntLE"];
            set_i32: i32 = i32::to_be_bytes,
                "a big-endian `i32`", "(-7_i32).to_be_bytes()", "-7", ["setInt"];
            set_i32_le: i32 = i32::to_le_bytes,
                "a little-endian `i32`", "(-7_i32).to_le_bytes()", "-7", ["setIntLE"];
            set_u64: u64 = u64::to_be_bytes, "a big-endian `u64`", "7_u64.to_be_bytes()", "7", [];
            set_u64_le: u64 = u64::to_le_bytes,
                "a little-endian `u64`", "7_u64.to_le_bytes()", "7", [];
            set_i64: i64 = i64::to_be_bytes,
                "a big-endian `i64`", "(-7_i64).to_be_bytes()", "-7", ["setLong"];
            set_i64_le: i64 = i64::to_le_bytes,
                "a little-endian `i64`", "(-7_i64).to_le_bytes()", "-7", ["setLongLE"];
            set_u128: u128 = u128::to_be_bytes,
                "a big-endian `u128`", "7_u128.to_be_bytes()", "7", [];
            set_u128_le: u128 = u128::to_le_bytes,
                "a little-endian `u128`", "7_u128.to_le_bytes()", "7", [];
            set_i128: i128 = i128::to_be_bytes,
                "a big-endian `i128`", "(-7_i128).to_be_bytes()", "-7", [];
            set_i128_le: i128 = i128::to_le_bytes,
                "a little-endian `i128`", "(-7_i128).to_le_bytes()", "-7", [];
            set_f32: f32 = f32::to_be_bytes,
                "a big-endian `f32`", "0.5_f32.to_be_bytes()", "0.5", ["setFloat"];
            set_f32_le: f32 = f32::to_le_bytes,
                "a little-endian `f32`", "0.5_f32.to_le_bytes()", "0.5", ["setFloatLE"];
            set_f64: f64 = f64::to_be_bytes,
                "a big-endian `f64`", "0.5_f64.to_be_bytes()", "0.5", ["setDouble"];
            set_f64_le: f64 = f64::to_le_bytes,
                "a little-endian `f64`", "0.5_f64.to_le_bytes()", "0.5", ["setDoubleLE"];
        }
    };
    (@rows $vis:tt |$this:ident| $target:expr;
        $($method:ident: $type:ty = $to:expr, $what:literal, $bytes:literal, $value:literal,
            [$($alias:literal)?];)+) => { $(
        $crate::buf::peek::table::poke_methods! { @one $vis
            #[doc = $crate::buf::peek::table::peek_doc!($vis "Poke", stringify!($method),
                concat!(
                    "Writes ", $what, " at `offset`.\n\n",
                    "# Errors\n\nIf it does not fit; nothing is written then.",
                ),
                concat!(
                    "let mut data = [0; 20];\n",
                    "data.", stringify!($method), "(2, ", $value, ")?;\n",
                    "assert_eq!(data.peek_array(2), Some(", $bytes, "));\n",
                    "assert!(data.", stringify!($method), "(20, ", $value, ").is_err());\n",
                    "# Ok::<_, bytebuf::OutOfRange>(())",
                )
            )]
            $(#[doc(alias = $alias)])?
            $method |$this| $target, $type, $to
        }
    )+ };
    (@one [$($vis:tt)*] #[doc = $doc:expr] $(#[doc(alias = $alias:literal)])?
        $method:ident |$this:ident| $target:expr, $type:ty, $to:expr) => {
        #[doc = $doc]
        $(#[doc(alias = $alias)])?
        #[inline]
        $($vis)* fn $method(
            &mut self,
            offset: usize,
            value: $type,
        ) -> Result<(), $crate::OutOfRange> {
            let $this = self;
            let to_bytes = $to;
            Poke::set_slice($target, offset, &to_bytes(value))
        }
    };
}

macro_rules! inherent_peek {
    ($type:ty, |$this:ident| $target:expr) => {
        /// Typed reads at an offset, as in [`Peek`](crate::Peek): the cursor stays, and a range outside
        /// the buffer gives `None`.
        impl $type {
            /// Reads `N` bytes at `offset`.
            ///
            /// Example: [`Peek::peek_array`](crate::Peek::peek_array).
            #[inline]
            #[must_use]
            pub fn peek_array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
                let $this = self;
                Peek::peek_array($target, offset)
            }

            /// Fills `dst` with the bytes at `offset`.
            ///
            /// # Errors
            ///
            /// If there are fewer; `dst` is unchanged then.
            ///
            /// Example: [`Peek::peek_slice`](crate::Peek::peek_slice).
            #[inline]
            #[doc(alias = "getBytes")]
            pub fn peek_slice(
                &self,
                offset: usize,
                dst: &mut [u8],
            ) -> Result<(), $crate::OutOfRange> {
                let $this = self;
                Peek::peek_slice($target, offset, dst)
            }

            $crate::buf::peek::table::peek_methods! { [pub] |$this| $target }
        }
    };
}

macro_rules! inherent_poke {
    ($type:ty, |$this:ident| $target:expr) => {
        /// Typed writes at an offset, as in [`Poke`](crate::Poke): the cursor stays, and a range outside
        /// the buffer is an error.
        impl $type {
            /// Copies all of `src` to `offset`.
            ///
            /// # Errors
            ///
            /// If it does not fit; nothing is written then.
            ///
            /// Example: [`Poke::set_slice`](crate::Poke::set_slice).
            #[inline]
            #[doc(alias = "setBytes")]
            pub fn set_slice(
                &mut self,
                offset: usize,
                src: &[u8],
            ) -> Result<(), $crate::OutOfRange> {
                let $this = self;
                Poke::set_slice($target, offset, src)
            }

            /// Writes `count` bytes of `value` at `offset`, as [`BufMut::put_bytes`](bytes::BufMut::put_bytes)
            /// appends them. Netty's `setBytes`, which copies, is [`set_slice`](Self::set_slice).
            ///
            /// # Errors
            ///
            /// If they do not fit; nothing is written then.
            ///
            /// Example: [`Poke::set_bytes`](crate::Poke::set_bytes).
            #[inline]
            #[doc(alias = "fill")]
            #[doc(alias = "setZero")]
            pub fn set_bytes(
                &mut self,
                offset: usize,
                value: u8,
                count: usize,
            ) -> Result<(), $crate::OutOfRange> {
                let $this = self;
                Poke::set_bytes($target, offset, value, count)
            }

            $crate::buf::peek::table::poke_methods! { [pub] |$this| $target }
        }
    };
}

pub(crate) use {inherent_peek, inherent_poke, peek_doc, peek_methods, poke_methods};
