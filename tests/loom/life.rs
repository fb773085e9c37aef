//! A block goes home exactly once, after everybody has done with it, and in the end it does.

use crate::count::{Count, LIMIT};
use crate::ref_cache::{BATCH, Counted};
use crate::stage::{Block, Thread};
use loom::sync::Arc;
use loom::thread::spawn;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Catches: `give_back` not `Release`; no `Acquire` after the last `give_back`.
#[test]
fn count_last_drop_visibility() {
    loom::model(|| {
        let block = Block::new(0);
        block.count().acquire(1);
        let other = spawn(move || Thread::closed().release(block));
        Thread::closed().release(block);
        other.join().unwrap();
        assert!(block.is_home());
    });
}

/// Catches: `references` not `Acquire`; `release_local` that forgets to compare with the bank.
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
        assert!(block.is_home());
    });
}

/// One thread clones, drops and ends with references in its bank, while the other, which has none, drops the
/// last handle. Catches: `settle` that forgets a slot; `give_back` not `Release`.
#[test]
fn thread_exit_with_credits() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        here.release(block);
        let other = spawn(move || Thread::closed().release(sent));
        here.exit();
        other.join().unwrap();
        assert!(block.is_home());
    });
}

/// The last handle, all references of the block in this thread's bank: it goes home at once, whatever the
/// other thread did before. Catches: `release_local` that never compares with the bank.
#[test]
fn the_last_drop_is_no_later_than_need_be() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let (sent, twin) = (here.acquire(block), here.acquire(block));
        let other = spawn(move || Thread::closed().release(sent));
        here.release(block);
        other.join().unwrap();
        here.release(twin);
        assert!(block.is_home());
        here.exit();
    });
}

/// Both banks hold references at the end: the last one to settle sends the block home.
#[test]
fn two_banks_settle() {
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
        assert!(block.is_home());
    });
}

/// Two blocks want one slot, on two threads. Catches: an eviction that frees without looking at what
/// `give_back` says, or that loses references.
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
        assert!(a.is_home() && b.is_home());
    });
}

/// Three threads, one of them without a bank.
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
        assert!(block.is_home());
    });
}

/// A thread whose bank is gone clones and drops beside one that has a bank. Catches: `release_local` that
/// takes references into a slot that has none, where nobody would ever look for them again.
#[test]
fn bank_unavailable() {
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
        assert!(block.is_home());
    });
}

/// A thread gives its references back, and drops a handle in a later destructor. Catches: as
/// `bank_unavailable`.
#[test]
fn drop_after_the_bank_closed() {
    loom::model(|| {
        let (block, mut here) = (Block::new(0), Thread::new());
        let (late, sent) = (here.acquire(block), here.acquire(block));
        here.release(block);
        let other = spawn(move || Thread::closed().release(sent));
        here.refs.flush(Block::home);
        here.close();
        here.release(late);
        other.join().unwrap();
        assert!(block.is_home());
    });
}

/// Two threads draw at the limit until the process would end: nobody gets so far that the count wraps.
/// Catches: no look at the limit, or a limit that leaves no room for those who draw before they look.
#[test]
fn count_overflow_guard() {
    loom::model(|| {
        let count = Arc::new(Count::one());
        count.set(LIMIT);
        let draw = |count: Arc<Count>| {
            // The first may get through, the second is stopped.
            move || {
                catch_unwind(AssertUnwindSafe(|| (0..2).for_each(|_| count.acquire(BATCH)))).is_ok()
            }
        };
        let other = spawn(draw(Arc::clone(&count)));
        let one = draw(Arc::clone(&count))();
        assert!(!one && !other.join().unwrap(), "went on beyond the limit");
        let room = u32::MAX - LIMIT;
        assert!((LIMIT..LIMIT + room / 2).contains(&count.references()), "the count wraps");
    });
}
