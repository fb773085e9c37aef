//! `Serialize` and `Deserialize`, as in `bytes`: bytes are written as bytes, and read from bytes,
//! text or a sequence of numbers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::buf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};

/// The limit of a sequence's size hint, in bytes: the hint comes from the peer.
const TRUSTED_HINT: usize = 4096;

/// Serialises `$this` as `$bytes: &[u8]`, whose evaluation may fail with an error of the serialiser.
macro_rules! serde_as_bytes {
    ($type:ty, |$this:ident| $bytes:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                serializer.serialize_bytes($bytes)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_byte_buf(BytesVisitor).map(Self::from)
            }
        }
    };
}

serde_as_bytes!(ByteView, |view| view);
serde_as_bytes!(ByteBuf, |buf| buf);
// A serialiser takes contiguous bytes, so the bytes of several components are joined by a copy.
serde_as_bytes!(CompositeByteBuf, |parts| &parts
    .try_to_byte_view()
    .map_err(serde::ser::Error::custom)?);

impl Serialize for ByteStr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Reads text, or bytes that are UTF-8, as `String` does.
impl<'de> Deserialize<'de> for ByteStr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = ByteStr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteStr, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<ByteStr, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<ByteStr, E> {
        BytesVisitor.visit_bytes(bytes).and_then(text)
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<ByteStr, E> {
        text(bytes.into())
    }
}

fn text<E: Error>(view: ByteView) -> Result<ByteStr, E> {
    ByteStr::from_utf8(view)
        .map_err(|error| E::invalid_value(Unexpected::Bytes(error.as_view()), &TextVisitor))
}

struct BytesVisitor;

/// Appends bytes. If the pool has no memory for them, deserialising fails.
fn append<E: Error>(buf: &mut ByteBuf, bytes: &[u8]) -> Result<(), E> {
    buf.try_reserve(bytes.len()).map_err(E::custom)?;
    buf.extend_from_slice(bytes);
    Ok(())
}

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = ByteView;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<ByteView, E> {
        let mut buf = ByteBuf::new();
        append(&mut buf, bytes)?;
        Ok(buf.freeze())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<ByteView, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteView, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<ByteView, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<ByteView, A::Error> {
        let hint = bytes.size_hint().unwrap_or(0).min(TRUSTED_HINT);
        let mut buf = ByteBuf::new();
        // If the pool has no memory for the hint, the elements may still fit.
        _ = buf.try_reserve(hint);
        while let Some(byte) = bytes.next_element::<u8>()? {
            append(&mut buf, &[byte])?;
        }
        Ok(buf.freeze())
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use serde::de::value::{BytesDeserializer, Error, SeqDeserializer, StrDeserializer};

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Message {
        view: ByteView,
        buf: ByteBuf,
        parts: CompositeByteBuf,
    }

    #[test]
    fn a_value_is_read_back_from_any_boundaries() {
        let message = Message {
            view: ByteView::from_static(b"\x00view"),
            buf: ByteBuf::new(),
            parts: CompositeByteBuf::from_iter(["par", "ts"]),
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"{"view":[0,118,105,101,119],"buf":[],"parts":[112,97,114,116,115]}"#);
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }

    #[test]
    fn bytes_and_text_are_bytes() {
        let bytes = ByteView::deserialize(BytesDeserializer::<Error>::new(b"\xFF\x00"));
        assert_eq!(bytes.unwrap(), b"\xFF\x00"[..]);
        let text = ByteBuf::deserialize(StrDeserializer::<Error>::new("text"));
        assert_eq!(text.unwrap(), "text");
        assert_eq!(serde_json::from_str::<CompositeByteBuf>(r#""\u0000x""#).unwrap(), "\0x");
    }

    #[test]
    fn text_is_text_and_what_is_not_utf_8_is_an_error() {
        let text: ByteStr = serde_json::from_str(r#""Gr\u00fc\u00dfe""#).unwrap();
        assert_eq!(text, "Grüße");
        assert_eq!(serde_json::to_string(&text).unwrap(), r#""Grüße""#);
        assert!(serde_json::from_str::<ByteStr>("[1, 2]").is_err());
        let bytes = |bytes| ByteStr::deserialize(BytesDeserializer::<Error>::new(bytes));
        assert_eq!(bytes("aß".as_bytes()).unwrap(), "aß");
        let error = bytes(b"a\xC3").unwrap_err();
        assert!(error.to_string().contains("expected text"), "{error}");
    }

    #[test]
    fn a_vector_is_adopted() {
        struct Owned(Vec<u8>);

        impl<'de> Deserializer<'de> for Owned {
            type Error = Error;

            fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                visitor.visit_byte_buf(self.0)
            }

            serde::forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
                option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum
                identifier ignored_any
            }
        }

        let vec = vec![7; 100];
        let start = vec.as_ptr();
        assert_eq!(ByteView::deserialize(Owned(vec)).unwrap().as_ptr(), start);
        let vec = vec![7; 100];
        let start = vec.as_ptr();
        assert_eq!(ByteBuf::deserialize(Owned(vec)).unwrap().as_ptr(), start);
    }

    #[test]
    fn a_hint_that_lies_allocates_little() {
        struct Liar(u8);

        impl Iterator for Liar {
            type Item = u8;

            fn next(&mut self) -> Option<u8> {
                self.0 = self.0.checked_sub(1)?;
                Some(self.0)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (usize::MAX, Some(usize::MAX))
            }
        }

        let sequence = SeqDeserializer::<_, Error>::new(Liar(3));
        let view = ByteView::deserialize(sequence).unwrap();
        assert_eq!(view, [2, 1, 0][..]);
        assert!(view.pinned() <= 2 * TRUSTED_HINT);
    }

    #[test]
    fn what_is_no_byte_is_an_error() {
        assert!(serde_json::from_str::<ByteView>("[1,256]").is_err());
        assert!(serde_json::from_str::<ByteBuf>("{}").is_err());
        let numbers = SeqDeserializer::<_, Error>::new(iter::once(-1_i32));
        assert!(CompositeByteBuf::deserialize(numbers).is_err());
    }
}
