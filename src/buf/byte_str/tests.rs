use std::collections::HashMap;

use super::*;
use crate::Pool;

const TEXT: &str = "aß水🦀 end";

#[test]
fn every_cut_agrees_with_str() {
    let text = ByteStr::from(TEXT.to_owned());
    for start in 0..=TEXT.len() + 1 {
        for end in 0..=TEXT.len() + 1 {
            let part = text.get_slice(start..end);
            assert_eq!(part.as_deref(), TEXT.get(start..end), "{start}..{end}");
            if let Some(part) = part {
                assert_eq!(text.slice(start..end), part);
                assert!(part.is_empty() || part.as_ptr() == address_of(&text, start));
            }
        }
        let (front, rest) = ((text.clone(), text.clone()), TEXT.split_at_checked(start));
        let cuts = std::panic::catch_unwind(|| {
            let (mut a, mut b) = front;
            let (head, tail) = (a.split_to(start), b.split_off(start));
            (head, a, b, tail)
        });
        assert_eq!(cuts.is_ok(), rest.is_some(), "a cut at {start}");
        if let (Ok((head, a, b, tail)), Some((front, rest))) = (cuts, rest) {
            assert_eq!((&head[..], &a[..], &b[..], &tail[..]), (front, rest, front, rest));
        }
    }
}

fn address_of(text: &ByteStr, at: usize) -> *const u8 {
    text.as_view()[at..].as_ptr()
}

#[test]
fn a_view_that_is_not_utf8_is_returned_in_the_error() {
    for bytes in [&b"\xFF"[..], b"a\xC3", "🦀".as_bytes().split_last().unwrap().1] {
        let view = ByteView::copy_from_slice(bytes);
        let address = view.as_ptr();
        let error = ByteStr::try_from(view).unwrap_err();
        assert_eq!(Some(error.utf8_error()), str::from_utf8(bytes).err());
        assert_eq!(error.as_view().as_ptr(), address);
        assert_eq!(error.into_view(), bytes);
    }
}

#[test]
fn a_string_is_returned_without_a_copy() {
    let string = TEXT.to_owned();
    let address = string.as_ptr();
    let text = ByteStr::from(string);
    assert_eq!(text.as_ptr(), address);
    let string = String::from(text);
    assert_eq!((string.as_ptr(), &string[..]), (address, TEXT));
}

#[test]
fn a_map_with_text_keys_is_searched_by_str() {
    let keys = [ByteStr::from_static("a"), "b".parse().unwrap(), String::from("水").into()];
    let map: HashMap<ByteStr, usize> = keys.into_iter().zip(0..).collect();
    assert_eq!(
        ["a", "b", "水", "c"].map(|key| map.get(key).copied()),
        [Some(0), Some(1), Some(2), None]
    );
}

#[test]
fn parts_share_the_block_and_compact_releases_it() {
    let pool = Pool::builder().build();
    let line = ByteStr::try_from(pool.copy_from_slice(&[b'x'; 1000])).unwrap();
    let part = line.slice(5..9);
    drop(line);
    assert!(part.pinned() >= 1000);
    assert_eq!(part.compact(), "xxxx");
    assert!(pool.stats().live <= 64);
}
