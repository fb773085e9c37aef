//! What a search costs, and its clones. `tests/models/search.rs` compares the results with the obvious loop.

use super::*;
use crate::buf::ByteView;

#[test]
fn no_chunking_makes_a_search_quadratic() {
    // 300,000 bytes that all but match, against a needle of 20,000: minutes, if each byte cost
    // as much as the needle is long. Fewer for an interpreter.
    let (unit, count) = if cfg!(miri) { (1, 300) } else { (100, 3_000) };
    let needle = [vec![b'a'; count / 15 * unit], vec![b'b']].concat();
    let chunk = ByteView::from(vec![b'a'; unit]);
    let mut parts: CompositeByteBuf = std::iter::repeat_n(chunk, count).collect();
    assert_eq!(parts.find(&needle), None);
    parts.push_back("b");
    let start = (count - count / 15) * unit;
    assert_eq!(parts.find(&needle), Some(start));
    assert_eq!(parts.rfind(&needle), Some(start));
}

#[test]
fn a_needle_longer_than_the_content_is_not_read() {
    // A table for it would take gigabytes and minutes.
    let needle = vec![0_u8; if cfg!(miri) { 1 << 12 } else { 1 << 28 }];
    let parts = CompositeByteBuf::from_iter(["ab", "c"]);
    assert_eq!((parts.find(&needle), parts.rfind(&needle)), (None, None));
    assert_eq!((b"abc".find(&needle), b"abc".rfind(&needle)), (None, None));
}

#[test]
fn clones_of_a_search_are_independent() {
    let mut first = MultiFinder::new(["ab"]).unwrap();
    assert_eq!(first.feed(b"a"), None);
    let mut second = first.clone();
    second.reset();
    assert!(first.feed(b"b").is_some());
    assert!(second.feed(b"b").is_none());
}
