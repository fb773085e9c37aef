//! Blocks that come home and go out again. The depot is a list under a lock, and the protocols around it
//! are those of `pool::central`, told again in a few lines.

use crate::stage::{Block, Thread};
use crate::sync::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread::spawn;

/// A block is freed on one thread and taken by another, whose bank may still have a slot of its former
/// life. Catches: `give_back` not `Release`, `credits` not `Acquire`, a slot without credits that is
/// taken for one with.
#[test]
fn magazine_exchange() {
    loom::model(|| {
        let depot = Arc::new(Mutex::new(Vec::new()));
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let there = spawn({
            let depot = Arc::clone(&depot);
            move || {
                Thread::closed().release(sent);
                if sent.is_home() {
                    depot.lock().unwrap().push(sent);
                }
            }
        });
        here.release(block);
        let taken = depot.lock().unwrap().pop();
        if let Some(block) = taken {
            block.reborn();
            here.release(here.acquire(block));
            here.release(block);
        }
        here.exit();
        there.join().unwrap();
        assert!(block.is_home());
    });
}

/// The last handle of a pool is dropped while another thread puts a magazine into the depot: one of the
/// two sees the other, so that nothing stays there for good. Catches: no look after the push; a look
/// before it.
#[test]
fn cache_close_vs_late_return() {
    loom::model(|| {
        let pool = Arc::new((Mutex::new(0), AtomicUsize::new(0)));
        let other = spawn({
            let pool = Arc::clone(&pool);
            move || {
                let (depot, closed) = &*pool;
                *depot.lock().unwrap() += 1;
                if closed.load(Ordering::SeqCst) == 1 {
                    *depot.lock().unwrap() = 0;
                }
            }
        });
        let (depot, closed) = &*pool;
        closed.store(1, Ordering::SeqCst);
        *depot.lock().unwrap() = 0;
        other.join().unwrap();
        assert_eq!(*depot.lock().unwrap(), 0);
    });
}
