//! Blocks that are freed and allocated again, threads that end, pools that close. The depot is a list under a
//! lock, or one word; all else is the files of the crate.

use crate::closed::Closed;
use crate::fixtures::{Block, Thread};
use crate::idle::Idle;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread::spawn;

type Depot = Arc<Mutex<Vec<Block>>>;

/// A block is freed on one thread and allocated by another, whose cache may still have a stale slot of it.
/// Catches: `release` not `Release`, `references` not `Acquire`, a count that is not reset.
#[test]
fn magazine_exchange() {
    loom::model(|| {
        let depot = Depot::default();
        let (block, here) = (Block::new(0), Thread::new());
        let sent = here.acquire(block);
        let there = spawn({
            let depot = Arc::clone(&depot);
            move || {
                Thread::closed().release(sent);
                if sent.is_freed() {
                    depot.lock().unwrap().push(sent);
                }
            }
        });
        here.release(block);
        let taken = depot.lock().unwrap().pop();
        if let Some(block) = taken {
            block.reallocate();
            here.release(here.acquire(block));
            here.release(block);
        }
        here.exit();
        there.join().unwrap();
        assert!(block.is_freed());
    });
}

/// A thread ends with cached references to a block, while another drops a handle of that block and one of
/// a block that the first had allocated. Both blocks are in the depot afterwards, once. Catches: `flush`
/// that loses references, or frees a block that other threads hold.
#[test]
fn thread_exit_vs_remote_free() {
    loom::model(|| {
        let depot = Depot::default();
        let (a, b, here) = (Block::new(0), Block::new(1), Thread::new());
        let sent = here.acquire(a);
        here.release(a);
        let keep = |depot: &Depot, block: Block| {
            block.free();
            depot.lock().unwrap().push(block);
        };
        let frees = spawn({
            let depot = Arc::clone(&depot);
            move || {
                let there = Thread::new();
                there.release_by(b, |block| keep(&depot, block));
                there.release_by(sent, |block| keep(&depot, block));
                there.refs.flush(|block| keep(&depot, block));
            }
        });
        here.refs.flush(|block| keep(&depot, block));
        frees.join().unwrap();
        let depot = depot.lock().unwrap();
        assert!(a.is_freed() && b.is_freed() && depot.len() == 2);
    });
}

/// Takes what is there, as an empty queue is seen to be empty by a plain load.
fn take(place: &AtomicUsize) {
    if place.load(Relaxed) > 0 {
        place.swap(0, Relaxed);
    }
}

/// The last handle of a pool is dropped while another thread puts a magazine into the depot: one of the
/// two sees the other, so that nothing stays there for good. Catches: either fence missing; a look before
/// the fence.
#[test]
fn cache_close_vs_late_return() {
    loom::model(|| {
        let shared = Arc::new((Closed::default(), AtomicUsize::new(0)));
        let puts = spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (closed, depot) = &*shared;
                depot.store(1, Relaxed);
                if closed.is_set_by_now() {
                    take(depot);
                }
            }
        });
        let (closed, depot) = &*shared;
        closed.set();
        take(depot);
        puts.join().unwrap();
        assert_eq!(depot.load(Relaxed), 0);
    });
}

/// As above, with a block whose last handle goes on one of two threads, whichever is the later. Catches: as
/// above, and `release` not `Release`.
#[test]
fn pool_drop_with_live_blocks() {
    loom::model(|| {
        let shared = Arc::new((Closed::default(), AtomicUsize::new(0)));
        let (block, here) = (Block::new(0), Thread::closed());
        let sent = here.acquire(block);
        let put = |shared: &(Closed, AtomicUsize), block: Block| {
            let (closed, depot) = shared;
            block.free();
            depot.store(1, Relaxed);
            if closed.is_set_by_now() {
                take(depot);
            }
        };
        let frees = spawn({
            let shared = Arc::clone(&shared);
            move || Thread::closed().release_by(sent, |block| put(&shared, block))
        });
        let (closed, depot) = &*shared;
        here.release_by(block, |block| put(&shared, block));
        closed.set();
        take(depot);
        frees.join().unwrap();
        assert!(block.is_freed() && depot.load(Relaxed) == 0);
    });
}

/// A slab ends while the last handle of its pool is dropped: one of the two gives its memory back, which is
/// counted as idle before it is put where both look for it, and looked for only where something is idle.
/// Catches: either fence missing, at a closing or at a slab's end.
#[test]
fn slab_end_vs_pool_close() {
    #[derive(Default)]
    struct Shared {
        closed: Closed,
        idle: Idle,
        chunks: Mutex<usize>,
    }

    impl Shared {
        fn purge(&self) {
            if self.idle.bytes() > 0 {
                let purged = std::mem::take(&mut *self.chunks.lock().unwrap());
                self.idle.remove(purged);
            }
        }
    }

    loom::model(|| {
        let shared = Arc::new(Shared::default());
        let ends = spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.idle.add(1);
                *shared.chunks.lock().unwrap() += 1;
                if shared.closed.is_set_by_now() {
                    shared.purge();
                }
            }
        });
        shared.closed.set();
        shared.purge();
        ends.join().unwrap();
        assert_eq!((shared.idle.bytes(), *shared.chunks.lock().unwrap()), (0, 0));
    });
}
