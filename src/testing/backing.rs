//! [`Backing`].

use crate::{ByteBuf, ByteView};
use bytes::{Buf, Bytes};

/// The kinds of memory behind a view. A reader of the view must not depend on the kind; a test can check that.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::Backing;
///
/// for backing in Backing::ALL {
///     let view = backing.view(b"some bytes");
///     assert_eq!(view, "some bytes");
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backing {
    /// A block of the pool.
    Pooled,
    /// A part of a block of the pool, with other bytes on both sides.
    PooledPart,
    /// An adopted `Vec`.
    Vec,
    /// An adopted `Vec` with more capacity than bytes.
    SpareVec,
    /// A part of an adopted `Vec`.
    VecPart,
    /// A value of a foreign type.
    Owner,
    /// A `Bytes`.
    Bytes,
    /// A part of a `Bytes`.
    BytesPart,
    /// Leaked memory, which is like a static. Every view of it leaks its bytes.
    Static,
}

/// The bytes on both sides of a part; a test recognises them if they are read by mistake.
const MARGIN: &[u8] = &[0xEE; 5];

impl Backing {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Pooled,
        Self::PooledPart,
        Self::Vec,
        Self::SpareVec,
        Self::VecPart,
        Self::Owner,
        Self::Bytes,
        Self::BytesPart,
        Self::Static,
    ];

    /// Returns a view of a copy of `bytes` in memory of this kind.
    #[must_use]
    pub fn view(self, bytes: &[u8]) -> ByteView {
        let with_margins = || [MARGIN, bytes, MARGIN].concat();
        let part = MARGIN.len()..MARGIN.len() + bytes.len();
        match self {
            Self::Pooled => ByteView::copy_from_slice(bytes),
            Self::PooledPart => ByteView::copy_from_slice(&with_margins()).slice(part),
            Self::Vec => bytes.to_vec().into(),
            Self::SpareVec => {
                let mut vec = Vec::with_capacity(bytes.len() + MARGIN.len());
                vec.extend_from_slice(bytes);
                vec.into()
            }
            Self::VecPart => ByteView::from(with_margins()).slice(part),
            Self::Owner => ByteView::from_owner(Box::<[u8]>::from(bytes)),
            Self::Bytes => Bytes::copy_from_slice(bytes).into(),
            Self::BytesPart => Bytes::from(with_margins()).slice(part).into(),
            Self::Static => ByteView::from_static(bytes.to_vec().leak()),
        }
    }

    /// Returns a buffer of a copy of `bytes`, in memory of this kind if a buffer can use it.
    ///
    /// For a part, the buffer is advanced past the bytes in front and truncated before those behind. If the memory
    /// is read-only, the bytes are copied into the pool.
    #[must_use]
    pub fn buf(self, bytes: &[u8]) -> ByteBuf {
        match self {
            Self::PooledPart | Self::VecPart => {
                let mut buf = match self {
                    Self::PooledPart => ByteBuf::from(&[MARGIN, bytes, MARGIN].concat()[..]),
                    _ => ByteBuf::from([MARGIN, bytes, MARGIN].concat()),
                };
                buf.advance(MARGIN.len());
                buf.truncate(bytes.len());
                buf
            }
            _ => self.view(bytes).into(),
        }
    }
}
