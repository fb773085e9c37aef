//! Equality, order and hashes; and becoming something else.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

use bytebuf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};
use bytes::{Buf, Bytes};

use crate::subject::Subject;
use crate::{Case, cases};

pub(crate) fn cases<S: Subject>() -> Vec<Case<S>> {
    let mut cases = comparing();
    cases.extend(becoming());
    cases
}

/// Neighbours in the order of bytes: shorter, longer, less, more, and the same.
fn neighbours(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![bytes.to_vec(), vec![], vec![0], vec![255; 3], [bytes, &[0]].concat()];
    if let [front @ .., last] = bytes {
        all.push(front.to_vec());
        all.push([front, &[last.wrapping_add(1)]].concat());
        all.push([front, &[last.wrapping_sub(1)]].concat());
        let mut flipped = bytes.to_vec();
        flipped[0] ^= 0x80;
        all.push(flipped);
    }
    all
}

/// What a comparison with bytes must say, either way round.
fn agree(order: Option<Ordering>, is_equal: bool, expected: Ordering) {
    assert_eq!((order, is_equal), (Some(expected), expected.is_eq()));
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn comparing<S: Subject>() -> Vec<Case<S>> {
    macro_rules! against {
        ($($name:ident: |$bytes:ident| $other:expr;)+) => {
            vec![$(Case {
                name: stringify!($name),
                check: |subject: S, bytes| for $bytes in neighbours(bytes) {
                    let expected = bytes.cmp(&$bytes[..]);
                    let other = $other;
                    agree(subject.partial_cmp(&other), subject == other, expected);
                },
            }),+]
        };
    }
    let mut cases = against! {
        against_slice: |bytes| &bytes[..];
        against_vec: |bytes| bytes.clone();
        against_its_like: |bytes| S::simple(&bytes);
    };
    fn against_unsized<S: Subject>(subject: S, bytes: &[u8]) {
        for other in neighbours(bytes) {
            agree(subject.partial_cmp(&other[..]), subject == other[..], bytes.cmp(&other));
        }
    }
    fn against_text<S: Subject>(subject: S, bytes: &[u8]) {
        for other in neighbours(bytes) {
            let Ok(text) = String::from_utf8(other) else { continue };
            let expected = bytes.cmp(text.as_bytes());
            agree(subject.partial_cmp(&text), subject == text, expected);
            agree(subject.partial_cmp(text.as_str()), subject == *text.as_str(), expected);
            agree(subject.partial_cmp(&text.as_str()), subject == text.as_str(), expected);
        }
    }
    fn against_views<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        for other in neighbours(bytes) {
            let expected = bytes.cmp(&other);
            let buf = ByteBuf::from(&other[..]);
            agree(view.partial_cmp(&buf), view == buf, expected);
            agree(buf.partial_cmp(&view), buf == view, expected.reverse());
            let foreign = Bytes::from(other.clone());
            agree(view.partial_cmp(&foreign), view == foreign, expected);
            agree(foreign.partial_cmp(&view), foreign == view, expected.reverse());
            let composite: CompositeByteBuf = other.chunks(2).map(<[u8]>::to_vec).collect();
            agree(composite.partial_cmp(&view), composite == view, expected.reverse());
            agree(view.partial_cmp(&composite), view == composite, expected);
        }
    }
    fn order_is_total<S: Subject>(subject: S, bytes: &[u8]) {
        let others = neighbours(bytes);
        let sorted: BTreeSet<S> = others.iter().map(|other| S::simple(other)).collect();
        let expected: BTreeSet<_> = others.into_iter().collect();
        assert!(sorted.iter().map(|one| -> Vec<u8> { one.clone().into() }).eq(expected));
        assert!(sorted.contains(&subject));
        assert_eq!(subject.cmp(&S::simple(bytes)), Ordering::Equal);
    }
    fn hash_is_of_the_content<S: Subject>(subject: S, bytes: &[u8]) {
        assert_eq!(hash(&subject), hash(&S::simple(bytes)));
        let set: HashSet<S> = neighbours(bytes).iter().map(|other| S::simple(other)).collect();
        assert!(set.contains(&subject));
        assert_eq!(set.len(), neighbours(bytes).into_iter().collect::<HashSet<_>>().len());
    }
    fn hash_is_that_of_a_slice<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.clone().into();
        assert_eq!(hash(&view), hash(&bytes));
        let buf: ByteBuf = subject.into();
        assert_eq!(hash(&buf), hash(&bytes));
    }
    cases.extend(cases![
        against_unsized,
        against_text,
        against_views,
        order_is_total,
        hash_is_of_the_content,
        hash_is_that_of_a_slice,
    ]);
    cases
}

fn becoming<S: Subject>() -> Vec<Case<S>> {
    fn vec<S: Subject>(subject: S, bytes: &[u8]) {
        let other = subject.clone();
        let mut vec: Vec<u8> = subject.into();
        assert_eq!(vec, bytes);
        vec.fill(0x55);
        assert_eq!(other, *bytes);
    }
    fn vec_when_alone<S: Subject>(subject: S, bytes: &[u8]) {
        let vec: Vec<u8> = subject.into();
        assert_eq!(vec, bytes);
    }
    fn foreign<S: Subject>(subject: S, bytes: &[u8]) {
        let foreign: Bytes = subject.clone().into();
        drop(subject);
        assert_eq!(foreign, bytes);
        assert_eq!(foreign.slice(bytes.len() / 2..), bytes[bytes.len() / 2..]);
    }
    fn foreign_and_back<S: Subject>(subject: S, bytes: &[u8]) {
        let foreign: Bytes = subject.into();
        let view = ByteView::from(foreign.clone());
        assert_eq!(view, bytes);
        assert_eq!(ByteBuf::from(foreign), bytes);
        assert_eq!(view, bytes);
    }
    fn foreign_back_to_vec<S: Subject>(subject: S, bytes: &[u8]) {
        let foreign: Bytes = subject.into();
        assert_eq!(Vec::from(foreign), bytes);
    }
    fn view<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.clone().into();
        assert_eq!(view, bytes);
        let mut other = view.clone();
        other.advance(bytes.len() / 3);
        drop(view);
        assert_eq!(other, bytes[bytes.len() / 3..]);
        assert_eq!(subject, *bytes);
    }
    fn compacted<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        let (pinned, compact) = (view.pinned(), view.compact());
        assert_eq!(compact, bytes);
        assert!(compact.pinned() <= pinned);
    }
    fn text<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        let expected = std::str::from_utf8(bytes);
        match (ByteStr::try_from(view.clone()), expected) {
            (Ok(text), Ok(expected)) => {
                assert_eq!(text, *expected);
                for (at, _) in expected.char_indices() {
                    assert_eq!(
                        (&text.slice(..at), &text.slice(at..)),
                        (&expected[..at].parse().unwrap(), &expected[at..].parse().unwrap())
                    );
                }
                assert_eq!(ByteView::from(text.clone()), view);
                assert_eq!(String::from(text), expected);
            }
            (Err(error), Err(expected)) => {
                assert_eq!(error.utf8_error(), expected);
                assert_eq!(error.into_view(), bytes);
            }
            (text, expected) => panic!("{text:?}, where std says {expected:?}"),
        }
    }
    fn slice_ref<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        for at in crate::places(bytes.len()) {
            assert_eq!(view.slice_ref(&view[at..]), bytes[at..]);
            assert_eq!(view.slice_ref(&view[..at]), bytes[..at]);
        }
        assert!(view.slice_ref(&[]).is_empty());
        assert!(crate::panics(|| _ = view.slice_ref(b"of another view")));
    }
    fn composite<S: Subject>(subject: S, bytes: &[u8]) {
        let mut composite: CompositeByteBuf = subject.into();
        composite.push_back("tail");
        composite.push_front("head");
        assert_eq!(composite, [b"head", bytes, b"tail"].concat());
        composite.consolidate();
        assert_eq!(composite, [b"head", bytes, b"tail"].concat());
    }
    fn component<S: Subject>(subject: S, bytes: &[u8]) {
        let mut composite = CompositeByteBuf::from_iter(["a", "b"]);
        composite.insert(1, subject);
        assert_eq!(composite, [b"a", bytes, b"b"].concat());
        if !bytes.is_empty() {
            assert_eq!(composite.component_at(1).expect("there"), bytes);
            assert_eq!(composite.remove(1).expect("there"), bytes);
        }
        assert_eq!(composite, "ab");
    }
    fn thawed<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        let unique = view.is_unique();
        match view.try_into_mut() {
            Ok(mut buf) => {
                assert!(unique);
                buf.extend_from_slice(b"more");
                buf.prepend(b"before");
                assert_eq!(buf, [b"before", bytes, b"more"].concat());
            }
            Err(view) => assert_eq!(view, bytes),
        }
    }
    fn shared_is_not_thawed<S: Subject>(subject: S, bytes: &[u8]) {
        let view: ByteView = subject.into();
        let other = view.clone();
        match view.try_into_mut() {
            Err(view) => assert_eq!(view, bytes),
            // An empty view shares no bytes.
            Ok(buf) => assert!(buf.is_empty() && bytes.is_empty()),
        }
        assert_eq!(other, bytes);
    }
    fn buf_of_ones_own<S: Subject>(subject: S, bytes: &[u8]) {
        let other = subject.clone();
        let mut buf: ByteBuf = subject.into();
        buf.iter_mut().for_each(|byte| *byte = !*byte);
        buf.extend_from_slice(b"more");
        assert_eq!(other, *bytes);
        let expected: Vec<u8> = bytes.iter().map(|byte| !byte).chain(*b"more").collect();
        assert_eq!(buf, expected);
    }
    fn iterated<S: Subject>(subject: S, bytes: &[u8]) {
        let composite: CompositeByteBuf = subject.clone().into();
        assert!(composite.iter_bytes().eq(bytes.iter().copied()));
        assert!(composite.iter_bytes().rev().eq(bytes.iter().rev().copied()));
        let view: ByteView = subject.into();
        assert!(view.into_iter().eq(bytes.iter().copied()));
    }
    cases![
        vec,
        vec_when_alone,
        foreign,
        foreign_and_back,
        foreign_back_to_vec,
        view,
        compacted,
        text,
        slice_ref,
        composite,
        component,
        thawed,
        shared_is_not_thawed,
        buf_of_ones_own,
        iterated,
    ]
}
