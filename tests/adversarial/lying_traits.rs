//! Traits that promise one thing and do another.

use super::outcome;
use super::resource_baseline::ResourceBaseline;
use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Finder, MultiFinder, Search, WriteQueue};
use bytes::{Buf, BufMut};
use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::ops::{Bound, RangeBounds};

/// Says that it did more than it was asked for.
struct Boaster(usize);

impl Read for Boaster {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        Ok(space.len().saturating_add(self.0))
    }
}

impl Write for Boaster {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len().saturating_add(self.0))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(parts.iter().map(|part| part.len()).sum::<usize>().saturating_add(self.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_claims_too_much_is_an_error() {
    let _baseline = ResourceBaseline::take();
    for more in [1, 100, usize::MAX / 2, usize::MAX] {
        let mut buf = ByteBuf::from(&b"kept"[..]);
        let error = buf.read_from(&mut Boaster(more)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(buf, "kept");
    }
}

#[test]
fn a_reader_that_writes_nothing_exposes_no_old_bytes() {
    let _baseline = ResourceBaseline::take();
    struct Idle;

    impl Read for Idle {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            Ok(space.len())
        }
    }

    drop(ByteBuf::from(vec![0xEE; 4000]));
    let mut secret = ByteBuf::with_capacity(4000);
    secret.put_bytes(0xEE, 4000);
    drop(secret);
    let mut buf = ByteBuf::with_capacity(4000);
    buf.read_from(&mut Idle).expect("it says so");
    assert!(buf.iter().all(|&byte| byte == 0));
}

#[test]
fn a_writer_that_claims_too_much_takes_nothing_from_the_queue_beyond_it() {
    let _baseline = ResourceBaseline::take();
    for more in [1, 100, usize::MAX / 2, usize::MAX] {
        let mut queue = WriteQueue::new();
        queue.push("some bytes");
        queue.push(vec![7; 100_000]);
        let before = queue.pending_bytes();
        let flushed = outcome(|| queue.flush_into(&mut Boaster(more)));
        assert!(matches!(flushed, Ok(Err(_)) | Err(_)), "{flushed:?}");
        assert!(queue.pending_bytes() + queue.flushed_bytes() == before);
        queue.clear();
        assert!(queue.is_empty());
    }
}

/// A `Buf` whose answers are made up: what is left, by calls, and what there is to see.
struct Fable {
    remaining: Vec<usize>,
    chunk: &'static [u8],
    asked: Cell<usize>,
}

impl Buf for Fable {
    fn remaining(&self) -> usize {
        let call = self.asked.replace(self.asked.get() + 1);
        self.remaining.get(call).copied().unwrap_or(0)
    }

    fn chunk(&self) -> &[u8] {
        self.chunk
    }

    fn advance(&mut self, _: usize) {}
}

#[test]
fn a_buf_with_a_false_length_is_put_or_refused() {
    let _baseline = ResourceBaseline::take();
    for first in [0, 1, 3, 4, 100, usize::MAX / 2, usize::MAX] {
        for second in [0, 1, 5, usize::MAX] {
            for chunk in [&b""[..], b"abc"] {
                let mut buf = ByteBuf::from(&b"kept"[..]);
                let remaining = vec![first, second, first, second];
                let fable = Fable { remaining, chunk, asked: Cell::new(0) };
                _ = outcome(|| buf.put(fable));
                assert!(buf.starts_with(b"kept"));
                let put = buf[4..].chunks(3).all(|put| put == b"abc");
                assert!(put, "{buf:?}");
            }
        }
    }
}

#[test]
fn a_buf_with_empty_chunks_and_no_end_is_refused() {
    let _baseline = ResourceBaseline::take();
    struct Void;

    impl Buf for Void {
        fn remaining(&self) -> usize {
            10
        }

        fn chunk(&self) -> &[u8] {
            &[]
        }

        fn advance(&mut self, _: usize) {}
    }

    let mut buf = ByteBuf::from(&b"kept"[..]);
    let text = outcome(|| buf.put(Void)).unwrap_err();
    assert!(text.contains("an empty chunk"), "{text}");
    assert_eq!(buf, "kept");
}

/// An iterator with any hint.
struct Hinting<I>(I, (usize, Option<usize>));

impl<I: Iterator> Iterator for Hinting<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1
    }
}

#[test]
fn false_size_hints_of_iterators_do_no_harm() {
    let _baseline = ResourceBaseline::take();
    for hint in [(0, Some(0)), (1, None), (usize::MAX, None), (usize::MAX, Some(0)), (7, Some(3))] {
        let bytes = || Hinting(b"abcdef".iter().copied(), hint);
        assert_eq!(ByteBuf::from_iter(bytes()), "abcdef");
        assert_eq!(ByteView::from_iter(bytes()), "abcdef");
        let mut buf = ByteBuf::from(&b"-"[..]);
        buf.extend(bytes());
        assert_eq!(buf, "-abcdef");
        let parts = Hinting(["ab", "cd"].into_iter(), hint);
        assert_eq!(CompositeByteBuf::from_iter(parts), "abcd");
    }
}

/// Other bytes each time, ever fewer.
struct Fickle(Cell<usize>);

impl AsRef<[u8]> for Fickle {
    fn as_ref(&self) -> &[u8] {
        let call = self.0.replace(self.0.get() + 1);
        &b"abc"[call.min(3)..]
    }
}

#[test]
fn a_needle_that_changes_gives_a_position_within_the_text() {
    let _baseline = ResourceBaseline::take();
    let text = CompositeByteBuf::from_iter(["xa", "bcx"]);
    for start in 0..4 {
        let needle = || Fickle(Cell::new(start));
        assert!(text.find(needle()).is_none_or(|at| at <= text.len()));
        assert!(text.rfind(needle()).is_none_or(|at| at <= text.len()));
        assert!(b"xabcx".find(needle()).is_none_or(|at| at <= 5));
        if let Ok(mut finder) = Finder::new(&needle()) {
            assert!(finder.feed(b"xabcx").is_none_or(|end| end <= 5));
        }
        if let Ok(mut finder) = MultiFinder::new([needle(), needle()]) {
            let mut rest = &b"xabcx"[..];
            for _ in 0..10 {
                let Ok(Some(found)) = outcome(|| finder.feed(rest)) else { break };
                assert!(found.end <= rest.len() && found.needle < 2);
                rest = &rest[found.end..];
            }
        }
    }
}

/// Other bounds each time.
struct Shifting(Cell<usize>, [Bound<usize>; 4]);

impl Shifting {
    fn next(&self) -> Bound<&usize> {
        self.1[self.0.replace(self.0.get() + 1) % 4].as_ref()
    }
}

impl RangeBounds<usize> for Shifting {
    fn start_bound(&self) -> Bound<&usize> {
        self.next()
    }

    fn end_bound(&self) -> Bound<&usize> {
        self.next()
    }
}

#[test]
fn a_range_that_changes_gives_a_part_or_a_panic() {
    use Bound::{Excluded, Included, Unbounded};
    let _baseline = ResourceBaseline::take();
    const TEXT: &[u8] = b"0123456789";
    let far = usize::MAX;
    for bounds in [
        [Included(2), Excluded(5), Included(far), Included(far)],
        [Included(5), Excluded(2), Unbounded, Unbounded],
        [Unbounded, Included(9), Excluded(far), Excluded(0)],
        [Excluded(9), Unbounded, Included(0), Included(10)],
    ] {
        for start in 0..4 {
            let range = || Shifting(Cell::new(start), bounds);
            let is_part =
                |part: &[u8]| TEXT.windows(part.len().max(1)).any(|w| w.starts_with(part));
            let view = ByteView::from_static(TEXT);
            if let Ok(part) = outcome(|| view.slice(range())) {
                assert!(is_part(&part));
            }
            let parts = CompositeByteBuf::from_iter([&TEXT[..3], &TEXT[3..4], &TEXT[4..]]);
            if let Ok(part) = outcome(|| parts.slice(range()).to_vec()) {
                assert!(is_part(&part));
            }
            if let Ok(part) = outcome(|| parts.chunks_in(range()).collect::<Vec<_>>().concat()) {
                assert!(is_part(&part));
            }
            let mut joined = parts.clone();
            _ = outcome(|| joined.consolidate_components(range()));
            assert_eq!(joined, TEXT);
            let mut buf = ByteBuf::from(TEXT);
            _ = outcome(|| buf.extend_from_within(range()));
            assert!(buf.starts_with(TEXT) && is_part(&buf[10..]));
        }
    }
}
