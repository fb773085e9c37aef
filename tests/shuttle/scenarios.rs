//! The scenarios; each is small enough that most of what can happen does.

use super::{Inbox, SMALL, WIDE, assert_all_home, check, stamp, stamped, verify};
use bytebuf::{ByteView, Pool};
use shuttle::sync::{Arc, mpsc};
use shuttle::{future, thread};
use std::cell::RefCell;

/// Threads allocate, pass on, free what others allocated, transfers with the depot, and end with what they have
/// cached.
#[test]
fn blocks_move_between_threads_that_end() {
    check(|| {
        let pool = Pool::builder().chunk_size(2 << 20).thread_cache(WIDE).build();
        let inbox = Arc::new(Inbox::default());
        let live = |id: u64| {
            let (pool, inbox) = (pool.clone(), Arc::clone(&inbox));
            thread::spawn(move || {
                for step in 0..2 {
                    let owner = 10 * id + step as u64;
                    let views = [WIDE, SMALL, WIDE, WIDE, WIDE, WIDE]
                        .map(|size| stamped(&pool, size, owner).freeze());
                    let part = views[step].slice(..8);
                    inbox.lock().unwrap().push((part, owner));
                    let found = inbox.lock().unwrap().pop();
                    if let Some((other, owner)) = found {
                        verify(&other, owner);
                    }
                    views.iter().for_each(|view| verify(view, owner));
                }
            })
        };
        let threads: Vec<_> = (1..4).map(live).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        for (view, owner) in inbox.lock().unwrap().drain(..) {
            verify(&view, owner);
        }
        assert_all_home(&pool);
    });
}

/// One view on four threads: each clones, cuts, asks whether it is alone, and writes if it is.
#[test]
fn only_a_unique_handle_may_write() {
    check(|| {
        let pool = Pool::builder().chunk_size(1 << 20).build();
        let view = stamped(&pool, SMALL, 1).freeze();
        let share = |id: u64| {
            let (own, pool) = (view.clone(), pool.clone());
            thread::spawn(move || {
                let twin = own.clone();
                verify(&twin, 1);
                drop(own);
                match twin.try_into_mut() {
                    Ok(buf) => verify(&stamp(buf, id), id),
                    Err(twin) => verify(&twin, 1),
                }
                // If the memory were free while a thread reads it, this would be written into it.
                verify(&stamped(&pool, SMALL, id), id);
            })
        };
        let threads: Vec<_> = (2..5).map(share).collect();
        drop(view);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_all_home(&pool);
    });
}

shuttle::thread_local! {
    static KEPT: RefCell<Vec<ByteView>> = const { RefCell::new(Vec::new()) };
}

/// A handle in thread-local storage is dropped while its thread ends, and another thread uses the block.
#[test]
fn threads_end_with_views_in_their_storage() {
    check(|| {
        let pool = Pool::builder().chunk_size(1 << 20).build();
        let view = stamped(&pool, SMALL, 1).freeze();
        let keep = |_| {
            let (own, pool) = (view.clone(), pool.clone());
            thread::spawn(move || {
                KEPT.with(|kept| kept.borrow_mut().push(own.clone()));
                let more = stamped(&pool, WIDE, 2).freeze();
                KEPT.with(|kept| kept.borrow_mut().extend([more.clone(), own]));
                verify(&more, 2);
            })
        };
        let threads: Vec<_> = (0..3).map(keep).collect();
        verify(&view, 1);
        drop(view);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_all_home(&pool);
    });
}

/// Threads trim and purge while blocks are taken and returned.
#[test]
fn memory_is_returned_while_the_pool_is_used() {
    check(|| {
        let pool = Pool::builder().chunk_size(1 << 20).thread_cache(0).build();
        let live = |id: u64| {
            let pool = pool.clone();
            thread::spawn(move || {
                for step in 0..2 {
                    let held = [
                        (stamped(&pool, WIDE, id), id),
                        (stamped(&pool, SMALL, id + step), id + step),
                        (stamped(&pool, (1 << 20) + 1, id + 2), id + 2),
                    ];
                    held.iter().for_each(|(buf, owner)| verify(buf, *owner));
                }
            })
        };
        let threads: Vec<_> = [10, 20].map(live).into();
        pool.trim();
        let trims = thread::spawn({
            let pool = pool.clone();
            move || pool.purge_step() + pool.trim()
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        trims.join().unwrap();
        assert_all_home(&pool);
    });
}

/// Two threads use a pool and then do nothing, while two others ask for its whole limit. Afterwards no buffer is alive, so the
/// limit is free, whatever the threads have cached.
#[test]
fn a_limit_counts_nothing_that_idle_threads_cache() {
    check(|| {
        let whole = 2 * WIDE;
        let pool = Pool::builder().chunk_size(1 << 20).thread_cache(WIDE).max_memory(whole).build();
        let live = |sizes: [usize; 2]| {
            let pool = pool.clone();
            let (done, is_done) = mpsc::channel::<()>();
            let (end, is_over) = mpsc::channel::<()>();
            let thread = thread::spawn(move || {
                sizes.into_iter().for_each(|size| drop(pool.try_alloc(size)));
                drop(pool);
                done.send(()).unwrap();
                let _ = is_over.recv();
            });
            (is_done, end, thread)
        };
        let threads: Vec<_> = [[SMALL; 2], [SMALL; 2], [whole, SMALL]].map(live).into();
        drop(pool.try_alloc(whole));
        threads.iter().for_each(|(is_done, ..)| is_done.recv().unwrap());
        verify(&stamp(pool.try_alloc(whole).unwrap(), 1), 1);
        for (_, end, thread) in threads {
            drop(end);
            thread.join().unwrap();
        }
        assert_all_home(&pool);
    });
}

/// The last handle of a pool is dropped while three threads free its blocks: no memory is left mapped.
#[test]
fn a_pool_closes_while_blocks_return() {
    check(|| {
        let pool = Pool::builder().chunk_size(2 << 20).thread_cache(WIDE).build();
        let is_there = pool.is_there();
        let free = |id: u64| {
            // By a thread that ends: this one would keep a cache of the pool.
            let its = pool.clone();
            let view = thread::spawn(move || stamped(&its, SMALL, id).freeze()).join().unwrap();
            let pool = pool.clone();
            thread::spawn(move || {
                // The magazine has space for one. After two more in a row, those that are freed go to the depot.
                let held = [WIDE; 5].map(|size| stamped(&pool, size, id));
                drop(pool);
                held.iter().for_each(|buf| verify(buf, id));
                let twin = view.clone();
                drop((held, view));
                verify(&twin, id);
            })
        };
        let threads: Vec<_> = (1..4).map(free).collect();
        drop(pool);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        Pool::flush_thread();
        // The purger may be in the middle of its last round.
        (0..1000).take_while(|_| is_there()).for_each(|_| thread::yield_now());
        assert!(!is_there(), "something keeps the pool");
    });
}

/// Tenants with a limit each and one for all: some wait, some are refused, no allocation exceeds a limit, and every
/// waiter is served.
#[test]
fn tenants_wait_for_their_bytes() {
    check(|| {
        let pool = Pool::builder().chunk_size(1 << 20).build();
        let whole = pool.budget("whole", 2 * SMALL);
        let live = |id: u64| {
            let budget = whole.budget("part", SMALL);
            thread::spawn(move || {
                for step in 0..2 {
                    let buf = future::block_on(budget.alloc_wait(SMALL)).unwrap();
                    let used = budget.budget_stats().unwrap().used;
                    assert!(used <= SMALL, "{used}");
                    let view = stamp(buf, id + step).freeze();
                    assert!(budget.try_alloc(SMALL).is_err(), "beyond the limit");
                    verify(&view, id + step);
                }
            })
        };
        let threads: Vec<_> = [10, 20, 30].map(live).into();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let used = whole.budget_stats().unwrap().used;
        assert_eq!(used, 0);
        drop(whole);
        assert_all_home(&pool);
    });
}

/// A producer and two consumers, with one allocation after the other's end.
#[test]
fn one_thread_allocates_and_others_free() {
    check(|| {
        let pool = Pool::builder().chunk_size(1 << 20).build();
        let consume = |_| {
            let (sender, receiver) = mpsc::channel::<ByteView>();
            let consumer = thread::spawn(move || {
                while let Ok(view) = receiver.recv() {
                    verify(&view, view.len() as u64);
                }
            });
            (sender, consumer)
        };
        let consumers: Vec<_> = (0..2).map(consume).collect();
        for size in [SMALL, WIDE, WIDE, SMALL] {
            let view = stamped(&pool, size, 16).freeze();
            consumers.iter().for_each(|(sender, _)| sender.send(view.clone()).unwrap());
        }
        for (sender, consumer) in consumers {
            drop(sender);
            consumer.join().unwrap();
        }
        assert_all_home(&pool);
    });
}
