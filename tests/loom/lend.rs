//! "Am I alone": asked by those who have the handle to themselves, and by those who share it.

use crate::ref_cache::Counted;
use crate::stage::{Block, Thread};
use loom::thread::spawn;

/// The other's last use happens before the writing that a yes allows. Catches: `references` not `Acquire`;
/// `give_back` not `Release`.
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
        assert!(here.refs.claim(block), "nobody else is left");
        block.write();
        here.release(block);
        assert!(block.is_home());
    });
}

/// As above, with references in this thread's bank that a yes gives up. Catches: `claim` that does not
/// compare with the bank, or leaves the references there.
#[test]
fn try_into_mut_with_credits_banked() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let other = spawn(move || Thread::closed().release(sent));
        if here.refs.claim(block) {
            block.write();
        }
        other.join().unwrap();
        assert!(here.refs.claim(block), "nobody else is left");
        here.release(here.acquire(block));
        here.release(block);
        here.exit();
        assert!(block.is_home());
    });
}

/// The other notes that the kernel may be sending from the block, and drops its handle: a yes comes with the
/// note, and the block is not written to. Catches: as `try_into_mut_vs_drop`; a flag that is set in place of
/// those that were there.
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
        assert!(block.is_home());
    });
}

/// `is_unique` through a handle that another thread borrows too, and clones. Catches: `is_unique` that
/// does as `claim` does: it would undo what the other one draws.
#[test]
fn unique_check_vs_clone() {
    loom::model(|| {
        let (block, here) = (Block::new(0), Thread::new());
        // Credits in this thread's bank, and the handle is the only one.
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
        assert!(block.is_home());
    });
}

/// As above, both threads without banks: the borrower's clone outlives the check.
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
        assert!(!block.is_home(), "the clone still holds it");
        Thread::closed().release(twin);
        assert!(block.is_home());
    });
}

/// Two threads clone through one borrowed handle. Catches: `draw` that loads and stores.
#[test]
fn clone_vs_clone() {
    loom::model(|| {
        let block = Block::new(0);
        let lend = move || {
            let there = Thread::new();
            let twin = there.acquire(block);
            there.release(twin);
            there.exit();
        };
        let (one, two) = (spawn(lend), spawn(lend));
        one.join().unwrap();
        two.join().unwrap();
        Thread::closed().release(block);
        assert!(block.is_home());
    });
}
