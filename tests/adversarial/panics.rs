//! Owners, closures and traits that panic: at each of their calls, in each operation that calls them.

use super::resource_baseline::ResourceBaseline;
use super::{Owner, outcome};
use bytebuf::testing::{LeakGuard, failing_pool};
use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Payload, Pool, Search, WriteQueue};
use bytes::{Buf, BufMut, Bytes};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// So many owned parts of two bytes each, of which one panics as it is dropped.
fn owned_parts(count: usize, panics: usize, drops: &Arc<AtomicUsize>) -> CompositeByteBuf {
    let part = |index| Owner {
        bytes: vec![index as u8; 2],
        drops: Arc::clone(drops),
        panics: index == panics,
    };
    (0..count).map(|index| ByteView::from_owner(part(index))).collect()
}

type Operation = fn(&mut CompositeByteBuf);

#[test]
fn an_owner_that_panics_in_drop_loses_no_other_bytes() {
    let _baseline = ResourceBaseline::take();
    const PARTS: usize = 6;
    let operations: [(&str, Operation); 14] = [
        ("advance", |parts| parts.advance(9)),
        ("advance over all", |parts| parts.advance(12)),
        ("truncate", |parts| parts.truncate(3)),
        ("clear", CompositeByteBuf::clear),
        ("consolidate", CompositeByteBuf::consolidate),
        ("consolidate the first", |parts| parts.consolidate_components(..3)),
        ("consolidate the last", |parts| parts.consolidate_components(2..)),
        ("compact", CompositeByteBuf::compact),
        ("split and drop", |parts| drop(parts.split_to(7))),
        ("split off and drop", |parts| drop(parts.split_off(5))),
        ("copy out", |parts| drop(parts.copy_to_bytes(9))),
        ("into a buffer", |parts| drop(ByteBuf::from(std::mem::take(parts)))),
        ("into a vector", |parts| drop(Vec::from(std::mem::take(parts)))),
        ("drop", |parts| drop(std::mem::take(parts))),
    ];
    for (name, operation) in operations {
        for panics in 0..PARTS {
            let drops = Arc::new(AtomicUsize::new(0));
            let mut parts = owned_parts(PARTS, panics, &drops);
            _ = outcome(|| operation(&mut parts));
            // What is left is consistent, and bytes of some of the parts in their order.
            let left = parts.to_vec();
            assert_eq!(left.len(), parts.len(), "{name}, part {panics}");
            let is_part = |byte: &u8| usize::from(*byte) < PARTS;
            assert!(
                left.iter().all(is_part) && left.is_sorted(),
                "{name}, part {panics}: {left:?}"
            );
            assert_eq!(parts.components().map(|part| part.len()).sum::<usize>(), parts.len());
            parts.push_back("usable");
            assert!(parts.to_vec().ends_with(b"usable"), "{name}, part {panics}: {parts:?}");
            _ = outcome(|| drop(parts));
            let dropped = drops.load(Ordering::SeqCst);
            assert_eq!(dropped, PARTS, "{name}, part {panics}");
        }
    }
}

#[test]
fn a_panic_of_an_owner_reaches_the_last_drop() {
    let _baseline = ResourceBaseline::take();
    let drops = Arc::new(AtomicUsize::new(0));
    let owner = || Owner { bytes: vec![1; 10_000], drops: Arc::clone(&drops), panics: true };
    let last: [fn(ByteView); 8] = [
        drop,
        |view| drop(Bytes::from(view)),
        |view| drop(Vec::from(view)),
        |view| drop(ByteBuf::from(view)),
        |view| drop(ByteBuf::from(Bytes::from(view))),
        |view| drop(view.compact()),
        |mut view| {
            view.truncate(10);
            drop(view.compact());
        },
        |mut view| {
            view.truncate(0);
            drop(view);
        },
    ];
    for (times, last) in last.into_iter().enumerate() {
        let view = ByteView::from_owner(owner());
        let text = outcome(|| last(view)).unwrap_err();
        assert!(text.contains("does not want to go"), "{text}");
        assert_eq!(drops.load(Ordering::SeqCst), times + 1);
    }
}

#[test]
fn an_owner_that_panics_when_asked_for_its_bytes_is_dropped_once() {
    let _baseline = ResourceBaseline::take();
    struct Refuses(#[expect(dead_code, reason = "held to be dropped")] Owner);

    impl AsRef<[u8]> for Refuses {
        fn as_ref(&self) -> &[u8] {
            panic!("an owner that does not show its bytes");
        }
    }

    let drops = Arc::new(AtomicUsize::new(0));
    let owner = Owner { bytes: vec![1; 100], drops: Arc::clone(&drops), panics: false };
    let text = outcome(|| ByteView::from_owner(Refuses(owner))).unwrap_err();
    assert!(text.contains("does not show its bytes"), "{text}");
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

/// One of many owners, each of which holds views of two others, panics.
#[test]
fn an_owner_that_panics_in_a_long_chain_keeps_no_other_owner() {
    let _baseline = ResourceBaseline::take();
    const LENGTH: usize = 100;
    struct Pair(Owner, #[expect(dead_code, reason = "held to be dropped")] [ByteView; 2]);

    impl AsRef<[u8]> for Pair {
        fn as_ref(&self) -> &[u8] {
            &self.0.bytes
        }
    }

    for panics in (0..LENGTH).step_by(if cfg!(miri) { 33 } else { 1 }) {
        let drops = Arc::new(AtomicUsize::new(0));
        let owner = |panics| Owner { bytes: vec![1], drops: Arc::clone(&drops), panics };
        let mut chain = ByteView::from_owner(owner(false));
        for number in 0..LENGTH {
            let inner = [ByteView::from_owner(owner(false)), chain];
            chain = ByteView::from_owner(Pair(owner(number == panics), inner));
        }
        let text = outcome(|| drop(chain)).unwrap_err();
        assert!(text.contains("does not want to go"), "{text}");
        assert_eq!(drops.load(Ordering::SeqCst), 2 * LENGTH + 1);
        // The next chain is dropped as if there had been no panic.
        drop(ByteView::from_owner(owner(false)));
        assert_eq!(drops.load(Ordering::SeqCst), 2 * LENGTH + 2);
    }
}

#[test]
fn the_drop_of_an_owner_may_use_the_pool() {
    let _baseline = ResourceBaseline::take();
    struct Busy(Pool, Vec<u8>);

    impl AsRef<[u8]> for Busy {
        fn as_ref(&self) -> &[u8] {
            &self.1
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let mut buf = self.0.alloc(1000);
            buf.put_bytes(1, 1000);
            drop(buf.freeze().clone());
            self.0.trim();
            Pool::flush_thread();
        }
    }

    let pool = LeakGuard::new();
    let mut parts = CompositeByteBuf::new();
    for _ in 0..10 {
        parts.push_back(ByteView::from_owner(Busy(pool.pool().clone(), vec![0; 100])));
        let mut own = pool.alloc(100);
        own.put_bytes(2, 100);
        parts.push_back(own);
    }
    parts.advance(1950);
    assert_eq!(parts, [2; 50][..]);
}

/// Panics at one of its calls, whatever it is called for; else it does what is asked.
struct Fuse(usize);

impl Fuse {
    fn burn(&mut self) {
        let left = self.0.checked_sub(1);
        self.0 = left.expect("the fuse has burnt down");
    }
}

impl Read for Fuse {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let n = space.len().min(3);
        space[..n].fill(b'r');
        self.burn();
        Ok(n)
    }
}

impl Iterator for Fuse {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.burn();
        Some(b'i')
    }
}

#[test]
fn a_call_that_panics_leaves_the_buffer_unchanged() {
    let _baseline = ResourceBaseline::take();
    for fuse in 0..if cfg!(miri) { 5 } else { 50 } {
        let pool = LeakGuard::new();
        let mut buf = pool.alloc(8);
        buf.put_slice(b"kept");
        let mut reader = Fuse(fuse);
        let failed = outcome(|| while buf.read_from(&mut reader).is_ok() {});
        assert!(failed.is_err());
        assert_eq!(buf, [b"kept", &vec![b'r'; buf.len() - 4][..]].concat());

        buf.truncate(4);
        assert!(outcome(|| buf.extend(Fuse(fuse))).is_err());
        // Of what the iterator gave, all or nothing may be there, but nothing else.
        assert!(buf.starts_with(b"kept") && buf[4..].iter().all(|&byte| byte == b'i'));

        buf.truncate(4);
        let filled = outcome(|| {
            buf.read_into_spare(|space| {
                space[0].write(b'f');
                Fuse(0).burn();
                Ok::<_, ()>(space[..1].write_copy_of_slice(b"f"))
            })
        });
        assert!(filled.is_err());
        assert_eq!(buf, "kept");
    }
}

#[test]
fn a_panic_during_a_search_leaves_the_text_searchable() {
    let _baseline = ResourceBaseline::take();
    let parts = CompositeByteBuf::from_iter(["abc", "def"]);
    for fuse in 0..6 {
        let mut burning = Fuse(fuse);
        let found = outcome(|| {
            parts.find_by(|_| {
                burning.burn();
                false
            })
        });
        assert!(found.is_err());
        let mut burning = Fuse(fuse);
        let found = outcome(|| {
            b"abcdef".rfind_by(|_| {
                burning.burn();
                false
            })
        });
        assert!(found.is_err());
    }
    assert_eq!(parts, "abcdef");
}

/// Takes a few bytes at a time, until it panics.
struct Sink {
    fuse: Fuse,
    received: Vec<u8>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fuse.burn();
        let n = bytes.len().min(7);
        self.received.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_queue_goes_on_where_a_writer_panicked() {
    let _baseline = ResourceBaseline::take();
    let parts = (0..20_u8).map(|i| vec![i; usize::from(i) * 3]);
    let expected = parts.clone().collect::<Vec<_>>().concat();
    for fuse in (0..100).step_by(if cfg!(miri) { 9 } else { 1 }) {
        let mut queue = WriteQueue::new();
        parts.clone().for_each(|part| _ = queue.push(part));
        let mut sink = Sink { fuse: Fuse(fuse), received: Vec::new() };
        assert!(outcome(|| queue.flush_into(&mut sink)).is_err() || sink.received == expected);
        assert_eq!(queue.flushed_bytes(), sink.received.len() as u64);
        sink.fuse = Fuse(usize::MAX);
        assert!(queue.flush_into(&mut sink).expect("a sink without errors").is_done());
        assert_eq!(sink.received, expected);
    }
}

#[test]
fn a_queue_sends_on_when_an_owner_panics() {
    let _baseline = ResourceBaseline::take();
    const PARTS: usize = 8;
    for panics in (0..PARTS).step_by(if cfg!(miri) { PARTS - 1 } else { 1 }) {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut queue = WriteQueue::new();
        // Large enough not to be merged.
        for index in 0..PARTS {
            let (bytes, drops) = (vec![index as u8; 5000], Arc::clone(&drops));
            let owner = Owner { bytes, drops, panics: index == panics };
            queue.push(ByteView::from_owner(owner));
        }
        let expected = (0..PARTS as u8).flat_map(|index| vec![index; 5000]).collect::<Vec<_>>();
        let mut received = Vec::new();
        let first = outcome(|| queue.flush_into(&mut received).map(|_| ()));
        assert!(first.is_err());
        assert_eq!(queue.flushed_bytes(), received.len() as u64, "part {panics}");
        queue.push("more");
        assert!(queue.flush_into(&mut received).expect("a sink without errors").is_done());
        assert_eq!(received, [&expected, &b"more"[..]].concat());
        assert_eq!(drops.load(Ordering::SeqCst), PARTS);
    }
}

#[test]
fn a_shedder_may_panic() {
    let _baseline = ResourceBaseline::take();
    let guard = LeakGuard::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let pool = guard.budget_shedding("shedding", 4096, move |_| {
        assert_ne!(counter.fetch_add(1, Ordering::SeqCst), 0, "shedding fails");
        false
    });
    let held = pool.alloc(4096);
    assert!(outcome(|| pool.try_alloc(100)).is_err());
    assert!(pool.try_alloc(100).is_err());
    drop(held);
    assert_eq!(pool.budget_stats().expect("a budget").used, 0);
    assert!(pool.try_alloc(100).is_ok());
}

/// Counts its wakes, and panics at them, if it is told to.
struct Sleeper {
    woken: AtomicUsize,
    panics: bool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "a sleeper that does not want to wake");
    }
}

#[test]
fn a_waker_that_panics_does_not_stop_other_wake_ups() {
    let _baseline = ResourceBaseline::take();
    const LINE: usize = 5;
    for panics in 0..=LINE {
        let guard = LeakGuard::new();
        let pool = guard.budget("line", 8192);
        let held = pool.alloc(8192);
        let sleepers: Vec<_> = (0..LINE)
            .map(|nth| Sleeper {
                woken: AtomicUsize::new(0),
                panics: nth == panics || panics == LINE,
            })
            .map(Arc::new)
            .collect();
        let mut line: Vec<_> = sleepers.iter().map(|_| Box::pin(pool.alloc_wait(1024))).collect();
        for (place, sleeper) in line.iter_mut().zip(&sleepers) {
            let waker = Waker::from(Arc::clone(sleeper));
            assert!(place.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(outcome(|| drop(held)).is_err());
        for (place, sleeper) in line.iter_mut().zip(&sleepers) {
            assert_eq!(sleeper.woken.load(Ordering::SeqCst), 1);
            let served = place.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(served, Poll::Ready(Ok(_))));
        }
        drop(line);
        assert_eq!(pool.budget_stats().expect("a budget").used, 0);

        // A waiter that enqueues itself may have to wake others; if a waker panics, it is not left in the queue.
        let held = pool.alloc(8192);
        let mut first = Box::pin(pool.alloc_wait(8192));
        let waker = Waker::from(Arc::clone(&sleepers[0]));
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        _ = outcome(|| drop(held));
        _ = outcome(|| drop(pool.alloc_wait(100)));
        drop(first);
        assert!(pool.try_alloc(8192).is_ok());
    }
}

/// Panics instead of becoming what it should.
struct Refusal;

impl From<Refusal> for ByteView {
    fn from(_: Refusal) -> Self {
        panic!("no view");
    }
}

impl From<Refusal> for Payload {
    fn from(_: Refusal) -> Self {
        panic!("nothing to send");
    }
}

#[test]
fn a_conversion_or_an_iterator_of_parts_may_panic() {
    let _baseline = ResourceBaseline::take();
    let mut parts = CompositeByteBuf::from_iter(["ab", "cd"]);
    let operations: [Operation; 4] = [
        |parts| parts.push_back(Refusal),
        |parts| parts.push_front(Refusal),
        |parts| parts.insert(1, Refusal),
        |parts| parts.extend([Refusal]),
    ];
    for operation in operations {
        assert!(outcome(|| operation(&mut parts)).is_err());
        assert_eq!(parts, "abcd");
    }
    for fuse in 0..5 {
        let mut parts = parts.clone();
        assert!(outcome(|| parts.extend(Fuse(fuse).map(|byte| vec![byte]))).is_err());
        assert_eq!(parts, [b"abcd", &vec![b'i'; fuse][..]].concat());
    }
    let mut queue = WriteQueue::new();
    queue.push("ab");
    assert!(outcome(|| queue.push(Refusal)).is_err());
    assert_eq!(queue.pending_bytes(), 2);
}

#[test]
fn a_pool_of_failures_may_panic_instead() {
    let _baseline = ResourceBaseline::take();
    for fuse in 0..6 {
        let guard = LeakGuard::new();
        let pool = failing_pool(guard.pool(), move |nth| {
            assert_ne!(nth, fuse, "worse than a failure");
            nth % 2 == 1
        });
        let mut buf = ByteBuf::new();
        for len in [10, 100, 1000, 10_000] {
            _ = outcome(|| pool.try_alloc(len).map(|new| buf = new));
            let content = buf.to_vec();
            _ = outcome(|| buf.try_reserve(len));
            assert_eq!(buf, content);
        }
    }
}
