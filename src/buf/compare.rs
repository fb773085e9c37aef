//! Comparison of each buffer type with each type of bytes, in both directions.
//!
//! A type takes part by [`Content`], which a contiguous one has through `Deref<Target = [u8]>`:
//!
//! - `compare_contiguous!(T)` for a type that derefs to `[u8]`: `Eq`, `Ord`, `Hash` and
//!   `Borrow<[u8]>`, all as its bytes have them;
//! - `compare_with_bytes!(T)`: against `[u8]`, `str`, `Vec<u8>`, `String` and references to what
//!   `T` compares with, both ways round;
//! - `compare_with!(T: U, ...)`: the same against other types that are `AsRef<[u8]>`.
//!
//! The set is that of `bytes`, so that code written for it compiles.

use std::cmp::Ordering;

/// A type that compares itself with bytes.
pub(crate) trait Content {
    fn eq_bytes(&self, other: &[u8]) -> bool;
    fn cmp_bytes(&self, other: &[u8]) -> Ordering;
}

impl Content for [u8] {
    #[inline]
    fn eq_bytes(&self, other: &[u8]) -> bool {
        self == other
    }

    #[inline]
    fn cmp_bytes(&self, other: &[u8]) -> Ordering {
        self.cmp(other)
    }
}

macro_rules! compare_contiguous {
    ($type:ty) => {
        impl PartialEq for $type {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self[..] == other[..]
            }
        }

        impl Eq for $type {}

        impl PartialOrd for $type {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            #[inline]
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self[..].cmp(&other[..])
            }
        }

        impl std::hash::Hash for $type {
            #[inline]
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self[..].hash(state);
            }
        }

        impl std::borrow::Borrow<[u8]> for $type {
            #[inline]
            fn borrow(&self) -> &[u8] {
                self
            }
        }
    };
}

macro_rules! compare_with {
    ($type:ty: $($other:ty),+) => { $(
        impl PartialEq<$other> for $type {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                use $crate::buf::compare::Content as _;
                self.eq_bytes(AsRef::<[u8]>::as_ref(other))
            }
        }

        impl PartialEq<$type> for $other {
            #[inline]
            fn eq(&self, other: &$type) -> bool {
                other == self
            }
        }

        impl PartialOrd<$other> for $type {
            #[inline]
            fn partial_cmp(&self, other: &$other) -> Option<std::cmp::Ordering> {
                use $crate::buf::compare::Content as _;
                Some(self.cmp_bytes(AsRef::<[u8]>::as_ref(other)))
            }
        }

        impl PartialOrd<$type> for $other {
            #[inline]
            fn partial_cmp(&self, other: &$type) -> Option<std::cmp::Ordering> {
                other.partial_cmp(self).map(std::cmp::Ordering::reverse)
            }
        }
    )+ };
}

macro_rules! compare_with_bytes {
    ($type:ty) => {
        $crate::buf::compare::compare_with!($type: [u8], str, Vec<u8>, String);

        impl<'a, T: ?Sized> PartialEq<&'a T> for $type
        where
            Self: PartialEq<T>,
        {
            #[inline]
            fn eq(&self, other: &&'a T) -> bool {
                *self == **other
            }
        }

        impl<'a, T: ?Sized> PartialOrd<&'a T> for $type
        where
            Self: PartialOrd<T>,
        {
            #[inline]
            fn partial_cmp(&self, other: &&'a T) -> Option<std::cmp::Ordering> {
                self.partial_cmp(*other)
            }
        }

        $crate::buf::compare::compare_with_bytes!(@reference $type: [u8], str);
    };
    (@reference $type:ty: $($other:ty),+) => { $(
        impl PartialEq<$type> for &$other {
            #[inline]
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }

        impl PartialOrd<$type> for &$other {
            #[inline]
            fn partial_cmp(&self, other: &$type) -> Option<std::cmp::Ordering> {
                (**self).partial_cmp(other)
            }
        }
    )+ };
}

pub(crate) use {compare_with, compare_with_bytes};

use super::{ByteBuf, ByteView};

compare_contiguous!(ByteView);
compare_contiguous!(ByteBuf);
compare_with_bytes!(ByteView);
compare_with_bytes!(ByteBuf);
compare_with!(ByteView: ByteBuf, bytes::Bytes);
compare_with!(ByteBuf: bytes::Bytes);
