//! Conversions from and into a composite.

use std::sync::Arc;

use bytes::Bytes;

use super::CompositeByteBuf;
use crate::buf::{ByteBuf, ByteStr, ByteView, drop_after};

/// Converts from a type that is one view, or becomes one, without copying where the memory allows it.
macro_rules! from_contiguous {
    ($($type:ty),*) => { $(
        impl From<$type> for CompositeByteBuf {
            fn from(bytes: $type) -> Self {
                Self { front: bytes.into(), rest: Default::default() }
            }
        }
    )* };
}

from_contiguous!(
    ByteBuf,
    ByteStr,
    Bytes,
    Vec<u8>,
    Box<[u8]>,
    Arc<[u8]>,
    String,
    &'static [u8],
    &'static str
);

impl From<ByteView> for CompositeByteBuf {
    fn from(front: ByteView) -> Self {
        Self { front, rest: Default::default() }
    }
}

/// Shares the only component, or copies all into one.
impl From<CompositeByteBuf> for ByteView {
    fn from(composite: CompositeByteBuf) -> Self {
        if composite.rest.is_empty() {
            composite.front
        } else {
            drop_after(composite, CompositeByteBuf::to_byte_view)
        }
    }
}

/// Takes the only component's memory if no other handle holds it, otherwise copies.
impl From<CompositeByteBuf> for ByteBuf {
    fn from(composite: CompositeByteBuf) -> Self {
        ByteView::from(composite).into()
    }
}

/// Takes the only component's memory if no other handle holds it, otherwise copies.
impl From<CompositeByteBuf> for Vec<u8> {
    fn from(composite: CompositeByteBuf) -> Self {
        if composite.rest.is_empty() {
            composite.front.into()
        } else {
            drop_after(composite, CompositeByteBuf::to_vec)
        }
    }
}

/// Shares the only component, or copies all into one.
impl From<CompositeByteBuf> for Bytes {
    fn from(composite: CompositeByteBuf) -> Self {
        ByteView::from(composite).into()
    }
}

/// Appends each item by [`push_back`](CompositeByteBuf::push_back).
impl<T: Into<ByteView>> Extend<T> for CompositeByteBuf {
    fn extend<I: IntoIterator<Item = T>>(&mut self, parts: I) {
        parts.into_iter().for_each(|part| self.push_back(part));
    }
}

/// Collects by [`push_back`](CompositeByteBuf::push_back).
impl<T: Into<ByteView>> FromIterator<T> for CompositeByteBuf {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        let mut composite = Self::new();
        composite.extend(parts);
        composite
    }
}
