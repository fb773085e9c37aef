//! Memory that is not there, handles that are never dropped, and drops in any order.

use super::outcome;
use super::resource_baseline::ResourceBaseline;
use bytebuf::testing::{LeakGuard, each_failing_allocation};
use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Pool};
use bytes::{Buf, BufMut, Bytes};
use std::cell::RefCell;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

/// How often a buffer is made to grow; an interpreter takes its time.
const ROUNDS: u8 = if cfg!(miri) { 1 } else { 3 };

/// Runs `operation`, which may fail for lack of memory, by panic: then nothing has changed.
fn or_nothing(buf: &mut ByteBuf, model: &mut Vec<u8>, operation: impl Fn(&mut ByteBuf) -> Vec<u8>) {
    let done = outcome(|| operation(buf));
    if let Ok(expected) = done {
        *model = expected;
    }
    assert_eq!(buf, model);
}

#[test]
fn every_allocation_may_fail_and_changes_nothing() {
    let _baseline = ResourceBaseline::take();
    let allocations = each_failing_allocation(|pool| {
        let Ok(mut buf) = outcome(|| pool.alloc(16)) else { return };
        let mut model = Vec::new();
        for round in 0..ROUNDS {
            let more = vec![round; 70];
            or_nothing(&mut buf, &mut model, |buf| {
                let before = buf.to_vec();
                buf.put_slice(&more);
                [before, more.clone()].concat()
            });
            or_nothing(&mut buf, &mut model, |buf| {
                let before = buf.to_vec();
                buf.prepend(&more);
                [more.clone(), before].concat()
            });
            or_nothing(&mut buf, &mut model, |buf| {
                let longer = buf.len() + 1000;
                let mut expected = buf.to_vec();
                expected.resize(longer, 5);
                buf.resize(longer, 5);
                expected
            });
            or_nothing(&mut buf, &mut model, |buf| {
                buf.extend_from_within(..);
                buf[..buf.len() / 2].repeat(2)
            });
            // A copy is of the same pool, and may fail as well.
            let copy = buf.try_clone().map(ByteBuf::freeze);
            assert_eq!(buf.try_reserve(100_000).is_ok(), buf.capacity() - buf.len() >= 100_000);
            assert_eq!(&buf, &ByteBuf::from(&model[..]));
            assert!(copy.is_err() || copy == Ok(ByteView::from(model.clone())));
            let front = buf.split_to(model.len() / 2);
            assert_eq!(front, model[..model.len() / 2]);
            model.drain(..front.len());
        }
    });
    assert!(allocations >= 3, "{allocations}");
}

#[test]
fn reads_without_memory_are_errors_that_lose_nothing() {
    let _baseline = ResourceBaseline::take();
    each_failing_allocation(|pool| {
        let Ok(mut buf) = pool.try_alloc(8) else { return };
        let content: Vec<u8> = (0..=if cfg!(miri) { 70 } else { 255 }).collect();
        let mut source = &content[..];
        for _ in 0..1000 {
            match buf.read_from(&mut source) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory),
            }
            assert_eq!([&buf[..], source].concat(), content);
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "leaks, as it says")]
fn a_forgotten_handle_of_any_kind_costs_its_block_alone() {
    let baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let filled = || {
        let mut buf = pool.alloc(100);
        buf.put_bytes(1, 100);
        buf
    };
    let forget: [fn(ByteBuf); 6] = [
        std::mem::forget,
        |buf| std::mem::forget(buf.freeze()),
        |buf| std::mem::forget(buf.freeze().slice(3..4)),
        |buf| std::mem::forget(CompositeByteBuf::from(buf)),
        |buf| std::mem::forget(Bytes::from(buf)),
        |mut buf| std::mem::forget(buf.split_to(50)),
    ];
    for (lost, forget) in (1..).zip(forget) {
        forget(filled());
        Pool::flush_thread();
        assert_eq!(pool.stats().live_blocks, lost);
    }
    // Their wakers are gone.
    drop(filled());
    pool.trim();
    let stats = pool.stats();
    baseline.lose(stats.mapped + stats.headers, 0);
    drop(pool);
}

#[test]
#[cfg_attr(miri, ignore = "leaks, as it says")]
fn a_forgotten_waiter_blocks_no_other_waiter() {
    let baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let budget = pool.budget("small", 4096);
    let held = budget.alloc(4096);
    let context = &mut Context::from_waker(Waker::noop());
    let mut lost = Box::pin(budget.alloc_wait(100));
    assert!(lost.as_mut().poll(context).is_pending());
    std::mem::forget(lost);
    drop(held);
    // It has been served, and keeps that for ever; what is left goes to others.
    let used = budget.budget_stats().expect("a budget").used;
    assert!(used < 1000, "{used}");
    let mut next = pin!(budget.alloc_wait(1000));
    let Poll::Ready(Ok(buf)) = next.as_mut().poll(context) else {
        panic!("no waiter is before it")
    };
    assert!(buf.capacity() >= 1000);
    assert!(budget.try_alloc(1000).is_ok());
    let stats = pool.stats();
    baseline.lose(stats.mapped + stats.headers, 0);
}

#[test]
fn budgets_may_be_nested_to_any_depth() {
    let _baseline = ResourceBaseline::take();
    let pool = LeakGuard::new();
    let mut deep = pool.pool().clone();
    for _ in 0..if cfg!(miri) { 100 } else { 300_000 } {
        deep = deep.budget("one more", 4096);
    }
    let buf = deep.alloc(100);
    assert!(deep.try_alloc(5000).is_err());
    drop(deep);
    drop(buf);
}

/// Owners that hold a view of another owner's bytes: the first is the innermost one. Each adds its number to the list when
/// its drop begins and when it ends.
struct Link {
    inner: Option<ByteView>,
    number: usize,
    drops: Arc<Mutex<Vec<usize>>>,
}

impl AsRef<[u8]> for Link {
    fn as_ref(&self) -> &[u8] {
        self.inner.as_deref().unwrap_or(b"innermost")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.drops.lock().unwrap().push(self.number);
        self.inner = None;
        self.drops.lock().unwrap().push(self.number);
    }
}

fn chain_of_owners(length: usize, drops: &Arc<Mutex<Vec<usize>>>) -> ByteView {
    let link = |inner, number| {
        Some(ByteView::from_owner(Link { inner, number, drops: Arc::clone(drops) }))
    };
    (0..length).fold(None, link).unwrap()
}

#[test]
fn owners_of_views_of_owners_may_be_nested_to_any_depth() {
    let _baseline = ResourceBaseline::take();
    let length = if cfg!(miri) { 100 } else { 100_000 };
    let drops = Arc::default();
    let last: [fn(ByteView); 3] = [
        drop,
        |view| drop(Bytes::from(view)),
        |view| {
            // On a thread whose storage has the view.
            thread_local!(static KEPT: RefCell<Option<ByteView>> = const { RefCell::new(None) });
            thread::spawn(|| KEPT.with(|kept| *kept.borrow_mut() = Some(view))).join().unwrap();
        },
    ];
    for last in last {
        let view = chain_of_owners(length, &drops);
        assert_eq!(view, "innermost");
        last(view);
        let mut drops = std::mem::take(&mut *drops.lock().unwrap());
        drops.sort_unstable();
        assert!(drops.into_iter().eq((0..length).flat_map(|number| [number; 2])));
    }
}

#[test]
fn an_owner_in_a_short_chain_is_dropped_within_the_owner_around_it() {
    let drops = Arc::default();
    drop(chain_of_owners(20, &drops));
    let inward = (0..20).rev();
    assert!(drops.lock().unwrap().iter().copied().eq(inward.chain(0..20)));
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = orders(count - 1);
    let with = |order: &Vec<usize>, at| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |at| with(order, at))).collect()
}

#[test]
fn handles_are_dropped_in_any_order_on_any_thread() {
    let _baseline = ResourceBaseline::take();
    for order in orders(5).into_iter().step_by(if cfg!(miri) { 17 } else { 1 }) {
        let pool = LeakGuard::new();
        let mut buf = pool.alloc(200);
        buf.put_bytes(9, 150);
        let rest = buf.split_off(100);
        let mut view = buf.freeze();
        let front = view.split_to(10);
        let handles: [CompositeByteBuf; 5] =
            [view.clone().into(), view.slice(5..).into(), view.into(), front.into(), rest.into()];
        let mut handles = handles.map(Some);
        for (nth, index) in order.into_iter().enumerate() {
            let handle = handles[index].take().expect("each once");
            assert!(handle.chunk().iter().all(|&byte| byte == 9));
            if nth % 2 == 0 {
                drop(handle);
            } else {
                thread::spawn(move || drop(handle)).join().expect("a drop");
            }
        }
    }
}
