//! Iteration, what an operation copies and charges, and panics. `tests/models/composite.rs` compares the contents with a
//! vector's, `tests/contract` all reads.

use std::hash::{BuildHasher, RandomState};

use bytes::Buf;
use proptest::{collection::vec, prelude::*};

use super::*;

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let len = prop_oneof![3 => 0..4_usize, 2 => 0..70_usize, 1 => 0..300_usize];
    let part = len.prop_flat_map(|len| vec(any::<u8>(), len));
    vec(part, 0..if cfg!(miri) { 10 } else { 40 })
}

/// Every part as a component of its own.
fn exact(parts: &[Vec<u8>]) -> CompositeByteBuf {
    let mut composite = CompositeByteBuf::new();
    for part in parts {
        composite.insert(composite.components().len(), part.clone());
    }
    composite
}

proptest! {
    #[test]
    fn bytes_are_counted_from_both_ends(parts in parts(), ends in vec(any::<bool>(), 0..90)) {
        let (model, composite) = (parts.concat(), exact(&parts));
        let (mut bytes, mut expected) = (composite.iter_bytes(), model.iter().copied());
        for front in ends {
            let pair = match front {
                true => (bytes.next(), expected.next()),
                false => (bytes.next_back(), expected.next_back()),
            };
            prop_assert_eq!(pair.0, pair.1);
            prop_assert_eq!(bytes.len(), expected.len());
        }
        let folded = bytes.fold(Vec::new(), |mut all, byte| { all.push(byte); all });
        prop_assert!(folded.into_iter().eq(expected));
    }

    #[test]
    fn loops_over_bytes_ignore_boundaries(parts in parts(), stop: u8, back in any::<bool>()) {
        let (model, composite) = (parts.concat(), exact(&parts));
        let (mut bytes, mut expected) = (composite.iter_bytes(), model.iter().copied());
        if back {
            // Now the last component is half used.
            prop_assert_eq!(bytes.next_back(), expected.next_back());
        }
        let at = |byte: u8| byte == stop;
        prop_assert_eq!(bytes.clone().position(at), expected.clone().position(at));
        prop_assert_eq!(bytes.clone().any(at), expected.clone().any(at));
        prop_assert_eq!(bytes.clone().all(at), expected.clone().all(at));
        prop_assert_eq!(bytes.find(|byte| at(*byte)), expected.find(|byte| at(*byte)));
        prop_assert!(bytes.eq(expected));
    }
}

#[test]
fn hashing_works_with_an_exhausted_budget() {
    let tenant = crate::Pool::builder()
        .build()
        .budget_shedding("tenant", 128, |_| panic!("a hash makes others give up memory"));
    let mut parts = CompositeByteBuf::from(tenant.copy_from_slice(b"ab"));
    parts.push_back(tenant.copy_from_slice(b"c"));
    let hasher = RandomState::new();
    assert_eq!(hasher.hash_one(&parts), hasher.hash_one(&b"abc"[..]));
    assert_eq!(tenant.budget_stats().unwrap().refused, 0);
}

#[test]
fn a_byte_pushed_while_its_slice_is_held_costs_a_small_block() {
    let pool = crate::Pool::builder().build();
    let mut composite: CompositeByteBuf = (0..MERGE_AFTER).map(|_| vec![0]).collect();
    let mut held = Vec::new();
    for i in 0..200 {
        composite.push_back(pool.copy_from_slice(&[i]));
        held.push(composite.slice(composite.len() - 1..).to_byte_view());
    }
    assert!(held.iter().zip(0..).all(|(slice, i)| slice[..] == [i]));
    let largest = held.iter().map(ByteView::pinned).max().unwrap();
    assert!(largest <= 256, "one byte keeps {largest}");
    assert!(composite.components().len() <= MERGE_AFTER + 200 / MERGE_BELOW + 1);
}

#[test]
fn copies_are_charged_and_zeroed_where_the_bytes_were() {
    let pool = crate::Pool::builder().build();
    let tenant = pool.budget("tenant", 1 << 20);
    let used = || tenant.budget_stats().unwrap().used;
    let part = |len: usize| tenant.copy_from_slice(&vec![7; len]);
    let parts = || -> CompositeByteBuf { [part(100), part(200)].into_iter().collect() };

    let before = used();
    let whole = parts().to_byte_view();
    assert_eq!(used() - before, whole.pinned());
    let mut one = parts();
    one.consolidate();
    assert_eq!(used() - before, whole.pinned() + one.component(0).unwrap().pinned());
    drop(one);

    let mut poked = CompositeByteBuf::from(whole.clone());
    poked.set_u8(3, 1).unwrap();
    assert_eq!(used() - before, 2 * whole.pinned());
    drop((poked, whole));

    let mut many: CompositeByteBuf =
        (0..MERGE_AFTER).map(|_| ByteView::from_static(b"x")).collect();
    many.push_back(part(1));
    many.push_back(part(1));
    let merged = many.components().next_back().unwrap();
    assert_eq!((merged.len(), used() - before), (3, merged.pinned()));

    // A secret part at any place makes the whole copy secret.
    let secrets = crate::Pool::builder().zero_on_release(true).build();
    let mixed = [part(100), secrets.copy_from_slice(b"key"), part(100)];
    let live = secrets.stats().live;
    let whole = mixed.into_iter().collect::<CompositeByteBuf>().to_byte_view();
    assert!(secrets.stats().live >= live + whole.len() - 3);
}

#[test]
fn a_small_part_is_merged_only_into_memory_of_its_own_pool_and_budget() {
    let plain = crate::Pool::builder().build();
    let tenant = plain.budget("tenant", 1 << 20);
    let secrets = crate::Pool::builder().zero_on_release(true).build();
    let behind = |last: ByteView, part: ByteView| {
        let mut parts: CompositeByteBuf = std::iter::repeat_n("x", MERGE_AFTER).collect();
        parts.insert(MERGE_AFTER, last);
        parts.push_back(part);
        parts
    };
    let with_spare_capacity = |pool: &crate::Pool| {
        let mut buf = pool.alloc(40);
        buf.extend_from_slice(b"a");
        buf.freeze()
    };
    let pools = [&plain, &tenant, &secrets];
    for last in pools {
        for pool in pools {
            let parts = behind(with_spare_capacity(last), pool.copy_from_slice(b"b"));
            let is_merged = parts.components().len() == MERGE_AFTER + 1;
            assert_eq!(is_merged, std::ptr::eq(last, pool));
        }
    }
    // Behind the end of a part of a vector is the rest of the vector.
    for len in [1, MERGE_BELOW] {
        let parts =
            behind(ByteView::from(vec![7; 100]).slice(..len), secrets.copy_from_slice(b"b"));
        let last = parts.components().next_back().unwrap();
        assert!(last.ends_with(b"b") && last.block().unwrap().is_zeroed_on_release());
    }
}

#[test]
fn no_part_is_lost_when_a_merge_panics() {
    let tenant = crate::Pool::builder()
        .build()
        .budget_shedding("tenant", 64, |_| panic!("no memory is given up"));
    let mut parts: CompositeByteBuf = std::iter::repeat_n("x", MERGE_AFTER).collect();
    parts.insert(MERGE_AFTER, tenant.copy_from_slice(b"last"));
    let all = [&parts.to_vec()[..], b"next"].concat();
    let push = std::panic::AssertUnwindSafe(|| parts.push_back("next"));
    assert!(std::panic::catch_unwind(push).is_err());
    assert_eq!(parts, all);
}

#[test]
fn a_write_that_has_no_memory_changes_no_component() {
    let tenant = crate::Pool::builder().build().budget("tenant", 1024);
    let part = tenant.copy_from_slice(&[7; 300]);
    let mut parts: CompositeByteBuf = [part.clone(), part.clone()].into_iter().collect();
    // Memory for one copy, and not for two.
    let _rest = tenant.alloc(320);
    let writes: [fn(&mut CompositeByteBuf); 2] = [
        |parts| parts.set_slice(298, b"four").unwrap(),
        |parts| parts.set_bytes(298, 9, 4).unwrap(),
    ];
    for write in writes {
        let write = std::panic::AssertUnwindSafe(|| write(&mut parts));
        assert!(std::panic::catch_unwind(write).is_err());
        assert_eq!(parts, [7; 600][..]);
    }
}

#[test]
fn without_memory_a_try_call_is_an_error_and_changes_nothing() {
    let tenant = crate::Pool::builder().build().budget("tenant", 1024);
    let part = tenant.copy_from_slice(&[7; 300]);
    let mut parts: CompositeByteBuf = [part.clone(), part.clone(), part].into_iter().collect();
    let _rest = tenant.alloc(640);
    let pieces: Vec<_> = parts.components().map(|part| part.as_ptr()).collect();
    assert!(parts.try_to_byte_view().is_err());
    assert!(parts.try_consolidate(..).is_err());
    assert!(parts.try_consolidate(1..).is_err());
    assert!(parts.try_make_writable(..).is_err());
    assert!(parts.components().map(|part| part.as_ptr()).eq(pieces));
    assert_eq!(parts, [7; 900][..]);
    drop(_rest);
    parts.try_make_writable(300..301).unwrap();
    let _rest = tenant.alloc(300);
    assert!(tenant.try_alloc(1024 - 640).is_err());
    parts.set_u8(301, 9).unwrap();
    assert_eq!(parts.peek_u8(301), Some(9));
}

#[test]
fn a_copy_that_has_no_memory_removes_nothing() {
    let tenant = crate::Pool::builder().build().budget("tenant", 1024);
    let part = tenant.copy_from_slice(&[7; 300]);
    let mut parts: CompositeByteBuf = [part.clone(), part].into_iter().collect();
    let _rest = tenant.alloc(640);
    let copy = std::panic::AssertUnwindSafe(|| parts.copy_to_bytes(500));
    assert!(std::panic::catch_unwind(copy).is_err());
    assert_eq!(parts, [7; 600][..]);
}

#[test]
fn an_empty_range_is_writable_without_a_copy() {
    let shared = ByteView::from(vec![7; 100]);
    let mut parts = CompositeByteBuf::from(shared.clone());
    for empty in [0..0, 50..50, 100..100] {
        parts.try_make_writable(empty).unwrap();
    }
    assert_eq!(parts.component(0).unwrap().as_ptr(), shared.as_ptr());
}

#[test]
fn single_bytes_do_not_make_the_list_long() {
    let many = if cfg!(miri) { 1_000 } else { 100_000_u32 };
    let bytes: Vec<u8> = (0..many).map(|i| i as u8).collect();
    let mut composite = CompositeByteBuf::new();
    composite.extend(bytes.iter().map(|byte| vec![*byte]));
    assert_eq!(composite, bytes);
    assert!(composite.components().len() <= MERGE_AFTER + bytes.len() / MERGE_BLOCK + 5);
}

#[test]
fn shared_tails_are_not_written_to() {
    let mut composite = CompositeByteBuf::new();
    let mut snapshots = Vec::new();
    let most = if cfg!(miri) { 50 } else { 255_u8 };
    for i in 0..=most {
        composite.push_back(vec![i]);
        snapshots.push(composite.clone());
    }
    for (last, snapshot) in snapshots.iter().enumerate() {
        assert!(snapshot.iter_bytes().eq(0..=last as u8));
    }
    // Each byte is still copied a bounded number of times, into blocks of at least `MERGE_BELOW`.
    assert!(composite.components().len() <= MERGE_AFTER + 256 / MERGE_BELOW + 1);
}

#[test]
fn few_or_large_components_keep_their_boundaries() {
    let few: CompositeByteBuf = std::iter::repeat_n("x", MERGE_AFTER).collect();
    assert_eq!(few.components().len(), MERGE_AFTER);
    let large: CompositeByteBuf = (0..100).map(|_| vec![0; MERGE_BELOW]).collect();
    assert_eq!(large.components().len(), 100);
}

#[test]
fn a_unique_component_is_changed_in_place() {
    let mut composite: CompositeByteBuf = [vec![1, 2], vec![3, 4]].into_iter().collect();
    let shared = composite.component(1).unwrap().clone();
    let before: Vec<_> = composite.components().map(|view| view.as_ptr()).collect();
    composite.set_slice(1, &[8, 9]).unwrap();
    let after: Vec<_> = composite.components().map(|view| view.as_ptr()).collect();
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(composite, [1, 8, 9, 4][..]);
    assert_eq!(shared, [3, 4][..]);
}

#[test]
fn bytes_of_one_component_are_returned_without_copying() {
    let mut composite: CompositeByteBuf = ["abcd", "efgh", "ij"].into_iter().collect();
    let at = |c: &CompositeByteBuf, offset| c.component_at(offset).unwrap().as_ptr();
    let (first, second) = (at(&composite, 0), at(&composite, 4));
    assert_eq!(composite.copy_to_bytes(4).as_ptr(), first);
    assert_eq!(composite.copy_to_bytes(2).as_ptr(), second);
    assert_eq!(composite.copy_to_bytes(4), "ghij");
}

#[test]
fn a_queue_that_never_empties_stays_small() {
    let mut composite = CompositeByteBuf::from(vec![0; 100]);
    for i in 0..if cfg!(miri) { 100 } else { 10_000 } {
        composite.push_back(vec![i as u8; 100]);
        composite.advance(100);
        composite.push_front(vec![0; 3]);
        composite.advance(3);
    }
    assert_eq!(composite.len(), 100);
    assert_eq!(composite.components().len(), 1);
}

#[test]
fn debug_output_is_limited() {
    let composite = CompositeByteBuf::from_iter(["a\n", "\0'\"\u{7f}"]);
    let expected = r#"CompositeByteBuf { len: 6, components: 2, bytes: b"a\n\0'\"\x7f" }"#;
    assert_eq!(format!("{composite:?}"), expected);
    let long = CompositeByteBuf::from(vec![0xFF; 1 << 20]);
    assert!(format!("{long:?}").len() < 4096);
    assert!(format!("{long:?}").contains("and 1048064 bytes more"));
    assert!(format!("{:?}{:?}", long.components(), long.iter_bytes()).len() < 4096);
}

#[test]
#[should_panic(expected = "requested 4 but only 3 available")]
fn a_read_behind_the_end_panics() {
    CompositeByteBuf::from("abc").get_u32();
}

#[test]
#[should_panic(expected = "range end out of bounds: 4 <= 3")]
fn a_slice_out_of_range_panics() {
    let _ = CompositeByteBuf::from("abc").slice(2..4);
}

#[test]
#[should_panic(expected = "cannot advance past the end: 4 <= 3")]
fn an_advance_out_of_range_panics() {
    CompositeByteBuf::from("abc").advance(4);
}
