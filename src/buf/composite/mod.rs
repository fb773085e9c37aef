//! Many pieces of memory, read as one.
//!
//! Rules:
//!
//! * **CC1** No component is empty; `front` is empty only where the composite is, and then `rest` is empty too.
//! * **CC2** `rest` knows where each of its components begins ([`Parts`]); `front` is advanced in place, so
//!   that reading touches nothing but `front`.
//! * **CC3** The total length fits a `usize`: every call that adds bytes checks it before it changes anything.

// First, so that the page of the type begins with its constructor.
mod components;

mod access;
mod compare;
mod convert;
mod copy;
mod cut;
mod edit;
mod iter;
mod parts;
mod read;

use self::parts::Parts;
use super::ByteView;

pub use self::iter::{ByteIter, Components, IntoComponents};

/// A component shorter than this costs more bookkeeping than a copy of its bytes.
const MERGE_BELOW: usize = 64;
/// The number of components that keep their boundaries at any size.
const MERGE_AFTER: usize = 16;
/// The largest block in which small components are merged.
const MERGE_BLOCK: usize = 4096;

/// An ordered list of [`ByteView`]s that reads as one buffer.
///
/// Joining does not copy: a component is a counted view of memory that other handles may share. All reads
/// (typed access at an offset, [`Buf`](bytes::Buf), [`Read`](std::io::Read), search, comparison, dumps) work
/// across the boundaries, and no result depends on them.
///
/// # Boundaries
///
/// Empty components are dropped. In a list of 16 or more, [`push_back`](Self::push_back) (and so `extend` and
/// `collect`) copies a component of less than 64 bytes to the end of the last one, if that has spare capacity or
/// is as small, and if both are of the same pool and budget. So a peer that sends single bytes can't make the
/// list long or the work quadratic. All other components keep their boundaries, and only
/// [`consolidate`](Self::consolidate) joins them. If the boundaries of tiny components matter, use
/// [`insert`](Self::insert), which keeps them.
///
/// # Cost
///
/// With n components: `push_back`, `push_front` and `advance` amortised O(1), access at an offset
/// O(log n), `clone` O(n) counts and no bytes. The first five components need no allocation.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteView, CompositeByteBuf};
///
/// let mut message = CompositeByteBuf::new();
/// message.push_back(ByteView::from_static(b"\x00\x00\x00\x05"));
/// message.push_back(ByteView::from_static(b"he"));
/// message.push_back(ByteView::from_static(b"llo"));
///
/// assert_eq!(message.len(), 9);
/// assert_eq!(message.peek_u32(0), Some(5));
/// assert_eq!(message.slice(4..), b"hello"[..]);
/// ```
#[derive(Clone, Default)]
#[doc(alias = "compositeBuffer")]
#[doc(alias = "wrappedBuffer")]
pub struct CompositeByteBuf {
    front: ByteView,
    rest: Parts,
}

static_assertions::assert_impl_all!(CompositeByteBuf: Send, Sync, Unpin);

#[cfg(test)]
mod tests;
