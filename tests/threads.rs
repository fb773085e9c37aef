//! Buffers on many threads: shared, sent, freed elsewhere, dropped while a thread ends.
//!
//! All of it runs under Miri too, with smaller numbers.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{
    AllocError, ByteBuf, ByteView, CompositeByteBuf, FileRegion, IndexError, OutOfRange, Payload,
    Pool, PoolBuilder, PoolStats, RecvSizer, Segment, SegmentReader, TryReserveError, WriteQueue,
};
use bytes::{Buf, BufMut};
use resource_baseline::ResourceBaseline;
use std::cell::RefCell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

/// How often a loop that looks for a race goes round.
const ROUNDS: usize = if cfg!(miri) { 12 } else { 20_000 };

fn stamped(pool: &Pool, len: usize, stamp: u8) -> ByteBuf {
    let mut buf = pool.alloc(len);
    buf.put_bytes(stamp, len);
    buf
}

#[track_caller]
fn assert_stamp(bytes: &[u8], stamp: u8) {
    assert!(bytes.iter().all(|&byte| byte == stamp), "foreign bytes among those of {stamp}");
}

/// No buffer is out, and the figures add up. Other threads must have been joined: the end of a scope waits
/// for what they run, not for their thread-local destructors.
#[track_caller]
fn assert_all_returned(pool: &Pool) {
    Pool::flush_thread();
    let stats = pool.stats();
    assert_eq!((stats.live, stats.live_blocks), (0, 0), "{stats}");
    assert_eq!(stats.allocations, stats.releases);
    assert_eq!(stats.mapped, stats.live + stats.cached + stats.free);
    pool.trim();
    assert_eq!(pool.stats().mapped, 0, "{}", pool.stats());
}

#[test]
fn handles_may_move_and_be_shared() {
    let _baseline = ResourceBaseline::take();
    macro_rules! all {
        ($($handle:ty),+ $(,)?) => {$(
            static_assertions::assert_impl_all!($handle: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
        )+};
    }
    all!(ByteBuf, ByteView, CompositeByteBuf, Pool, PoolBuilder);
    all!(FileRegion, Payload, RecvSizer, Segment, SegmentReader, WriteQueue);
    all!(AllocError, IndexError, OutOfRange, TryReserveError);
    #[cfg(unix)]
    all!(bytebuf::MappedFile, bytebuf::MappedFileMut);
    // It may hold an `io::Error`, which is not unwind-safe.
    #[cfg(unix)]
    static_assertions::assert_impl_all!(bytebuf::Splice: Send, Sync, Unpin);
}

#[test]
fn views_are_cloned_cut_and_dropped_everywhere() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    // Small blocks, whose credits are banked, and one that is too large for that.
    for len in [64, 1000, 100_000] {
        let view = stamped(&pool, len, 7).freeze();
        thread::scope(|scope| {
            let part = |part| {
                let mut own = view.clone();
                scope.spawn(move || {
                    for round in 0..ROUNDS / 20 {
                        let twin = own.clone();
                        let mut cut = twin.slice(round % len..);
                        let front = cut.split_to(cut.len() / 2);
                        if len < 100_000 {
                            assert_stamp(&front, 7);
                            assert_stamp(&cut, 7);
                        }
                        drop(twin);
                    }
                    own.truncate(part);
                })
            };
            let parts: Vec<_> = (0..4).map(part).collect();
            parts.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_stamp(&view, 7);
    }
    assert_all_returned(&pool);
}

#[test]
fn asking_for_uniqueness_does_not_undo_a_clone_through_the_same_reference() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let view = stamped(&pool, 256, 1).freeze();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            start.wait();
            for _ in 0..ROUNDS {
                // Counts of the block lie at hand on this thread now.
                drop(view.clone());
                let _ = view.is_unique();
            }
        });
        start.wait();
        for _ in 0..ROUNDS {
            let twin = view.clone();
            assert_stamp(&twin, 1);
            drop(twin);
            Pool::flush_thread();
            // Had the clone's end freed the memory, this would be written over it.
            drop(stamped(&pool, 256, 2));
            assert_stamp(&view, 1);
        }
        other.join().unwrap();
    });
    drop(view);
    assert_all_returned(&pool);
}

#[test]
fn at_most_one_of_two_threads_reclaims_the_memory() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    for round in 0..ROUNDS / 10 {
        let view = stamped(&pool, 128, 3).freeze();
        let twin = view.clone();
        let write = |view: ByteView, stamp: u8| {
            move || match view.try_into_mut() {
                Ok(mut buf) => {
                    buf[..].fill(stamp);
                    assert_stamp(&buf, stamp);
                    true
                }
                Err(view) => {
                    assert_stamp(&view, 3);
                    false
                }
            }
        };
        let (one, two) = (write(view, 1), write(twin, 2));
        let other = thread::spawn(one);
        let won = usize::from(two()) + usize::from(other.join().unwrap());
        assert!(won <= 1, "round {round}: both wrote");
    }
    assert_all_returned(&pool);
}

#[test]
fn a_thread_frees_what_another_allocated() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let (sender, receiver) = mpsc::sync_channel::<(ByteView, u8)>(8);
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let sender = sender;
            for round in 0..ROUNDS {
                let stamp = round as u8;
                let view = stamped(&pool, 1 + round * 37 % 5000, stamp).freeze();
                sender.send((view, stamp)).unwrap();
            }
        });
        for (view, stamp) in receiver {
            assert_stamp(&view, stamp);
        }
        producer.join().unwrap();
    });
    assert_all_returned(&pool);
}

#[test]
fn a_thread_that_ends_releases_its_cached_references() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let view = stamped(&pool, 100, 9).freeze();
    for _ in 0..ROUNDS / 200 + 2 {
        let own = view.clone();
        thread::spawn(move || {
            let more: Vec<_> = (0..40).map(|_| own.clone()).collect();
            drop(more);
            // The thread caches references to `own` as well, and releases all of them when it ends.
        })
        .join()
        .unwrap();
    }
    assert!(view.is_unique());
    drop(view);
    assert_all_returned(&pool);
}

#[test]
fn an_idle_thread_keeps_no_more_than_documented() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let (sender, receiver) = mpsc::channel::<ByteView>();
    let (done, wait) = mpsc::channel();
    let idler = thread::spawn(move || {
        for view in receiver {
            drop(view);
            done.send(()).unwrap();
        }
    });
    let give = |view: ByteView| {
        let twin = view.clone();
        sender.send(view).unwrap();
        wait.recv().unwrap();
        drop(twin);
        Pool::flush_thread();
    };
    for _ in 0..64 {
        give(stamped(&pool, 64 * 1024, 1).freeze());
        give(stamped(&pool, 64 * 1024 + 1, 1).freeze());
    }
    let live = pool.stats().live;
    assert!(live <= 8 * 64 * 1024, "an idle thread holds {live} bytes");

    // A vector counts with all its memory, not with what is in it.
    let mut large = Vec::with_capacity(1 << 20);
    large.push(1);
    let view = ByteView::from(large);
    give(view.clone());
    assert!(view.is_unique(), "an idle thread holds a megabyte");
    drop((view, sender));
    idler.join().unwrap();
    assert_all_returned(&pool);
}

thread_local! {
    static EARLY: RefCell<Vec<ByteView>> = const { RefCell::new(Vec::new()) };
    static LATE: RefCell<Vec<ByteView>> = const { RefCell::new(Vec::new()) };
}

/// Blocks that thread-local destructors drop return to their pool, whether these run before those of the crate or
/// after them: then the thread has no caches any more.
#[test]
fn drops_in_thread_local_destructors_return_their_blocks() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let shared = stamped(&pool, 500, 5).freeze();
    for _ in 0..ROUNDS / 400 + 2 {
        let (pool, mine) = (pool.clone(), shared.clone());
        thread::spawn(move || {
            // Destructors run last in, first out: this one is registered before the crate's.
            EARLY.with(|_| ());
            drop(mine.clone());
            let own = stamped(&pool, 700, 6).freeze();
            LATE.with(|late| late.borrow_mut().extend([mine.clone(), own.clone(), own.slice(3..)]));
            EARLY.with(|early| early.borrow_mut().extend([own, mine]));
        })
        .join()
        .unwrap();
    }
    assert!(shared.is_unique());
    drop(shared);
    assert_all_returned(&pool);
}

/// A destructor that uses the pool anew, after the crate has closed the thread's part of it.
#[test]
fn thread_local_destructors_may_allocate() {
    let _baseline = ResourceBaseline::take();
    struct Allocates(Pool);
    impl Drop for Allocates {
        fn drop(&mut self) {
            let view = stamped(&self.0, 3000, 8).freeze();
            let twin = view.clone();
            drop(view);
            assert_stamp(&twin, 8);
            assert_eq!(twin.try_into_mut().map(|buf| buf.len()), Ok(3000));
            drop(self.0.alloc(2 << 20));
        }
    }
    thread_local! {
        static KEPT: RefCell<Option<Allocates>> = const { RefCell::new(None) };
    }
    let pool = Pool::builder().build();
    let its = pool.clone();
    thread::spawn(move || {
        KEPT.with(|_| ());
        drop(stamped(&its, 3000, 8));
        KEPT.set(Some(Allocates(its)));
    })
    .join()
    .unwrap();
    assert_all_returned(&pool);
}

#[test]
fn buffers_outlive_their_pool_on_any_thread() {
    let _baseline = ResourceBaseline::take();
    for len in [100, 5000, 2 << 20] {
        let pool = Pool::builder().zero_on_release(true).build();
        let (buf, view) = (stamped(&pool, len, 1), stamped(&pool, len, 2).freeze());
        let twin = view.clone();
        drop(pool);
        let other = thread::spawn(move || {
            assert_stamp(&twin[..100], 2);
            drop(twin);
            let mut buf = buf;
            buf.reserve(len * 2);
            buf.put_bytes(1, len);
            buf
        });
        drop(view);
        let mut buf = other.join().unwrap();
        assert_eq!(buf.len(), 2 * len);
        buf.advance(len);
        assert_stamp(&buf[..100], 1);
    }
}

/// A thread is in the middle of its exchanges while the last handle of the pool is dropped.
#[test]
fn a_pool_may_close_while_others_allocate_and_free() {
    let _baseline = ResourceBaseline::take();
    for round in 0..ROUNDS / 100 + 3 {
        let pool = Pool::builder().thread_cache(0).build();
        let full: Vec<_> = (0..200).map(|_| stamped(&pool, 1000, round as u8)).collect();
        let start = Arc::new(Barrier::new(2));
        let other = thread::spawn({
            let start = Arc::clone(&start);
            move || {
                start.wait();
                for mut buf in full {
                    assert_stamp(&buf, round as u8);
                    buf.reserve(1);
                }
            }
        });
        start.wait();
        drop(pool);
        other.join().unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "leaks, as it says")]
fn a_forgotten_handle_costs_its_block_and_nothing_else() {
    let baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    std::mem::forget(stamped(&pool, 1024, 1).freeze().clone());
    std::mem::forget(stamped(&pool, 2 << 20, 1));
    Pool::flush_thread();
    let lost = pool.stats();
    assert_eq!(lost.live, 1024 + (2 << 20));
    for _ in 0..100 {
        drop(stamped(&pool, 1024, 2));
    }
    assert_eq!(pool.stats().live, lost.live);
    let PoolStats { mapped, headers, .. } = pool.stats();
    baseline.lose(mapped + headers, 0);
    drop(pool);
}
