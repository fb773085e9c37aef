//! Every length, range and index, with numbers from both ends and pairs of them that overflow.

use super::outcome;
use super::resource_baseline::ResourceBaseline;
use bytebuf::{
    AllocErrorKind, BufExt, ByteBuf, ByteView, CompositeByteBuf, FileRegion, Peek, Poke, Pool,
    RecvSizer, TryReserveErrorKind, WriteQueue,
};
use bytes::{Buf, BufMut};
use std::ops::Bound;

const TEXT: &[u8] = b"0123456789";

/// Around nothing, around the content, around half of all numbers, around all of them.
const NUMBERS: [usize; 14] = [
    0,
    1,
    9,
    10,
    11,
    64,
    usize::MAX / 2 - 1,
    usize::MAX / 2,
    usize::MAX / 2 + 1,
    usize::MAX - 64,
    usize::MAX - 10,
    usize::MAX - 9,
    usize::MAX - 1,
    usize::MAX,
];

/// No number of these, as a number of bytes, could ever be had.
const ABSURD: [usize; 8] = [
    usize::MAX / 2 - 1,
    usize::MAX / 2,
    usize::MAX / 2 + 1,
    usize::MAX - 64,
    usize::MAX - 10,
    usize::MAX - 9,
    usize::MAX - 1,
    usize::MAX,
];

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b)))
}

fn composite() -> CompositeByteBuf {
    CompositeByteBuf::from_iter([&TEXT[..3], &TEXT[3..4], &TEXT[4..]])
}

fn bounds((a, b): (usize, usize)) -> [(Bound<usize>, Bound<usize>); 6] {
    use Bound::{Excluded, Included, Unbounded};
    [
        (Included(a), Excluded(b)),
        (Included(a), Included(b)),
        (Excluded(a), Excluded(b)),
        (Excluded(a), Included(b)),
        (Unbounded, Included(b)),
        (Excluded(a), Unbounded),
    ]
}

#[test]
fn a_range_is_that_of_a_slice_or_a_panic() {
    let _baseline = ResourceBaseline::take();
    let view = ByteView::from_static(TEXT);
    let parts = composite();
    for range in pairs().flat_map(bounds) {
        let expected = TEXT.get(range);
        let seen = outcome(|| view.slice(range)).ok();
        assert_eq!(seen.as_deref(), expected, "{range:?}");
        let seen = outcome(|| parts.slice(range).to_vec()).ok();
        assert_eq!(seen.as_deref(), expected, "{range:?}");
        let seen = outcome(|| parts.chunks_in(range).collect::<Vec<_>>().concat()).ok();
        assert_eq!(seen.as_deref(), expected, "{range:?}");

        let mut buf = ByteBuf::from(TEXT);
        let extended = outcome(|| buf.extend_from_within(range));
        assert_eq!(extended.is_ok(), expected.is_some(), "{range:?}");
        assert_eq!(buf, [TEXT, expected.unwrap_or_default()].concat());

        let mut parts = parts.clone();
        _ = outcome(|| parts.consolidate_components(range));
        assert_eq!(parts, TEXT);
    }
}

#[test]
fn every_call_checks_its_index() {
    let _baseline = ResourceBaseline::take();
    for n in NUMBERS {
        let fits = n <= TEXT.len();
        let mut view = ByteView::from_static(TEXT);
        assert_eq!(outcome(|| view.split_to(n)).is_ok(), fits);
        let mut view = ByteView::from_static(TEXT);
        assert_eq!(outcome(|| view.split_off(n)).is_ok(), fits);
        assert_eq!(outcome(|| ByteView::from_static(TEXT).advance(n)).is_ok(), fits);
        let mut parts = composite();
        assert_eq!(outcome(|| parts.split_to(n)).is_ok(), fits);
        let mut parts = composite();
        assert_eq!(outcome(|| parts.split_off(n)).is_ok(), fits);
        assert_eq!(outcome(|| composite().advance(n)).is_ok(), fits);
        assert_eq!(outcome(|| composite().copy_to_bytes(n)).is_ok(), fits);
        assert_eq!(outcome(|| composite().insert(n, "x")).is_ok(), n <= 3);
        assert_eq!(composite().remove(n).is_some(), n < 3);
        assert_eq!(parts.component(n).is_some(), n < parts.components().len());
        assert_eq!(composite().component_at(n).is_some(), n < TEXT.len());
        assert_eq!(composite().component_index(n).is_some(), n < TEXT.len());
        assert_eq!(composite().component_offset(n).is_some(), n < 3);
        assert_eq!(composite().peek_u8(n), TEXT.get(n).copied());
        assert_eq!(TEXT.peek_u8(n), TEXT.get(n).copied());
        assert_eq!(TEXT.peek_varint(n).ok().flatten().is_some(), n < TEXT.len());

        let mut buf = ByteBuf::from(TEXT);
        let capacity = buf.capacity();
        assert_eq!(outcome(|| buf.split_to(n)).is_ok(), fits);
        let mut buf = ByteBuf::from(TEXT);
        assert_eq!(outcome(|| buf.split_off(n)).is_ok(), n <= capacity);
        let mut buf = ByteBuf::from(TEXT);
        assert_eq!(outcome(|| buf.commit(n)).is_ok(), n <= capacity - TEXT.len());
        let mut buf = ByteBuf::from(TEXT);
        assert_eq!(buf.set_reader_index(n).is_ok(), fits);
        let mut buf = ByteBuf::from(TEXT);
        assert_eq!(buf.set_writer_index(n).is_ok(), n <= capacity);
        let mut buf = ByteBuf::from(TEXT);
        assert_eq!(buf.set_max_capacity(n).is_ok(), n >= TEXT.len());
        assert_eq!(buf, TEXT);
    }
}

#[test]
fn an_offset_and_a_length_are_checked_together() {
    let _baseline = ResourceBaseline::take();
    for (offset, count) in pairs() {
        let mut expected = TEXT.to_vec();
        let there = offset.checked_add(count).and_then(|end| expected.get_mut(offset..end));
        let fits = there.map(|there| there.fill(b'-')).is_some();
        let mut bytes = TEXT.to_vec();
        assert_eq!(bytes.set_bytes(offset, b'-', count).is_ok(), fits);
        assert_eq!(bytes, expected);
        let mut parts = composite();
        assert_eq!(parts.set_bytes(offset, b'-', count).is_ok(), fits);
        assert_eq!(parts, expected);
        assert_eq!(parts.try_get_str(count).is_ok(), count <= TEXT.len());
    }
}

#[test]
fn an_impossible_capacity_is_an_error_that_changes_nothing() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    for n in ABSURD {
        let error = pool.try_alloc(n).unwrap_err();
        assert_eq!(error.requested(), n);
        assert!(matches!(error.kind(), AllocErrorKind::TooLarge | AllocErrorKind::OutOfMemory));
        assert!(outcome(|| pool.alloc(n)).is_err());
        assert!(outcome(|| ByteBuf::with_capacity(n)).is_err());
        assert!(outcome(|| ByteBuf::zeroed(n)).is_err());

        let mut buf = pool.alloc(0);
        buf.extend_from_slice(TEXT);
        buf.advance(2);
        let error = buf.try_reserve(n).unwrap_err();
        assert_eq!(error.additional(), n);
        let is_of_size = matches!(error.kind(), TryReserveErrorKind::OverMaximum(_));
        assert!(!is_of_size, "{error}");
        assert!(!buf.try_reclaim(n));
        for write in [
            |buf: &mut ByteBuf, n| buf.reserve(n),
            |buf: &mut ByteBuf, n| buf.put_bytes(1, n),
            |buf: &mut ByteBuf, n| buf.resize(n, 1),
        ] {
            assert!(outcome(|| write(&mut buf, n)).is_err());
            assert_eq!(buf, TEXT[2..]);
        }
    }
    assert_eq!(pool.stats().live_blocks, 0);
}

#[test]
fn the_sum_of_two_sizes_does_not_overflow() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().max_memory(64 << 20).build();
    for (front, n) in pairs() {
        let small = front.checked_add(n).is_some_and(|sum| sum < 1000);
        assert_eq!(outcome(|| pool.alloc_with_headroom(front, n)).is_ok(), small);
        let aligned = outcome(|| pool.alloc_aligned(n, front));
        if let Ok(Ok(buf)) = aligned {
            assert!(buf.capacity() >= n);
            assert!(buf.as_ptr().addr().is_multiple_of(front));
        }
        let sizer = outcome(|| RecvSizer::with_range(front, n));
        assert_eq!(sizer.is_ok(), 0 < front && front <= n);
        for (received, offered) in pairs() {
            let Ok(mut sizer) = sizer.clone() else { break };
            sizer.record(received, offered);
            sizer.record(offered, received);
            assert!((front..=n).contains(&sizer.size()));
        }
    }
}

#[test]
fn a_buffer_never_grows_over_any_maximum() {
    let _baseline = ResourceBaseline::take();
    for max in NUMBERS.into_iter().filter(|&max| max >= TEXT.len()) {
        for headroom in [0, 1, 100] {
            for more in [1, 60, 200] {
                let mut buf = ByteBuf::with_headroom(headroom, 0);
                buf.extend_from_slice(TEXT);
                buf.set_max_capacity(max).expect("above the content");
                let fits = TEXT.len() + more <= max;
                let front = vec![b'h'; more];
                assert_eq!(
                    outcome(|| buf.prepend(&front)).is_ok(),
                    fits,
                    "{max} {headroom} {more}"
                );
                assert!(buf.ends_with(TEXT));
                assert!(buf.reader_index() + buf.capacity() <= max);
                assert_eq!(buf.try_reserve(more).is_ok(), buf.len() + more <= max);
                assert!(buf.remaining_mut() <= max);
            }
        }
    }
}

#[test]
fn a_pool_of_any_settings_works_or_is_refused() {
    let _baseline = ResourceBaseline::take();
    for (a, b) in pairs().step_by(if cfg!(miri) { 13 } else { 1 }) {
        let pool = Pool::builder().chunk_size(a).max_memory(b).thread_cache(a).build();
        for size in [0, 100, 100_000] {
            match pool.try_alloc(size) {
                Ok(mut buf) => buf.put_bytes(1, size),
                Err(error) => {
                    assert_eq!((error.kind(), error.limit()), (AllocErrorKind::OverLimit, Some(b)));
                }
            }
        }
        let stats = pool.stats();
        assert!(stats.mapped <= b, "{stats}");
        let budget = pool.budget("any", a).budget("any of any", b);
        for size in NUMBERS {
            let bought = budget.try_alloc(size);
            let used = budget.budget_stats().expect("a budget").used;
            assert!(used <= a.min(b));
            assert!(bought.is_err() || size <= used);
        }
        assert_eq!(budget.budget_stats().expect("a budget").used, 0);
    }
}

#[test]
fn a_region_of_a_file_stays_within() -> std::io::Result<()> {
    let _baseline = ResourceBaseline::take();
    let numbers = [0, 1, 10, 11, u64::MAX / 2, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];
    let file = std::sync::Arc::new(tempfile::tempfile()?);
    for (a, b) in numbers.into_iter().flat_map(|a| numbers.map(|b| (a, b))) {
        assert_eq!(outcome(|| FileRegion::new(file.clone(), a..b)).is_ok(), a <= b);
        let region = FileRegion::new(file.clone(), 5..15);
        let part = outcome(|| region.slice(a..b));
        assert_eq!(part.is_ok(), a <= b && b <= 10);
        if let Ok(part) = part {
            assert_eq!((part.position(), part.len()), (5 + a, b - a));
        }
        assert_eq!(outcome(|| region.clone().split_to(a)).is_ok(), a <= 10);
        assert_eq!(outcome(|| region.clone().advance(a)).is_ok(), a <= 10);
        let mut short = region.clone();
        short.truncate(a);
        assert_eq!(short.len(), a.min(10));

        let far = FileRegion::new(file.clone(), a.min(b)..a.max(b));
        let mut space = ByteBuf::with_capacity(16);
        // The file is empty: it gives nothing, or says why not, wherever it is asked.
        assert!(!matches!(outcome(|| far.read_at(b, &mut space)), Ok(Ok(1..))));
        let mut queue = WriteQueue::new().with_watermarks(0, u64::MAX);
        queue.push(far.clone());
        assert_eq!(queue.pending_bytes(), far.len());
        // Two at once may be more than can be counted.
        if outcome(|| queue.push(far.clone())).is_err() {
            assert!(far.len() > u64::MAX / 2);
            assert_eq!(queue.pending_bytes(), far.len());
        }
        if far.is_empty() {
            assert!(queue.flush_into(&mut Vec::new())?.is_done());
        } else {
            assert!(queue.flush_into(&mut Vec::new()).is_err());
        }
    }
    Ok(())
}
