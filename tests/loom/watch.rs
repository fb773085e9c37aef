//! Idle bytes and those who watch over them: none is left without the other.

use crate::idle::{Idle, RESERVE};
use loom::sync::{Arc, Mutex};
use loom::thread::spawn;

/// More than is kept anyway.
const MUCH: usize = RESERVE + 1;

/// A watch ends, having found nothing, while another thread adds. Afterwards somebody watches, or nothing
/// is there. Catches: `more` not `Acquire`, `end_watch` not `Release` or not a change of `bytes`; an end without
/// a look, or with a look that comes first.
#[test]
fn idle_more_vs_end_of_watch() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        assert!(idle.begin_watch());
        let adds = spawn({
            let idle = Arc::clone(&idle);
            move || idle.more(MUCH) && idle.begin_watch()
        });
        let ended = idle.end_watch(RESERVE);
        let spawned = adds.join().unwrap();
        assert_eq!(ended, spawned, "one of them watches over what was added");
        assert!(idle.is_watched());
    });
}

/// Two threads add at once. Catches: `begin_watch` that looks and then sets.
#[test]
fn one_watch_at_most() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        let add = |idle: Arc<Idle>| move || idle.more(MUCH) && idle.begin_watch();
        let one = spawn(add(Arc::clone(&idle)));
        let two = add(Arc::clone(&idle))();
        assert!(one.join().unwrap() ^ two);
    });
}

/// Magazines are put, taken and trimmed at once: each is counted before it can be found, and once. Catches:
/// `more` or `less` that loads and stores.
#[test]
fn trim_vs_take() {
    loom::model(|| {
        let shared = Arc::new((Idle::default(), Mutex::new(Vec::new())));
        let take = |shared: Arc<(Idle, Mutex<Vec<usize>>)>| {
            move || {
                let (idle, depot) = &*shared;
                let found = depot.lock().unwrap().pop();
                if let Some(bytes) = found {
                    idle.less(bytes);
                }
                assert!(idle.bytes() <= 3, "below zero");
            }
        };
        let (takes, trims) = (spawn(take(Arc::clone(&shared))), spawn(take(Arc::clone(&shared))));
        let (idle, depot) = &*shared;
        for bytes in [1, 2] {
            assert!(!idle.more(bytes), "less than the reserve");
            depot.lock().unwrap().push(bytes);
        }
        takes.join().unwrap();
        trims.join().unwrap();
        assert_eq!(idle.bytes(), depot.lock().unwrap().iter().sum::<usize>());
    });
}

/// What was needed in between is no longer unused. Catches: a low mark that is not kept.
#[test]
fn a_look_after_a_need() {
    loom::model(|| {
        let idle = Arc::new(Idle::default());
        let _ = idle.more(2 * MUCH);
        assert_eq!(idle.look(), 2 * MUCH);
        let needs = spawn({
            let idle = Arc::clone(&idle);
            move || {
                idle.less(2 * MUCH);
                let _ = idle.more(2 * MUCH);
            }
        });
        needs.join().unwrap();
        assert_eq!((idle.unused(), idle.bytes()), (0, 2 * MUCH));
    });
}
