//! Whether a handle is the only one: asked by its exclusive owner, and through a shared borrow.

use crate::fixtures::{Block, Thread};
use crate::ref_cache::Counted;
use loom::thread::spawn;

/// The last access of the other thread happens before the write that `claim` allows. Catches: `references` not
/// `Acquire`; `release` not `Release`.
#[test]
fn try_into_mut_vs_drop() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        block.count().acquire(1);
        let other = spawn(move || Thread::closed().release(block));
        if here.refs.claim(block) {
            block.write();
        }
        other.join().unwrap();
        assert!(here.refs.claim(block), "no other handle is left");
        block.write();
        here.release(block);
        assert!(block.is_freed());
    });
}

/// As above, with references in this thread's cache, which a successful `claim` drops. Catches: `claim` that does not
/// compare with the cached references, or leaves them in the cache.
#[test]
fn try_into_mut_with_cached_references() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let other = spawn(move || Thread::closed().release(sent));
        if here.refs.claim(block) {
            block.write();
        }
        other.join().unwrap();
        assert!(here.refs.claim(block), "no other handle is left");
        here.release(here.acquire(block));
        here.release(block);
        here.exit();
        assert!(block.is_freed());
    });
}

/// The other thread records that the kernel may be sending from the block, and drops its handle: a thread that
/// claims the block sees the flag and does not write. Catches: as `try_into_mut_vs_drop`; setting the flag clears
/// other flags.
#[test]
fn in_flight_vs_claim() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        block.count().acquire(1);
        let other = spawn(move || {
            block.flags().set_in_flight();
            Thread::closed().release(block);
        });
        if here.refs.claim(block) {
            assert!(block.flags().is_in_flight());
        }
        other.join().unwrap();
        assert!(here.refs.claim(block) && block.flags().is_in_flight());
        block.flags().clear_in_flight();
        assert!(block.flags().is_plain() && block.flags().is_ref_cached());
        here.release(block);
        assert!(block.is_freed());
    });
}

/// `is_unique` through a handle that another thread borrows too, and clones. Catches: `is_unique` that
/// does as `claim` does: it resets the count that the other thread has increased.
#[test]
fn unique_check_vs_clone() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        // This thread caches references, and the handle is the only one.
        here.release(here.acquire(block));
        let other = spawn(move || {
            let there = Thread::new();
            let twin = there.acquire(block);
            there.release(twin);
            there.exit();
        });
        let _ = here.refs.is_unique(block);
        other.join().unwrap();
        here.release(block);
        here.exit();
        assert!(block.is_freed());
    });
}

/// As above, with a borrower that has no cache and whose clone outlives the check.
#[test]
fn unique_check_vs_clone_that_stays() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        here.release(here.acquire(block));
        let other = spawn(move || Thread::closed().acquire(block));
        let _ = here.refs.is_unique(block);
        let twin = other.join().unwrap();
        here.release(block);
        here.exit();
        assert!(!block.is_freed(), "the clone still holds it");
        Thread::closed().release(twin);
        assert!(block.is_freed());
    });
}

/// Two threads clone through one borrowed handle. Catches: `acquire` that loads and stores.
#[test]
fn clone_vs_clone() {
    loom::model(|| {
        let block = Block::new(0);
        let clone_and_drop = move || {
            let there = Thread::new();
            let twin = there.acquire(block);
            there.release(twin);
            there.exit();
        };
        let (one, two) = (spawn(clone_and_drop), spawn(clone_and_drop));
        one.join().unwrap();
        two.join().unwrap();
        Thread::closed().release(block);
        assert!(block.is_freed());
    });
}
