//! The composite beside a plain `Vec<u8>`: the same results with any boundaries.

use std::{
    hash::{Hash, Hasher},
    io::{BufRead, IoSlice, Read},
};

use bytes::Buf;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::buf::{ByteBuf, Peek, Poke};

/// The kinds of components: unique, shared, static, with spare capacity behind it.
fn part() -> impl Strategy<Value = ByteView> {
    let len = prop_oneof![3 => 0..4_usize, 2 => 0..70_usize, 1 => 0..300_usize];
    (len, 0..4_u8, any::<u8>()).prop_map(|(len, kind, first)| {
        let bytes: Vec<u8> = (0..len).map(|i| first.wrapping_add(i as u8)).collect();
        match kind {
            0 => bytes.into(),
            1 => ByteView::from([&b"##"[..], &bytes, b"##"].concat()).slice(2..2 + len),
            2 => ByteView::from_static(&[7; 300]).slice(..len),
            _ => {
                let mut roomy = ByteBuf::with_capacity(len + 40);
                roomy.extend_from_slice(&bytes);
                roomy.freeze()
            }
        }
    })
}

fn parts() -> impl Strategy<Value = Vec<ByteView>> {
    vec(part(), 0..if cfg!(miri) { 10 } else { 40 })
}

/// Every part as a component of its own.
fn exact(parts: &[ByteView]) -> CompositeByteBuf {
    let mut composite = CompositeByteBuf::new();
    for part in parts {
        composite.insert(composite.components().len(), part.clone());
    }
    composite
}

fn check(composite: &CompositeByteBuf, model: &[u8]) {
    assert_eq!(composite.to_vec(), model);
    assert_eq!(composite.len(), model.len());
    assert_eq!(composite.is_empty(), model.is_empty());
    assert_eq!(composite, model);
    let mut offset = 0;
    for (index, view) in composite.components().enumerate() {
        assert!(!view.is_empty());
        assert_eq!(composite.component(index), Some(view));
        assert_eq!(composite.component_offset(index), Some(offset));
        for at in [offset, offset + view.len() - 1] {
            assert_eq!(composite.component_index(at), Some(index));
            assert_eq!(composite.component_at(at), Some(view));
        }
        offset += view.len();
    }
    assert_eq!(composite.component_at(offset), None);
    assert_eq!(composite.component_offset(composite.components().len()), None);
}

#[derive(Clone, Debug)]
enum Op {
    PushBack(ByteView),
    PushFront(ByteView),
    Insert(Index, ByteView),
    Remove(Index),
    Append(Vec<ByteView>),
    Slice(Index, Index),
    SplitTo(Index),
    SplitOff(Index),
    Truncate(Index),
    Advance(Index),
    Consolidate,
    ConsolidateSome(Index, Index),
    Set(Index, Vec<u8>),
    Fill(Index, Index, u8),
    CopyToBytes(Index),
    ReadInto(Index),
    KeepClone,
    Compact,
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    let at = any::<Index>;
    prop_oneof![
        8 => part().prop_map(Op::PushBack),
        4 => part().prop_map(Op::PushFront),
        4 => (at(), part()).prop_map(|(i, p)| Op::Insert(i, p)),
        3 => at().prop_map(Op::Remove),
        2 => parts().prop_map(Op::Append),
        2 => (at(), at()).prop_map(|(i, j)| Op::Slice(i, j)),
        2 => at().prop_map(Op::SplitTo),
        2 => at().prop_map(Op::SplitOff),
        1 => at().prop_map(Op::Truncate),
        3 => at().prop_map(Op::Advance),
        1 => Just(Op::Consolidate),
        2 => (at(), at()).prop_map(|(i, j)| Op::ConsolidateSome(i, j)),
        4 => (at(), vec(any::<u8>(), 0..90)).prop_map(|(i, b)| Op::Set(i, b)),
        1 => (at(), at(), any::<u8>()).prop_map(|(i, j, b)| Op::Fill(i, j, b)),
        2 => at().prop_map(Op::CopyToBytes),
        2 => at().prop_map(Op::ReadInto),
        1 => Just(Op::KeepClone),
        1 => Just(Op::Compact),
        1 => Just(Op::Clear),
    ]
}

struct World {
    composite: CompositeByteBuf,
    model: Vec<u8>,
    kept: Vec<(CompositeByteBuf, Vec<u8>)>,
}

impl World {
    fn apply(&mut self, op: Op) {
        let Self { composite, model, kept } = self;
        let count = composite.components().len();
        let range = |i: Index, j: Index, len: usize| {
            let (i, j) = (i.index(len + 1), j.index(len + 1));
            i.min(j)..i.max(j)
        };
        // Mostly near the front: a cut in the middle would empty the composite too often.
        let near = |i: Index, len: usize| i.index(len + 1).min(i.index(50));
        match op {
            Op::PushBack(part) => {
                model.extend_from_slice(&part);
                composite.push_back(part);
            }
            Op::PushFront(part) => {
                model.splice(..0, part.iter().copied());
                composite.push_front(part);
            }
            Op::Insert(index, part) => {
                let index = index.index(count + 1);
                let offset = composite.component_offset(index).unwrap_or(model.len());
                model.splice(offset..offset, part.iter().copied());
                composite.insert(index, part);
            }
            Op::Remove(index) => {
                let index = index.index(count + 1);
                let offset = composite.component_offset(index);
                let removed = composite.remove(index);
                assert_eq!(removed.is_some(), offset.is_some());
                if let Some((offset, view)) = offset.zip(removed) {
                    assert_eq!(model.drain(offset..offset + view.len()).as_slice(), view);
                }
            }
            Op::Append(parts) => {
                model.extend(parts.iter().flatten());
                composite.append(exact(&parts));
            }
            Op::Slice(i, j) => {
                let range = range(i, j, model.len());
                let slice = composite.slice(range.clone());
                check(&slice, &model[range.clone()]);
                assert_eq!(composite.chunks_in(range).collect::<Vec<_>>().concat(), slice);
                kept.push((slice.clone(), slice.to_vec()));
            }
            Op::SplitTo(at) => {
                let at = near(at, model.len());
                let tail = model.split_off(at);
                check(&composite.split_to(at), model);
                *model = tail;
            }
            Op::SplitOff(at) => {
                let at = model.len() - near(at, model.len());
                check(&composite.split_off(at), &model.split_off(at));
            }
            Op::Truncate(len) => {
                let len = model.len() + 5 - near(len, model.len() + 5);
                composite.truncate(len);
                model.truncate(len);
            }
            Op::Advance(n) => {
                let n = near(n, model.len());
                composite.advance(n);
                model.drain(..n);
            }
            Op::Consolidate => {
                composite.consolidate();
                assert!(composite.components().len() <= 1);
            }
            Op::ConsolidateSome(i, j) => {
                let range = range(i, j, count);
                composite.consolidate_components(range.clone());
                let merged = range.len().saturating_sub(1);
                assert_eq!(composite.components().len(), count - merged);
            }
            Op::Set(at, bytes) => {
                let at = at.index(model.len() + 1);
                let fits = at + bytes.len() <= model.len();
                assert_eq!(composite.set_slice(at, &bytes).is_ok(), fits);
                if fits {
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            Op::Fill(i, j, byte) => {
                let range = range(i, j, model.len());
                composite.set_bytes(range.start, byte, range.len()).unwrap();
                model[range].fill(byte);
            }
            Op::CopyToBytes(n) => {
                let n = near(n, model.len());
                assert!(composite.copy_to_bytes(n).into_iter().eq(model.drain(..n)));
            }
            Op::ReadInto(n) => {
                let mut dst = vec![0; n.index(300)];
                let n = composite.read(&mut dst).unwrap();
                assert_eq!(n, dst.len().min(model.len()));
                assert!(dst[..n].iter().copied().eq(model.drain(..n)));
            }
            Op::KeepClone => kept.push((composite.clone(), model.clone())),
            Op::Compact => composite.compact(),
            Op::Clear => {
                composite.clear();
                model.clear();
            }
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_calls_behaves_like_a_vec(ops in vec(op(), 1..if cfg!(miri) { 20 } else { 80 })) {
        let (composite, model, kept) = Default::default();
        let mut world = World { composite, model, kept };
        for op in ops {
            world.apply(op);
            check(&world.composite, &world.model);
        }
        // Nothing that happened to one handle shows in another.
        for (composite, model) in &world.kept {
            check(composite, model);
        }
    }

    #[test]
    fn reads_ignore_boundaries(parts in parts()) {
        let (model, composite) = (parts.concat(), exact(&parts));
        prop_assert_eq!(composite.to_byte_view(), &model);
        prop_assert_eq!(ByteView::from(composite.clone()), &model);
        prop_assert_eq!(ByteBuf::from(composite.clone()), &model);
        prop_assert_eq!(Vec::from(composite.clone()), &model[..]);
        prop_assert_eq!(composite.clone().copy_to_bytes(model.len()), &model);
        prop_assert!(composite.iter_bytes().eq(model.iter().copied()));
        prop_assert!(composite.iter_bytes().rev().eq(model.iter().rev().copied()));
        prop_assert!(composite.clone().into_iter().rev().eq(composite.components().rev()));
        let mut all = Vec::new();
        composite.clone().read_to_end(&mut all).unwrap();
        prop_assert_eq!(&all, &model);
        let lines = composite.clone().split(7).map(Result::unwrap);
        prop_assert!(lines.eq(BufRead::split(&model[..], 7).map(Result::unwrap)));
    }

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

    #[test]
    fn typed_access_ignores_boundaries(parts in parts(), at in any::<Index>(), value: u128) {
        let (mut model, mut composite) = (parts.concat(), exact(&parts));
        for at in [at.index(model.len() + 20), usize::MAX - at.index(20)] {
            prop_assert_eq!(composite.peek_u8(at), model.peek_u8(at));
            prop_assert_eq!(composite.peek_u16_le(at), model.peek_u16_le(at));
            prop_assert_eq!(composite.peek_i24(at), model.peek_i24(at));
            prop_assert_eq!(composite.peek_u32(at), model.peek_u32(at));
            prop_assert_eq!(composite.peek_u64_le(at), model.peek_u64_le(at));
            prop_assert_eq!(composite.peek_u128(at), model.peek_u128(at));
            prop_assert_eq!(composite.peek_array::<0>(at), model.peek_array::<0>(at));
            let value64 = value as u64;
            prop_assert_eq!(composite.set_u24(at, value as u32), model.set_u24(at, value as u32));
            prop_assert_eq!(composite.set_u64_le(at, value64), model.set_u64_le(at, value64));
            prop_assert_eq!(composite.set_u128(at, value), model.set_u128(at, value));
            prop_assert_eq!(&composite, &model);
        }
    }

    #[test]
    fn relative_reads_ignore_boundaries(parts in parts()) {
        let (model, mut composite) = (parts.concat(), exact(&parts));
        let mut plain = &model[..];
        while plain.len() >= 15 {
            prop_assert_eq!(composite.get_u8(), plain.get_u8());
            prop_assert_eq!(composite.get_u16(), plain.get_u16());
            prop_assert_eq!(composite.get_u32_le(), plain.get_u32_le());
            prop_assert_eq!(composite.get_f64().to_bits(), plain.get_f64().to_bits());
        }
        let (error, expected) = (composite.try_get_i128_ne(), plain.try_get_i128_ne());
        prop_assert_eq!(error.unwrap_err().to_string(), expected.unwrap_err().to_string());
        prop_assert_eq!(composite, plain);
    }

    #[test]
    fn comparison_and_hash_ignore_boundaries(a in parts(), b in parts(), cut in any::<Index>()) {
        let (x, y) = (a.concat(), b.concat());
        let (first, second) = (exact(&a), exact(&b));
        prop_assert_eq!(first.cmp(&second), x.cmp(&y));
        prop_assert_eq!(first == second, x == y);
        prop_assert_eq!(first.partial_cmp(&y), x.partial_cmp(&y));
        prop_assert_eq!(y.partial_cmp(&first), y.partial_cmp(&x));
        let (left, right) = x.split_at(cut.index(x.len() + 1));
        let other = exact(&[ByteView::copy_from_slice(left), ByteView::copy_from_slice(right)]);
        prop_assert_eq!(&first, &other);
        let calls = hash_calls(&x[..]);
        prop_assert_eq!(&hash_calls(&first), &calls);
        prop_assert_eq!(&hash_calls(&other), &calls);
        prop_assert_eq!(&hash_calls(&first.to_byte_view()), &calls);
        prop_assert_eq!(&hash_calls(&ByteBuf::from(&x[..])), &calls);
    }

    #[test]
    fn io_slices_cover_a_prefix_in_order(parts in parts(), slots in 0..50_usize) {
        let composite = exact(&parts);
        let mut slices = vec![IoSlice::new(&[]); slots];
        let filled = composite.io_slices(&mut slices);
        prop_assert_eq!(filled, slots.min(composite.components().len()));
        let seen: Vec<&[u8]> = slices[..filled].iter().map(|slice| &slice[..]).collect();
        prop_assert!(composite.components().take(filled).eq(seen));
    }
}

/// What is written to a hasher, call by call: to some hashers "ab" is not the same as "a", "b".
fn hash_calls(value: &(impl Hash + ?Sized)) -> Vec<Vec<u8>> {
    #[derive(Default)]
    struct Calls(Vec<Vec<u8>>);
    impl Hasher for Calls {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.push(bytes.to_vec());
        }
    }
    let mut calls = Calls::default();
    value.hash(&mut calls);
    calls.0
}

#[test]
fn a_hash_asks_nothing_of_an_exhausted_budget() {
    let tenant = crate::Pool::builder()
        .build()
        .budget_shedding("tenant", 128, |_| panic!("a hash makes others give up memory"));
    let mut parts = CompositeByteBuf::from(tenant.copy_from_slice(b"ab"));
    parts.push_back(tenant.copy_from_slice(b"c"));
    assert_eq!(hash_calls(&parts), hash_calls(&b"abc"[..]));
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
fn a_change_is_made_in_place_where_the_component_is_alone() {
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
fn bytes_of_one_component_are_given_out_without_copying() {
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
fn debug_shows_at_most_so_much() {
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
