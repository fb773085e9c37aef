//! The magazines of all threads that use a pool.
//!
//! Rules:
//!
//! * **F1** Magazines do not move from [`register`](Registry::register) until [`unregister`](Registry::unregister)
//!   returns. It waits for the visits that have begun.
//! * **F2** The lock is held to find, add or remove an entry, and to read counters of up to [`READ_AT_ONCE`]
//!   magazines, but never during a visit: a thread that first uses the pool does not wait while blocks are taken from
//!   other threads. Entries are sorted by number, so a visit of all continues after the number that it visited last,
//!   also after entries were added or removed.
#![allow(unsafe_code, reason = "follows pointers to the magazines of other threads (F1)")]

use crate::pool::shared::stores::magazines::Magazines;
use crate::sync::{Mutex, lock, thread};
use core::ptr::NonNull;

/// The magazines of all threads that use a pool.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// The number of the last entry.
    last: u64,
}

struct Entry {
    number: u64,
    magazines: NonNull<Magazines>,
    visits: u32,
}

// SAFETY: `Magazines` is `Sync`, and does not move while it is in the list (F1).
unsafe impl Send for Entries {}

/// The maximum number of magazines read during one hold of the lock.
const READ_AT_ONCE: usize = 32;

/// A visit of one thread's magazines. Dropping this ends the visit.
struct Visit<'a> {
    registry: &'a Registry,
    number: u64,
    magazines: NonNull<Magazines>,
}

impl Registry {
    /// Adds a thread's magazines. Returns whether there was memory for the entry.
    ///
    /// # Safety
    ///
    /// The magazines must not move or be dropped until the thread has [unregistered](Self::unregister) them.
    pub(crate) unsafe fn register(&self, magazines: &Magazines) -> bool {
        let mut entries = lock(&self.0);
        if entries.list.try_reserve(1).is_err() {
            return false;
        }
        entries.last += 1;
        let number = entries.last;
        entries.list.push(Entry { number, magazines: magazines.into(), visits: 0 });
        true
    }

    /// Removes magazines, if they are registered, after waiting until no other thread visits them. Calls `before`
    /// under the lock, just before it removes them.
    pub(crate) fn unregister(&self, magazines: &Magazines, before: impl FnOnce()) {
        loop {
            let mut entries = lock(&self.0);
            let is_it = |entry: &Entry| core::ptr::eq(entry.magazines.as_ptr(), magazines);
            match entries.list.iter().position(is_it) {
                Some(place) if entries.list[place].visits > 0 => {
                    drop(entries);
                    thread::yield_now();
                }
                Some(place) => {
                    before();
                    entries.list.remove(place);
                    return;
                }
                None => return,
            }
        }
    }

    /// Visits the magazines of each thread in turn, and calls `f` with them, without the lock.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Magazines)) {
        let mut before = 0;
        while let Some(visit) = self.visit_next(before) {
            // SAFETY: F1: the visit has begun.
            f(unsafe { visit.magazines.as_ref() });
            before = visit.number;
        }
    }

    /// Calls `f` with the magazines of each thread, under the lock. `f` must only read counters.
    pub(crate) fn read_each(&self, mut f: impl FnMut(&Magazines)) {
        let mut before = 0;
        loop {
            let entries = lock(&self.0);
            let start = entries.list.partition_point(|entry| entry.number <= before);
            let Some(last) = entries.list[start..].iter().take(READ_AT_ONCE).next_back() else {
                return;
            };
            before = last.number;
            for entry in entries.list[start..].iter().take(READ_AT_ONCE) {
                // SAFETY: F1: the magazines are in the list, which is locked.
                f(unsafe { entry.magazines.as_ref() });
            }
        }
    }

    /// Begins a visit of the entry with the lowest number above `before`.
    fn visit_next(&self, before: u64) -> Option<Visit<'_>> {
        let mut entries = lock(&self.0);
        let place = entries.list.partition_point(|entry| entry.number <= before);
        let entry = entries.list.get_mut(place)?;
        entry.visits += 1;
        Some(Visit { registry: self, number: entry.number, magazines: entry.magazines })
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut entries = lock(&self.registry.0);
        if let Ok(place) = entries.list.binary_search_by_key(&self.number, |entry| entry.number) {
            entries.list[place].visits -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

    fn magazines() -> Magazines {
        Magazines::new(core::ptr::null(), 0)
    }

    #[test]
    fn a_thread_registers_while_another_is_visited() {
        let (registry, first, second) = (Registry::default(), magazines(), magazines());
        // SAFETY: it stays until the end of the test.
        assert!(unsafe { registry.register(&first) });
        let mut visited = Vec::new();
        registry.for_each(|magazines| {
            visited.push(core::ptr::from_ref(magazines));
            if visited.len() == 1 {
                // SAFETY: as above.
                assert!(unsafe { registry.register(&second) });
            }
        });
        assert_eq!(visited, [&raw const first, &raw const second]);
    }

    #[test]
    fn the_numbers_of_all_threads_are_read_once_in_order() {
        for threads in [0, 1, READ_AT_ONCE, 2 * READ_AT_ONCE + 1] {
            let registry = Registry::default();
            let all: Vec<_> = (0..threads).map(|_| magazines()).collect();
            for magazines in &all {
                // SAFETY: it stays until the end of the test.
                assert!(unsafe { registry.register(magazines) });
            }
            let mut read = Vec::new();
            registry.read_each(|magazines| read.push(core::ptr::from_ref(magazines)));
            assert_eq!(read, all.iter().map(core::ptr::from_ref).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_thread_leaves_when_its_visit_has_ended() {
        let (registry, magazines) = (Registry::default(), magazines());
        // SAFETY: it stays until the end of the test.
        assert!(unsafe { registry.register(&magazines) });
        let (begun, ended) = (std::sync::Barrier::new(2), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                registry.for_each(|_| {
                    begun.wait();
                    (0..100).for_each(|_| thread::yield_now());
                    ended.store(true, Relaxed);
                });
            });
            begun.wait();
            registry.unregister(&magazines, || assert!(ended.load(Relaxed)));
        });
        registry.for_each(|_| panic!("it has left"));
    }
}
