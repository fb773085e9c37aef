//! What the methods do, and when they panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf, BufMut};

use super::{Bytes, BytesMut};
use crate::resource_baseline::ResourceBaseline;

fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "it is to be refused")]
fn what_is_out_of_bounds_panics_and_changes_nothing() {
    let _baseline = ResourceBaseline::take();
    let mut bytes = Bytes::from(b"0123456789".to_vec());
    assert!(panics(|| bytes.slice(11..)));
    assert!(panics(|| bytes.slice(..=usize::MAX)));
    assert!(panics(|| bytes.slice(3..2)));
    assert!(panics(|| bytes.slice_ref(b"elsewhere")));
    assert!(panics(|| bytes.split_to(11)));
    assert!(panics(|| bytes.split_off(11)));
    assert!(panics(|| bytes.advance(11)));
    assert!(panics(|| bytes.copy_to_bytes(11)));
    bytes.truncate(11);
    assert_eq!(bytes, "0123456789");

    let mut buf = BytesMut::with_capacity(16);
    buf.put_slice(b"0123456789");
    assert!(panics(|| buf.split_to(11)));
    assert!(panics(|| buf.split_off(17)));
    assert!(panics(|| buf.advance(11)));
    assert!(panics(|| buf.copy_to_bytes(11)));
    assert!(panics(|| buf.extend_from_within(5..11)));
    assert!(panics(|| buf.extend_from_within(..=usize::MAX)));
    assert!(panics(|| buf.reserve(usize::MAX)));
    assert!(panics(|| buf.resize(usize::MAX, 0)));
    assert!(panics(|| buf.put_bytes(0, usize::MAX)));
    buf.truncate(11);
    assert_eq!(buf, "0123456789");
    assert_eq!(buf.remaining_mut(), isize::MAX as usize - 10);
}

#[test]
fn parts_share_memory_and_keep_addresses() {
    let _baseline = ResourceBaseline::take();
    let whole = Bytes::from(b"0123456789".to_vec());
    let start = whole.as_ptr();
    let mut rest = whole.clone();
    let front = rest.split_to(4);
    let back = rest.split_off(3);
    assert_eq!((&front[..], &rest[..], &back[..]), (&b"0123"[..], &b"456"[..], &b"789"[..]));
    for (part, at) in [(&front, 0), (&rest, 4), (&back, 7)] {
        assert_eq!(part.as_ptr(), start.wrapping_add(at));
    }
    assert_eq!(whole.slice_ref(&front[1..3]).as_ptr(), start.wrapping_add(1));
    assert!(whole.slice_ref(b"").is_empty());
    for at in [0, 10] {
        assert_eq!(whole.slice(at..at).as_ptr(), start.wrapping_add(at));
    }
}

#[test]
fn empty_parts_hold_no_memory() {
    let _baseline = ResourceBaseline::take();
    let mut bytes = Bytes::from(vec![1, 2, 3]);
    let before = bytes.split_to(0);
    let behind = bytes.split_off(3);
    assert!(bytes.is_unique());
    assert_eq!((before.len(), behind.len()), (0, 0));
    assert!(!before.is_unique() && !behind.is_unique());
}

#[test]
fn only_the_last_handle_gets_writing_back() {
    let _baseline = ResourceBaseline::take();
    let bytes = Bytes::from(b"shared".to_vec());
    let other = bytes.clone();
    assert!(!bytes.is_unique());
    let bytes = bytes.try_into_mut().unwrap_err();
    drop(other);
    assert!(bytes.is_unique());
    let start = bytes.as_ptr();
    let mut buf = bytes.try_into_mut().unwrap();
    assert_eq!(buf.as_ptr(), start);
    buf[0] = b'S';
    buf.extend_from_slice(b"!");
    assert_eq!(buf, "Shared!");

    assert!(Bytes::from_static(b"fixed").try_into_mut().is_err());
    assert!(Bytes::from_owner(*b"owned").try_into_mut().is_err());
    assert!(!Bytes::from_owner(*b"owned").is_unique());
}

#[test]
fn split_buffers_join_again_without_copying() {
    let _baseline = ResourceBaseline::take();
    let mut front = BytesMut::with_capacity(64);
    front.extend_from_slice(b"frontback");
    let start = front.as_ptr();
    let back = front.split_off(5);
    assert_eq!((front.capacity(), back.capacity()), (5, 59));
    front.unsplit(back);
    assert_eq!((front.as_ptr(), front.capacity()), (start, 64));
    assert_eq!(front, "frontback");

    let taken = front.split();
    assert_eq!((taken.capacity(), front.capacity(), front.len()), (9, 55, 0));
    let stranger = BytesMut::from("stranger");
    let stranger = front.try_unsplit(stranger).unwrap_err();
    front.unsplit(stranger);
    assert_eq!(front, "stranger");
}

#[test]
fn reserve_reclaims_space_that_no_other_handle_uses() {
    let _baseline = ResourceBaseline::take();
    let mut buf = BytesMut::with_capacity(64);
    buf.put_bytes(b'x', 64);
    let start = buf.as_ptr();
    buf.advance(60);
    assert!(buf.try_reclaim(60));
    assert_eq!((buf.as_ptr(), &buf[..]), (start, &b"xxxx"[..]));
    assert!(!buf.try_reclaim(1000));

    let taken = buf.split();
    assert!(!buf.try_reclaim(64));
    drop(taken);
    assert!(buf.try_reclaim(64));
}

#[test]
fn methods_of_slices_are_not_hidden() {
    let _baseline = ResourceBaseline::take();
    let mut buf = BytesMut::zeroed(4);
    buf.fill(7);
    buf[1..].fill_with(|| 8);
    buf.reverse();
    assert_eq!(buf.first().zip(buf.last()), Some((&8, &7)));
    assert!(buf.contains(&7) && buf.starts_with(&[8]) && buf.is_ascii());
    assert_eq!(Bytes::from("a b").split(|byte| *byte == b' ').count(), 2);
    assert_eq!(Bytes::from(" a ").trim_ascii().to_vec(), b"a");
}

#[test]
fn sources_of_any_shape_are_put() {
    let _baseline = ResourceBaseline::take();
    let mut buf = BytesMut::new();
    buf.put(Bytes::from("ab").chain(BytesMut::from("cd")).chain(&b"ef"[..]));
    buf.put(Bytes::from("ghij").take(2));
    buf.put(Bytes::new());
    assert_eq!(buf, "abcdefgh");
    let mut limited = (&mut buf).limit(3);
    limited.put_slice(b"ijk");
    assert_eq!((limited.remaining_mut(), &buf[..]), (0, &b"abcdefghijk"[..]));
}
