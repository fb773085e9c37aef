//! Idle bytes and their watch: idle bytes are never left without one.

use crate::idle::Idle;
use loom::sync::{Arc, Mutex};
use loom::thread::spawn;

/// Bytes that stay idle without a watch, and more than that.
const RESERVE: usize = 4;
const MUCH: usize = RESERVE + 1;

/// Adds bytes, and begins a watch if one is needed.
fn add(idle: &Idle, bytes: usize) -> bool {
    idle.add(bytes);
    idle.needs_watch(RESERVE) && idle.begin_watch()
}

/// A watch ends, having found nothing, while another thread adds. Afterwards a watch exists, or no idle byte
/// is there. Catches: `add` not `Acquire`, `end_watch` not `Release` or not a change of `bytes`; an end without
/// a look, or with a look that comes first.
#[test]
fn idle_bytes_added_vs_end_of_watch() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        assert!(idle.begin_watch());
        let adds = spawn({
            let idle = Arc::clone(&idle);
            move || add(&idle, MUCH)
        });
        let ended = idle.end_watch(RESERVE);
        let begun = adds.join().unwrap();
        assert_eq!(ended, begun, "one of them watches over what was added");
        assert!(idle.is_watched());
    });
}

/// Two threads add at once. Catches: `begin_watch` that looks and then sets.
#[test]
fn at_most_one_watch() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        let one = spawn({
            let idle = Arc::clone(&idle);
            move || add(&idle, MUCH)
        });
        let two = add(&idle, MUCH);
        assert!(one.join().unwrap() ^ two);
    });
}

/// Magazines are put, taken and trimmed at once: each is counted before it can be found, and once. Catches:
/// `add` or `remove` that loads and stores.
#[test]
fn idle_bytes_added_vs_removed() {
    loom::model(|| {
        let shared = Arc::new((Idle::default(), Mutex::new(Vec::new())));
        let take = |shared: Arc<(Idle, Mutex<Vec<usize>>)>| {
            move || {
                let (idle, depot) = &*shared;
                let found = depot.lock().unwrap().pop();
                if let Some(bytes) = found {
                    idle.remove(bytes);
                }
                assert!(idle.bytes() <= 3, "below zero");
            }
        };
        let (takes, trims) = (spawn(take(Arc::clone(&shared))), spawn(take(Arc::clone(&shared))));
        let (idle, depot) = &*shared;
        for bytes in [1, 2] {
            idle.add(bytes);
            depot.lock().unwrap().push(bytes);
        }
        takes.join().unwrap();
        trims.join().unwrap();
        assert_eq!(idle.bytes(), depot.lock().unwrap().iter().sum::<usize>());
    });
}

/// What was needed in between is no longer unused. Catches: a low mark that is not kept.
#[test]
fn memory_used_since_the_last_check_is_not_unused() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        idle.add(2 * MUCH);
        assert_eq!(idle.restart(), 2 * MUCH);
        let needs = spawn({
            let idle = Arc::clone(&idle);
            move || {
                idle.remove(2 * MUCH);
                idle.add(2 * MUCH);
            }
        });
        needs.join().unwrap();
        assert_eq!((idle.unused(RESERVE, 0), idle.bytes()), (0, 2 * MUCH));
    });
}
