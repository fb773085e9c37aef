//! Conversions from and into `ByteStr`.
#![allow(unsafe_code, reason = "text becomes a `String` without another check (T1)")]

use core::convert::Infallible;
use core::str::FromStr;

use bytes::Bytes;

use super::{ByteStr, ByteStrError};
use crate::buf::{ByteBuf, ByteView};

impl From<&'static str> for ByteStr {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for ByteStr {
    /// Adopts the memory of the `String`, as `ByteView::from(Vec)` does.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Box<str>> for ByteStr {
    fn from(text: Box<str>) -> Self {
        text.into_string().into()
    }
}

impl FromStr for ByteStr {
    type Err = Infallible;

    /// Copies the text: [`ByteStr::copy_from_str`].
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::copy_from_str(text))
    }
}

macro_rules! try_from_bytes {
    ($($type:ty),+) => { $(
        impl TryFrom<$type> for ByteStr {
            type Error = ByteStrError;

            /// As [`ByteStr::from_utf8`].
            fn try_from(bytes: $type) -> Result<Self, ByteStrError> {
                Self::from_utf8(bytes.into())
            }
        }
    )+ };
}

try_from_bytes!(ByteView, ByteBuf, Bytes, Vec<u8>);

impl From<ByteStr> for ByteView {
    #[inline]
    fn from(text: ByteStr) -> Self {
        text.0
    }
}

impl From<ByteStr> for Bytes {
    /// As `Bytes::from(ByteView)`.
    fn from(text: ByteStr) -> Self {
        text.0.into()
    }
}

impl From<ByteStr> for String {
    /// Returns the `String` that the text was made from, if no other handle holds it; copies otherwise.
    fn from(text: ByteStr) -> Self {
        // SAFETY: the bytes are UTF-8 (T1).
        unsafe { Self::from_utf8_unchecked(text.0.into()) }
    }
}
