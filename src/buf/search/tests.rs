//! Search against the obvious loop, with few letters so that needles overlap themselves.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::buf::ByteView;

fn text(len: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![6 => Just(b'a'), 3 => Just(b'b'), 1 => Just(b'c')], 0..len)
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![3 => text(3), 1 => text(60)], 0..if cfg!(miri) { 8 } else { 30 })
}

fn composite(chunks: &[Vec<u8>]) -> CompositeByteBuf {
    let mut composite = CompositeByteBuf::new();
    for chunk in chunks {
        composite.insert(composite.components().len(), ByteView::copy_from_slice(chunk));
    }
    composite
}

/// Where matches of `needle` end.
fn ends(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    (needle.len()..=haystack.len()).filter(|&end| haystack[..end].ends_with(needle)).collect()
}

proptest! {
    #[test]
    fn composites_are_searched_like_slices(chunks in chunks(), needle in text(9)) {
        let (whole, parts) = (chunks.concat(), composite(&chunks));
        let starts: Vec<_> = ends(&whole, &needle).iter().map(|end| end - needle.len()).collect();
        for found in [parts.find(&needle), whole.find(&needle)] {
            prop_assert_eq!(found, starts.first().copied());
        }
        for found in [parts.rfind(&needle), whole.rfind(&needle)] {
            prop_assert_eq!(found, starts.last().copied());
        }
    }

    #[test]
    fn sets_and_conditions(chunks in chunks(), set in vec(b'a'..b'g', 0..7)) {
        let (whole, parts) = (chunks.concat(), composite(&chunks));
        let first = whole.iter().position(|byte| set.contains(byte));
        let last = whole.iter().rposition(|byte| set.contains(byte));
        let stop = |byte| set.contains(&byte);
        prop_assert_eq!([whole.find_any(&set), parts.find_any(&set)], [first; 2]);
        prop_assert_eq!([whole.rfind_any(&set), parts.rfind_any(&set)], [last; 2]);
        prop_assert_eq!([whole.find_by(stop), parts.find_by(stop)], [first; 2]);
        prop_assert_eq!([whole.rfind_by(stop), parts.rfind_by(stop)], [last; 2]);
        if let [byte] = set[..] {
            prop_assert_eq!([whole.find_byte(byte), parts.find_byte(byte)], [first; 2]);
            prop_assert_eq!([whole.rfind_byte(byte), parts.rfind_byte(byte)], [last; 2]);
        }
    }

    #[test]
    fn a_stream_has_the_matches_of_its_bytes(chunks in chunks(), needle in text(9)) {
        prop_assume!(!needle.is_empty());
        let mut finder = Finder::new(&needle).unwrap().into_owned();
        for _ in 0..2 {
            let (mut found, mut before) = (Vec::new(), 0);
            for chunk in &chunks {
                let mut at = 0;
                while let Some(taken) = finder.feed(&chunk[at..]) {
                    prop_assert!(taken > 0);
                    at += taken;
                    found.push(before + at);
                }
                before += chunk.len();
            }
            prop_assert_eq!(found, ends(&chunks.concat(), &needle));
            finder.reset();
        }
    }

    #[test]
    fn of_many_needles_the_longest_is_found(chunks in chunks(), needles in vec(text(6), 0..6)) {
        let needles: Vec<_> = needles.into_iter().filter(|needle| !needle.is_empty()).collect();
        let whole = chunks.concat();
        let expected: Vec<_> = (1..=whole.len())
            .filter_map(|end| {
                let ending = needles.iter().filter(|needle| whole[..end].ends_with(needle));
                Some((end, ending.max_by_key(|needle| needle.len())?))
            })
            .collect();
        let mut finder = MultiFinder::new(&needles).unwrap();
        let (mut found, mut before) = (Vec::new(), 0);
        for chunk in &chunks {
            let mut at = 0;
            while let Some(one) = finder.feed(&chunk[at..]) {
                at += one.end;
                found.push((before + at, &needles[one.needle]));
            }
            before += chunk.len();
        }
        prop_assert_eq!(found, expected);
    }
}

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
fn clones_of_a_search_go_their_own_ways() {
    let mut first = MultiFinder::new(["ab"]).unwrap();
    assert_eq!(first.feed(b"a"), None);
    let mut second = first.clone();
    second.reset();
    assert!(first.feed(b"b").is_some());
    assert!(second.feed(b"b").is_none());
}
