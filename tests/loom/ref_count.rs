//! A block is freed exactly once, after the last access of every thread.

use crate::count::{Count, LIMIT};
use crate::fixtures::{Block, Thread};
use crate::ref_cache::{BATCH, Counted};
use loom::sync::Arc;
use loom::thread::spawn;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Two threads without a cache drop a handle each. Catches: `release` not `Release`; no `Acquire` after the last
/// `release`.
#[test]
fn count_last_drop_visibility() {
    loom::model(|| {
        let block = Block::new(0);
        block.count().acquire(1);
        let other = spawn(move || Thread::closed().release(block));
        Thread::closed().release(block);
        other.join().unwrap();
        assert!(block.is_freed());
    });
}

/// Each thread clones and drops. Catches: `references` not `Acquire`; `release_local` that does not compare with the
/// cached references.
#[test]
fn count_clone_drop() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let other = spawn(move || {
            let there = Thread::new();
            let twin = there.acquire(sent);
            there.release(sent);
            there.release(twin);
            there.exit();
        });
        here.release(block);
        other.join().unwrap();
        here.exit();
        assert!(block.is_freed());
    });
}

/// One thread clones, drops and exits with cached references, while the other, which has no cache, drops the
/// last handle. Catches: `flush` that skips a slot; `release` not `Release`.
#[test]
fn thread_exit_with_cached_references() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        here.release(block);
        let other = spawn(move || Thread::closed().release(sent));
        here.exit();
        other.join().unwrap();
        assert!(block.is_freed());
    });
}

/// A thread that caches all other references to a block drops the last handle: the block is freed at once,
/// whatever the other thread did before. Catches: `release_local` that never compares with the cached references.
#[test]
fn last_drop_frees_with_cached_references() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let (sent, twin) = (here.acquire(block), here.acquire(block));
        let other = spawn(move || Thread::closed().release(sent));
        here.release(block);
        other.join().unwrap();
        here.release(twin);
        assert!(block.is_freed());
        here.exit();
    });
}

/// Both threads cache references at the end: the thread that flushes its cache last frees the block.
#[test]
fn two_caches_are_flushed() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let other = spawn(move || {
            let there = Thread::new();
            there.release(sent);
            there.exit();
        });
        here.release(block);
        here.exit();
        other.join().unwrap();
        assert!(block.is_freed());
    });
}

/// Two blocks have the same slot, on two threads. Catches: an eviction that frees without a look at the result
/// of `release`, or that loses references.
#[test]
fn two_blocks_one_slot() {
    loom::model(|| {
        let (a, b, here) = (Block::new(3), Block::new(3), Thread::new());
        let (sent_a, sent_b) = (here.acquire(a), here.acquire(b));
        let other = spawn(move || {
            let there = Thread::new();
            there.release(sent_a);
            there.release(sent_b);
            there.exit();
        });
        here.release(a);
        here.release(b);
        here.exit();
        other.join().unwrap();
        assert!(a.is_freed() && b.is_freed());
    });
}

/// Three threads, one of them without a cache.
#[test]
fn three_threads() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let (first, second) = (here.acquire(block), here.acquire(block));
        let one = spawn(move || {
            let there = Thread::new();
            there.release(first);
            there.exit();
        });
        let two = spawn(move || Thread::closed().release(second));
        here.release(block);
        here.exit();
        one.join().unwrap();
        two.join().unwrap();
        assert!(block.is_freed());
    });
}

/// A thread whose cache is closed clones and drops beside a thread that has a cache. Catches: `release_local` that
/// puts a reference into a slot that has none, from where it is never released.
#[test]
fn cache_unavailable() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let other = spawn(move || {
            let there = Thread::closed();
            let twin = there.acquire(sent);
            there.release(sent);
            there.release(twin);
        });
        here.release(block);
        here.exit();
        other.join().unwrap();
        assert!(block.is_freed());
    });
}

/// A thread flushes its cache, and drops a handle in a later destructor. Catches: as `cache_unavailable`.
#[test]
fn drop_after_the_cache_closed() {
    loom::model(|| {
        let (block, mut here) = (Block::new(0), Thread::new());
        let (late, sent) = (here.acquire(block), here.acquire(block));
        here.release(block);
        let other = spawn(move || Thread::closed().release(sent));
        here.refs.flush(Block::free);
        here.close();
        here.release(late);
        other.join().unwrap();
        assert!(block.is_freed());
    });
}

/// Two threads acquire references at the limit until the process aborts: the count never wraps. Catches: no check
/// of the limit, or a limit so high that several threads pass it together.
#[test]
fn count_overflow_guard() {
    loom::model(|| {
        let count = Arc::new(Count::one());
        count.set(LIMIT);
        let acquire = |count: Arc<Count>| {
            // The first call may succeed, the second aborts.
            move || {
                catch_unwind(AssertUnwindSafe(|| (0..2).for_each(|_| count.acquire(BATCH)))).is_ok()
            }
        };
        let other = spawn(acquire(Arc::clone(&count)));
        let one = acquire(Arc::clone(&count))();
        assert!(!one && !other.join().unwrap(), "went on beyond the limit");
        let space = u32::MAX - LIMIT;
        assert!((LIMIT..LIMIT + space / 2).contains(&count.references()), "the count wraps");
    });
}
