use super::*;
use crate::Pool;
use bytes::{Buf, BufMut};
use core::mem::MaybeUninit;
use proptest::prelude::*;
use std::sync::atomic::{AtomicPtr, Ordering};

fn dirty_pool() -> Pool {
    let pool = Pool::builder().build();
    let mut buf = pool.alloc(4096);
    buf.resize(4096, 0xAA);
    drop(buf);
    pool
}

#[test]
fn spare_capacity_of_a_recycled_block_reads_as_zero() {
    let pool = dirty_pool();
    let mut buf = pool.alloc(4000);
    assert!(buf.writable().iter().all(|&byte| byte == 0));
    drop(buf);

    let pool = dirty_pool();
    let mut buf = pool.alloc(4000);
    buf.put_slice(b"abc");
    buf.set_writer_index(3000).unwrap();
    assert_eq!(&buf[..3], b"abc");
    assert!(buf[3..].iter().all(|&byte| byte == 0));
}

#[test]
fn bytes_above_the_writer_stay_until_spare_capacity_is_handed_out() {
    let mut buf = ByteBuf::with_capacity(8);
    buf.put_slice(b"abcdefgh");
    buf.set_writer_index(2).unwrap();
    buf.set_writer_index(8).unwrap();
    assert_eq!(buf, b"abcdefgh"[..]);
    buf.truncate(2);
    // Safe code could have un-initialised the spare capacity through this slice.
    let _ = buf.spare_capacity_mut();
    buf.commit(6);
    assert_eq!(buf, b"ab\0\0\0\0\0\0"[..]);
}

#[test]
fn bytes_of_as_uninit_mut_are_readable_only_after_set_len() {
    let pool = dirty_pool();
    let mut buf = pool.alloc_with_headroom(4, 12);
    buf.put_slice(b"xxold");
    buf.advance(2);
    let memory = buf.as_uninit_mut();
    assert_eq!(memory.len(), 10);
    // What safe code may do: no byte of this is ever shown.
    memory.fill(MaybeUninit::uninit());
    assert!(buf.is_empty() && buf.reader_index() == 2);
    buf.commit(10);
    assert_eq!(buf, [0; 10][..]);
    buf.set_reader_index(0).unwrap();
    assert_eq!(&buf[..3], b"xx\0");

    let n = buf.as_uninit_mut()[..3].write_copy_of_slice(b"new").len();
    // SAFETY: just written.
    unsafe { buf.set_len(n) };
    buf.prepend(b"head");
    assert_eq!(buf, b"headnew"[..]);
    let rest = buf.split_off(4);
    assert_eq!((&buf[..], &rest[..]), (&b"head"[..], &b"new"[..]));
    assert!(ByteBuf::new().as_uninit_mut().is_empty());
}

#[test]
fn filling_other_memory_is_refused() {
    let mut buf = ByteBuf::with_capacity(8);
    // Kept in sight of leak checkers.
    static KEPT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
    let other: &'static mut [u8] = Box::leak(Box::new(*b"xyz"));
    KEPT.store(other.as_mut_ptr(), Ordering::Relaxed);
    let lie = std::panic::AssertUnwindSafe(|| buf.read_into_spare(move |_| Ok::<_, ()>(other)));
    assert!(std::panic::catch_unwind(lie).is_err());
    assert!(buf.is_empty());
    assert_eq!(buf.read_into_spare(|_| Err("no")), Err("no"));
    assert_eq!(buf.read_into_spare(|_| Ok::<_, ()>(&mut [])), Ok(0));
}

#[test]
#[cfg(unix)]
fn several_spares_are_filled_exactly_and_not_shown_otherwise() {
    let pool = dirty_pool();
    let mut bufs = [pool.alloc(4), pool.alloc(4), pool.alloc(4)];
    bufs[0].put_slice(b"ab");
    let filled = ByteBuf::read_into_spares(&mut bufs, |spares| {
        let mut spares = spares.into_iter();
        let first = spares.next().unwrap().write_copy_of_slice(b"cd");
        let second = spares.next().unwrap()[..1].write_copy_of_slice(b"e");
        Ok::<_, ()>([first, second].into_iter().collect())
    });
    assert_eq!(filled, Ok(3));
    assert_eq!((&bufs[0][..], &bufs[1][..], &bufs[2][..]), (&b"abcd"[..], &b"e"[..], &b""[..]));
    assert_eq!(bufs[1].writable(), [0; 3], "bytes of an earlier owner");
    assert_eq!(ByteBuf::read_into_spares(&mut bufs, |_| Err("no")), Err("no"));
    let swapped = std::panic::AssertUnwindSafe(|| {
        ByteBuf::read_into_spares(&mut bufs, |spares| {
            let parts = spares
                .into_iter()
                .rev()
                .map(|spare| spare.write_copy_of_slice(&[7; 4][..spare.len()]));
            Ok::<_, ()>(parts.collect())
        })
    });
    assert!(std::panic::catch_unwind(swapped).is_err());
}

#[test]
fn headroom_is_used_before_anything_moves() {
    let mut buf = ByteBuf::with_headroom(10, 20);
    buf.put_slice(b"body");
    let body = buf.as_ptr();
    buf.prepend(b"header: ");
    assert_eq!(buf, b"header: body"[..]);
    assert_eq!(buf.as_ptr().wrapping_add(8), body);
    assert_eq!((buf.headroom(), buf.reader_index()), (2, 0));
    buf.prepend(b"more than there is ");
    assert_eq!(buf, b"more than there is header: body"[..]);
}

#[test]
fn headroom_of_what_was_read_can_be_written_again() {
    let mut buf = ByteBuf::from(&b"0123456789"[..]);
    buf.advance(4);
    buf.prepend(b"ab");
    assert_eq!((buf.reader_index(), &buf[..]), (2, &b"ab456789"[..]));
    buf.set_reader_index(0).unwrap();
    assert_eq!(buf, b"01ab456789"[..]);
}

#[test]
fn headroom_survives_freezing() {
    let mut buf = ByteBuf::with_headroom(16, 100);
    buf.put_slice(b"body");
    let view = buf.freeze();
    let clone = view.clone();
    let view = view.try_into_mut().unwrap_err();
    drop(clone);
    let mut buf = view.try_into_mut().unwrap();
    assert_eq!((buf.headroom(), buf.capacity()), (16, 100));
    buf.prepend(b"head ");
    assert_eq!(buf, b"head body"[..]);
}

#[test]
fn a_maximum_is_kept() {
    let mut buf = ByteBuf::with_capacity(4);
    buf.set_max_capacity(10).unwrap();
    buf.put_slice(b"12345678");
    assert!(matches!(buf.try_reserve(3).unwrap_err().kind(), TryReserveErrorKind::OverMaximum(10)));
    buf.put_slice(b"90");
    assert_eq!((buf.len(), buf.capacity()), (10, 10));
    assert!(!buf.try_reclaim(1));
    buf.advance(9);
    assert!(!buf.try_reclaim(10), "space for 11 with a maximum of 10");
    assert!(buf.try_reclaim(9));
    buf.put_slice(b"123456789");
    let error = buf.set_max_capacity(9).unwrap_err();
    assert_eq!((error.index(), error.bounds()), (9, 10..=usize::MAX));
}

#[test]
fn derived_buffers_inherit_the_maximum() {
    let limited = || {
        let mut buf = ByteBuf::from(&b"0123456789"[..]);
        buf.set_max_capacity(32).unwrap();
        buf
    };
    let grown = |mut buf: ByteBuf| {
        assert_eq!(buf.max_capacity(), 32);
        buf.put_bytes(1, 32 - buf.len());
        let error = buf.try_reserve(1).unwrap_err();
        assert!(matches!(error.kind(), TryReserveErrorKind::OverMaximum(32)));
    };
    let (mut first, mut second) = (limited(), limited());
    grown(limited().clone());
    grown(first.split_to(4));
    grown(second.split_off(4));
    let (front, back) = (first.split(), second.split());
    [first, second, front, back].into_iter().for_each(grown);
    let mut whole = limited();
    let rest = whole.split_off(5);
    whole.unsplit(rest);
    grown(whole);
    let mut empty = ByteBuf::new();
    empty.set_max_capacity(32).unwrap();
    empty.unsplit(ByteBuf::from(&b"adopted"[..]));
    assert_eq!(empty, "adopted");
    grown(empty);
    let mut over = ByteBuf::new();
    over.set_max_capacity(3).unwrap();
    let join = std::panic::AssertUnwindSafe(|| over.unsplit(ByteBuf::from(&b"four"[..])));
    assert!(std::panic::catch_unwind(join).is_err());
    assert!(over.is_empty());
    let mut emptied = limited();
    emptied.clear();
    emptied.reserve(20);
    grown(emptied);
}

#[test]
fn without_memory_a_try_call_is_an_error_and_changes_nothing() {
    let tenant = Pool::builder().build().budget("tenant", 128);
    let alloc = |error: &TryReserveError| matches!(error.kind(), TryReserveErrorKind::Alloc(_));
    let mut buf = tenant.try_alloc_with_headroom(4, 60).unwrap();
    buf.put_bytes(7, 60);
    let address = buf.as_ptr();
    assert!(alloc(&buf.try_extend_from_slice(&[1; 100]).unwrap_err()));
    assert!(alloc(&buf.try_prepend(&[1; 100]).unwrap_err()));
    assert!(alloc(&buf.try_resize(161, 1).unwrap_err()));
    assert!(alloc(&buf.try_extend_from_within(..).unwrap_err()));
    assert!(buf.try_resize(usize::MAX, 1).is_err());
    for absurd in [usize::MAX, usize::MAX - 4, isize::MAX as usize] {
        assert!(tenant.try_alloc_with_headroom(absurd, 10).is_err());
        assert!(tenant.try_alloc_with_headroom(10, absurd).is_err());
    }
    let full = tenant.alloc(64);
    assert!(buf.try_clone().is_err() && tenant.try_copy_from_slice(b"x").is_err());
    assert_eq!((buf.as_ptr(), &buf[..]), (address, &[7; 60][..]));
    buf.try_prepend(b"head").unwrap();
    assert_eq!((&buf[..4], buf.len()), (&b"head"[..], 64));
    buf.try_resize(2, 1).unwrap();
    buf.try_extend_from_within(1..).unwrap();
    buf.try_resize(5, b'!').unwrap();
    assert_eq!(buf, b"hee!!"[..]);
    assert!(buf.freeze().try_copy().is_err());
    drop(full);
}

/// If there is no memory for the preferred size, a buffer requests the least size that it needs.
#[test]
fn growing_and_prepending_take_less_if_the_budget_has_less() {
    let tenant = Pool::builder().build().budget("tenant", 64 + 96);
    let mut buf = tenant.alloc(64);
    buf.put_bytes(7, 64);
    buf.try_extend_from_slice(&[8; 32]).unwrap();
    assert_eq!(buf.len(), 96);
    drop(buf);
    let mut buf = tenant.alloc(64);
    buf.put_bytes(7, 64);
    buf.try_prepend(&[8; 32]).unwrap();
    assert_eq!((buf.len(), &buf[..33]), (96, &[&[8; 32][..], &[7]].concat()[..]));
}

#[test]
fn a_copy_is_charged_where_its_original_is() {
    let tenant = Pool::builder().build().budget("tenant", 1 << 20);
    let used = || tenant.budget_stats().unwrap().used;
    let buf = {
        let mut buf = tenant.alloc(1000);
        buf.put_bytes(7, 1000);
        buf
    };
    let one = used();
    let clone = buf.clone();
    assert_eq!(used(), 2 * one);
    let view = clone.freeze();
    let copy = ByteBuf::from(view.clone());
    assert_eq!(used(), 3 * one);
    let other = view.try_copy().unwrap();
    assert_eq!(used(), 4 * one);
    drop((copy, other, view, buf));
    assert_eq!(used(), 0);
}

#[test]
fn a_buffer_without_memory_grows_in_its_own_pool_and_budget() {
    let pool = Pool::builder().zero_on_release(true).build();
    let tenant = pool.budget("tenant", 1 << 20);
    let used = || tenant.budget_stats().unwrap().used;
    type Make = fn(&Pool) -> ByteBuf;
    let makers: [(&str, Make); 7] = [
        ("allocated", |pool| pool.alloc(0)),
        ("with a maximum", |pool| {
            let mut buf = pool.alloc(0);
            buf.set_max_capacity(500).unwrap();
            buf
        }),
        ("cloned", |pool| pool.alloc(100).clone()),
        ("split off behind the capacity", |pool| pool.alloc(100).split_off(100)),
        ("split off behind all bytes", |pool| {
            let mut buf = pool.alloc(100);
            buf.put_bytes(7, 100);
            buf.split_off(100)
        }),
        ("copied", |pool| pool.alloc(100).freeze().try_copy().unwrap()),
        ("after a wait without bytes", |pool| {
            let mut buf = pool.alloc(100);
            buf.release_excess();
            buf
        }),
    ];
    for (which, make) in makers {
        let mut buf = make(&tenant);
        assert_eq!(buf.capacity(), 0, "{which}");
        for _ in 0..2 {
            buf.put_bytes(7, 300);
            assert!((300..=1024).contains(&used()), "{which}: {}", used());
            assert!(pool.stats().live >= 300, "{which}");
            buf.clear();
            buf.release_excess();
            assert_eq!((buf.capacity(), used()), (0, 0), "{which}");
        }
        buf.prepend(b"front");
        assert!(used() > 0, "{which}");
        drop(buf);
        assert_eq!(used(), 0, "{which}");
    }
}

/// A held frame of a connection must not make each read take a block of its own.
#[test]
fn growth_remembers_the_capacity_that_a_buffer_was_made_with() {
    let capacity_after_split = |mut buf: ByteBuf| {
        buf.put_bytes(1, buf.capacity() - buf.len());
        let held = buf.split();
        buf.reserve(1);
        drop(held);
        buf.capacity()
    };
    for made_with in [100, 1024, 1448, 8192, 64 * 1024] {
        let capacity = capacity_after_split(ByteBuf::with_capacity(made_with));
        assert!((made_with..=made_with + 16).contains(&capacity), "{made_with}: {capacity}");
    }
    assert_eq!(capacity_after_split(ByteBuf::with_capacity(1 << 20)), 64 * 1024);
    assert_eq!(capacity_after_split(ByteBuf::new()), 64);

    // A burst is forgotten.
    let mut buf = ByteBuf::with_capacity(2048);
    buf.put_bytes(1, 60_000);
    buf.reserve(1);
    assert!((2048..2048 + 16).contains(&capacity_after_split(buf)));

    let mut limited = ByteBuf::with_capacity(4096);
    limited.set_max_capacity(4096).unwrap();
    assert_eq!(capacity_after_split(limited), 4096);
}

#[test]
fn prepend_keeps_to_the_maximum() {
    let mut buf = ByteBuf::with_headroom(10, 20);
    buf.set_max_capacity(8).unwrap();
    buf.put_slice(b"body");
    buf.prepend(b"of");
    assert_eq!((buf.reader_index(), buf.capacity(), &buf[..]), (0, 8, &b"ofbody"[..]));
    assert!(buf.try_reserve(3).is_err());
    let over = std::panic::AssertUnwindSafe(|| buf.prepend(b"too"));
    assert!(std::panic::catch_unwind(over).is_err());
    assert_eq!(buf, b"ofbody"[..]);
}

#[test]
fn absurd_sizes_are_errors_and_change_nothing() {
    let mut buf = ByteBuf::from(&b"abc"[..]);
    for n in [usize::MAX, usize::MAX - 2, isize::MAX as usize, isize::MAX as usize - 2] {
        let error = buf.try_reserve(n).unwrap_err();
        assert_eq!(error.additional(), n);
        assert!(!buf.try_reclaim(n));
        assert!(Pool::global().try_alloc(n).is_err());
        assert!(Pool::global().alloc_aligned(n, 4096).is_err());
    }
    assert_eq!(buf, b"abc"[..]);
}

/// Where no checker spaces blocks: they lie as their size says.
#[cfg(not(any(miri, asan, valgrind)))]
#[test]
fn an_aligned_buffer_takes_no_more_than_its_size_rounded_up() {
    let pool = Pool::builder().build();
    let mut kept = Vec::new();
    for (n, align) in
        [(1, 1), (100, 64), (600, 512), (4096, 4096), (5000, 4096), (40_000, 2048), (1 << 20, 4096)]
    {
        for _ in 0..5 {
            let mut buf = pool.alloc_aligned(n, align).unwrap();
            assert!(buf.as_ptr().addr().is_multiple_of(align) && buf.capacity() == n);
            buf.put_u8(1);
            let view = buf.freeze();
            let rounded = n.next_multiple_of(align).max(64);
            assert!(view.pinned() <= rounded + rounded / 8, "{n} {align}: {}", view.pinned());
            kept.push(view);
        }
    }
    assert!(pool.alloc_aligned(1, 1 << 16).unwrap().as_ptr().addr().is_multiple_of(1 << 16));
}

#[test]
fn a_vector_is_pinned_with_its_spare_capacity() {
    let mut vec = Vec::with_capacity(100_000);
    vec.push(1);
    let view = ByteView::from(vec);
    assert!(view.pinned() >= 100_000);
    assert!(view.compact().pinned() < 100);
}

#[test]
fn compact_releases_blocks_of_every_size() {
    let pool = Pool::builder().build();
    let sizes = [64, 100, 128, 256, 1000, 1500, 2048, 4096, 4097, 65_536, 1 << 20, (1 << 20) + 1];
    for size in sizes {
        let mut buf = pool.alloc(size);
        buf.resize(size, 7);
        let whole = buf.freeze();
        let (pinned, part) = (whole.pinned(), whole.slice(7..8));
        assert_eq!(
            whole.compact().as_ptr().wrapping_add(7),
            part.as_ptr(),
            "a whole block is kept"
        );
        let part = part.compact();
        // The smallest block is 64 bytes: a copy that saves less than half is not made.
        let left = if pinned >= 128 { 64 } else { pinned };
        assert_eq!((&part[..], part.pinned()), (&[7][..], left));
        assert!(pool.stats().live <= left);
    }
}

#[test]
fn compact_releases_a_block_behind_a_bytes() {
    let pool = Pool::builder().build();
    for size in [256, 4096, 65_536] {
        let received = || {
            let mut buf = pool.alloc(size);
            buf.resize(size, 7);
            buf.freeze()
        };
        let through = bytes::Bytes::from(received().slice(1..3));
        assert_eq!(ByteView::from(through).compact(), [7, 7][..]);
        assert_eq!(pool.stats().live, 0, "a view of {size} bytes that became a `Bytes`");
        let through = bytes::Bytes::from(received()).slice(1..3);
        assert_eq!(ByteView::from(through).compact(), [7, 7][..]);
        assert_eq!(pool.stats().live, 0, "a part of a `Bytes` of {size} bytes");
        let mut parts = crate::CompositeByteBuf::from(bytes::Bytes::from(received().slice(1..3)));
        parts.push_back(ByteView::from(bytes::Bytes::from(received().slice(4..9))));
        parts.compact();
        assert_eq!((parts.len(), pool.stats().live), (7, 0));
    }
    let vec = vec![7; 1000];
    let address = vec.as_ptr();
    let view = ByteView::from(bytes::Bytes::from(vec)).compact();
    assert_eq!(view.as_ptr(), address, "a vector that is full is not copied");
    assert_eq!(
        ByteView::from(bytes::Bytes::from(Vec::from(view))).slice(9..10).compact().pinned(),
        1
    );
}

#[test]
fn a_compact_copy_is_charged_where_the_block_was() {
    let pool = Pool::builder().build();
    let tenant = pool.budget("tenant", 4096 + 128);
    let mut buf = tenant.alloc(4096);
    buf.resize(4096, 7);
    let view = buf.freeze().slice(..9);
    let full = tenant.alloc(128);
    let same = view.as_ptr();
    let view = view.compact();
    assert_eq!(view.as_ptr(), same, "no memory for a copy: unchanged");
    drop(full);
    let view = view.compact();
    assert_eq!((view.len(), tenant.budget_stats().unwrap().used), (9, 64));
    let other = pool.budget("other", 1000);
    let mut buf = tenant.alloc(1000);
    buf.resize(1000, 7);
    let moved = buf.freeze().slice(..9).compact_in(&other);
    assert_eq!(other.budget_stats().unwrap().used, moved.pinned());
    assert_eq!(tenant.budget_stats().unwrap().used, view.pinned());
}

/// What one can do with two buffers that may be parts of each other.
#[derive(Debug, Clone)]
enum Op {
    Put(Vec<u8>),
    Prepend(Vec<u8>),
    Advance(usize),
    Rewind,
    Truncate(usize),
    SplitOff(usize),
    SplitTo(usize),
    Unsplit,
    Reserve(usize),
    Reclaim(usize),
    Discard,
    Resize(usize),
    Freeze,
    Swap,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        bytes().prop_map(Op::Put),
        bytes().prop_map(Op::Prepend),
        (0..100_usize).prop_map(Op::Advance),
        Just(Op::Rewind),
        (0..200_usize).prop_map(Op::Truncate),
        (0..200_usize).prop_map(Op::SplitOff),
        (0..200_usize).prop_map(Op::SplitTo),
        Just(Op::Unsplit),
        (0..300_usize).prop_map(Op::Reserve),
        (0..300_usize).prop_map(Op::Reclaim),
        Just(Op::Discard),
        (0..300_usize).prop_map(Op::Resize),
        Just(Op::Freeze),
        Just(Op::Swap),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2000 }))]

    #[test]
    fn behaves_as_vectors_do(
        ops in prop::collection::vec(op(), 0..if cfg!(miri) { 20 } else { 60 }),
        front in 0..40_usize,
    ) {
        let (mut a, mut b) = (ByteBuf::with_headroom(front, 100), ByteBuf::new());
        let (mut va, mut vb) = (Vec::new(), Vec::new());
        for op in ops {
            match op {
                Op::Put(bytes) => { a.put_slice(&bytes); va.extend_from_slice(&bytes); }
                Op::Prepend(bytes) => { a.prepend(&bytes); va.splice(..0, bytes); }
                Op::Advance(n) => { let n = n.min(a.len()); a.advance(n); va.drain(..n); }
                Op::Rewind => {
                    let at = a.reader_index();
                    a.set_reader_index(0).unwrap();
                    prop_assert_eq!(&a[at..], &va[..]);
                    a.set_reader_index(at).unwrap();
                }
                Op::Truncate(n) => { a.truncate(n); va.truncate(n); }
                Op::SplitOff(n) => {
                    let n = n.min(a.capacity());
                    b = a.split_off(n);
                    vb = va.split_off(n.min(va.len()));
                }
                Op::SplitTo(n) => {
                    let n = n.min(a.len());
                    let rest = va.split_off(n);
                    b = a.split_to(n);
                    vb = std::mem::replace(&mut va, rest);
                }
                Op::Unsplit => { a.unsplit(std::mem::take(&mut b)); va.append(&mut vb); }
                Op::Reserve(n) => { a.reserve(n); prop_assert!(a.capacity() - a.len() >= n); }
                Op::Reclaim(n) => {
                    prop_assert!(!a.try_reclaim(n) || a.capacity() - a.len() >= n);
                }
                Op::Discard => { a.discard_read(); prop_assert_eq!(a.reader_index(), 0); }
                Op::Resize(n) => { a.resize(n, 9); va.resize(n, 9); }
                Op::Freeze => {
                    let shared = a.freeze();
                    let twin = shared.clone();
                    let shared = shared.try_into_mut();
                    prop_assert!(shared.is_err() || twin.is_empty());
                    drop(twin);
                    a = shared.unwrap_or_else(ByteBuf::from);
                }
                Op::Swap => { std::mem::swap(&mut a, &mut b); std::mem::swap(&mut va, &mut vb); }
            }
            prop_assert_eq!(&a[..], &va[..]);
            prop_assert_eq!(&b[..], &vb[..]);
        }
    }
}
