//! The same bytes, cut in every way.

use super::Backing;
use crate::{ByteView, CompositeByteBuf};

/// Makes a composite of these parts and keeps every boundary.
pub(super) fn composite(parts: impl IntoIterator<Item = ByteView>) -> CompositeByteBuf {
    let mut composite = CompositeByteBuf::new();
    for part in parts {
        composite.insert(composite.components().len(), part);
    }
    composite
}

/// Cuts `bytes` at these places, which are in order.
pub(super) fn cut(bytes: &[u8], at: &[usize], backing: impl Fn(usize) -> Backing) -> Vec<ByteView> {
    let starts = std::iter::once(0).chain(at.iter().copied());
    let ends = at.iter().copied().chain([bytes.len()]);
    let parts = starts.zip(ends).enumerate();
    parts.map(|(i, (start, end))| backing(i).view(&bytes[start..end])).collect()
}

/// Returns `bytes` as composites: whole, with one boundary at each place, and with a boundary at every place. So
/// there is a boundary inside every field.
///
/// The parts lie in memory of all kinds. There are `bytes.len() + 1` composites (1 for no bytes).
///
/// # Examples
///
/// ```
/// use bytebuf::testing::each_boundary;
///
/// for composite in each_boundary(b"\x00\x03abc") {
///     assert_eq!(composite.peek_u16(0), Some(3));
///     assert_eq!(composite.find(b"bc"), Some(3));
/// }
/// assert_eq!(each_boundary(b"abc").count(), 4);
/// ```
pub fn each_boundary(bytes: &[u8]) -> impl Iterator<Item = CompositeByteBuf> {
    let one = (0..bytes.len()).map(move |at| {
        let places: &[usize] = if at == 0 { &[] } else { &[at] };
        cut(bytes, places, |part| pick(at + part))
    });
    let everywhere: Vec<usize> = (1..bytes.len()).collect();
    one.chain([cut(bytes, &everywhere, pick)]).map(composite)
}

/// Returns the kinds of memory in turn, except the kind that leaks.
pub(super) fn pick(number: usize) -> Backing {
    Backing::ALL[number % (Backing::ALL.len() - 1)]
}
