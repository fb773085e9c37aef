//! The magazines of all threads that use a pool.
//!
//! Rules:
//!
//! * **F1** Magazines do not move from [`register`](Registry::register) until [`unregister`](Registry::unregister)
//!   returns. It waits for the visits that have begun.
//! * **F2** The lock is held to find, add, change or remove an entry, and to read counters of up to [`READ_AT_ONCE`]
//!   magazines, but never during a visit: a thread that first uses the pool does not wait while blocks are taken from
//!   other threads. Entries are sorted by number, so a visit of all continues after the number that it visited last,
//!   also after entries were added or removed.
//! * **F3** Magazines that are not in the list of active ones have no blocks, and their owner must
//!   [`activate`](Registry::activate) them first, under the lock. A visit that has emptied magazines removes them from
//!   that list when it ends, unless the owner has activated them since the visit began. So the cost of a search for
//!   free blocks does not depend on the number of threads that did not use the pool since the last search, and a
//!   thread that searches while another one empties magazines finds these magazines and waits.
#![allow(unsafe_code, reason = "follows pointers to the magazines of other threads (F1)")]

use crate::pool::shared::stores::magazines::Magazines;
use crate::sync::{Mutex, lock, thread};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

/// The magazines of all threads that use a pool.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// The numbers of the entries whose magazines may have blocks (F3), in ascending order. There is memory for all
    /// entries.
    active: Vec<u64>,
    /// The number of the last entry.
    last: u64,
}

struct Entry {
    number: u64,
    magazines: NonNull<Magazines>,
    visits: u32,
    /// How often the owner activated the magazines, modulo 2^32.
    activations: u32,
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
    /// The number of activations when the visit began.
    activations: u32,
    /// Whether the visit has emptied the magazines.
    emptied: bool,
}

/// Which magazines a visit includes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Active,
}

impl Entries {
    fn find(&mut self, number: u64) -> Option<usize> {
        self.list.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    /// Removes an entry from the list of active ones, if it is there.
    fn deactivate(&mut self, number: u64) {
        if let Ok(place) = self.active.binary_search(&number) {
            self.active.remove(place);
        }
    }

    /// Returns the place of the entry with the lowest number above `before`.
    fn next(&mut self, which: Which, before: u64) -> Option<usize> {
        if which == Which::All {
            let place = self.list.partition_point(|entry| entry.number <= before);
            return Some(place).filter(|&place| place < self.list.len());
        }
        let next = self.active.partition_point(|&number| number <= before);
        let number = *self.active.get(next)?;
        self.find(number)
    }
}

impl Registry {
    /// Adds a thread's magazines, which have no blocks. Returns whether there was memory for the entry.
    ///
    /// # Safety
    ///
    /// The magazines must not move or be dropped until the thread has [unregistered](Self::unregister) them.
    pub(crate) unsafe fn register(&self, magazines: &Magazines) -> bool {
        let mut entries = lock(&self.0);
        let more = entries.list.len() + 1 - entries.active.len();
        if entries.list.try_reserve(1).is_err() || entries.active.try_reserve(more).is_err() {
            return false;
        }
        entries.last += 1;
        let number = entries.last;
        magazines.number.store(number, Relaxed);
        let magazines = magazines.into();
        entries.list.push(Entry { number, magazines, visits: 0, activations: 0 });
        true
    }

    /// Lets the owner of magazines use them again, if no other thread uses them at this moment. Returns whether it may.
    /// Only the owner may call this.
    pub(crate) fn activate(&self, magazines: &Magazines) -> bool {
        let mut entries = lock(&self.0);
        if !magazines.activate() {
            return false;
        }
        let number = magazines.number.load(Relaxed);
        if let Some(place) = entries.find(number) {
            let activations = &mut entries.list[place].activations;
            *activations = activations.wrapping_add(1);
            if let Err(place) = entries.active.binary_search(&number) {
                entries.active.insert(place, number);
            }
        }
        true
    }

    /// Removes magazines, if they are registered, after waiting until no other thread visits them. Calls `before`
    /// under the lock, just before it removes them.
    pub(crate) fn unregister(&self, magazines: &Magazines, before: impl FnOnce()) {
        let number = magazines.number.load(Relaxed);
        loop {
            let mut entries = lock(&self.0);
            match entries.find(number) {
                Some(place) if entries.list[place].visits > 0 => {
                    drop(entries);
                    thread::yield_now();
                }
                Some(place) => {
                    before();
                    entries.list.remove(place);
                    entries.deactivate(number);
                    return;
                }
                None => return,
            }
        }
    }

    /// Visits the magazines of each thread in turn, and calls `f` with them, without the lock.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Magazines)) {
        self.visit_each(Which::All, |magazines| {
            f(magazines);
            false
        });
    }

    /// Visits all magazines that may have blocks in turn, and calls `f` with them, without the lock. `f` returns
    /// whether it has emptied them.
    pub(crate) fn empty_each(&self, f: impl FnMut(&Magazines) -> bool) {
        self.visit_each(Which::Active, f);
    }

    fn visit_each(&self, which: Which, mut f: impl FnMut(&Magazines) -> bool) {
        let mut before = 0;
        while let Some(mut visit) = self.visit_next(which, before) {
            // SAFETY: F1: the visit has begun.
            visit.emptied = f(unsafe { visit.magazines.as_ref() });
            before = visit.number;
        }
    }

    /// Calls `f` with all magazines that may have blocks, and with whether another thread visits them, under the lock.
    /// `f` must only read counters.
    pub(crate) fn read_each(&self, mut f: impl FnMut(&Magazines, bool)) {
        let mut before = 0;
        loop {
            let mut entries = lock(&self.0);
            for _ in 0..READ_AT_ONCE {
                let Some(place) = entries.next(Which::Active, before) else { return };
                let Entry { number, magazines, visits, .. } = entries.list[place];
                // SAFETY: F1: the magazines are in the list, which is locked.
                f(unsafe { magazines.as_ref() }, visits > 0);
                before = number;
            }
        }
    }

    /// Begins a visit of the entry with the lowest number above `before`.
    fn visit_next(&self, which: Which, before: u64) -> Option<Visit<'_>> {
        let mut entries = lock(&self.0);
        let place = entries.next(which, before)?;
        let Entry { number, magazines, ref mut visits, activations } = entries.list[place];
        *visits += 1;
        Some(Visit { registry: self, number, magazines, activations, emptied: false })
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut entries = lock(&self.registry.0);
        let Some(place) = entries.find(self.number) else { return };
        let entry = &mut entries.list[place];
        entry.visits -= 1;
        if self.emptied && entry.activations == self.activations {
            entries.deactivate(self.number);
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
    fn the_numbers_of_all_active_threads_are_read_once_in_order() {
        for threads in [0, 1, READ_AT_ONCE, 2 * READ_AT_ONCE + 1] {
            let registry = Registry::default();
            let all: Vec<_> = (0..threads).map(|_| magazines()).collect();
            for magazines in &all {
                // SAFETY: it stays until the end of the test.
                assert!(unsafe { registry.register(magazines) });
            }
            let mut read = Vec::new();
            all.iter().for_each(|magazines| assert!(registry.activate(magazines)));
            registry.read_each(|magazines, _| read.push(core::ptr::from_ref(magazines)));
            assert_eq!(read, all.iter().map(core::ptr::from_ref).collect::<Vec<_>>());
        }
    }

    /// So an allocation over the limit of a pool costs the same with 1000 idle threads as with one.
    #[test]
    fn a_search_visits_only_threads_that_were_active_since_the_last_one() {
        let registry = Registry::default();
        let all: Vec<_> = (0..1000).map(|_| magazines()).collect();
        for magazines in &all {
            // SAFETY: it stays until the end of the test.
            assert!(unsafe { registry.register(magazines) });
        }
        let visited = |empties: bool| {
            let (mut visited, mut read) = (Vec::new(), Vec::new());
            let place = |magazines: &Magazines| magazines.number.load(Relaxed) - 1;
            registry.read_each(|magazines, _| read.push(place(magazines)));
            registry.empty_each(|magazines| {
                visited.push(place(magazines));
                empties
            });
            assert_eq!(visited, read);
            visited
        };
        assert!(visited(true).is_empty(), "none has been active");
        assert!([500, 3, 999, 3].iter().all(|&place| registry.activate(&all[place])));
        assert_eq!(visited(false), [3, 500, 999]);
        assert_eq!(visited(true), [3, 500, 999], "they were in use before");
        assert!(visited(true).is_empty());
        assert!(registry.activate(&all[4]));
        assert!(registry.activate(&all[500]));
        registry.unregister(&all[4], || ());
        assert_eq!(visited(true), [500]);
    }

    #[test]
    fn an_owner_that_is_active_again_before_the_visit_ends_is_visited_again() {
        let (registry, magazines) = (Registry::default(), magazines());
        // SAFETY: it stays until the end of the test.
        assert!(unsafe { registry.register(&magazines) });
        assert!(registry.activate(&magazines));
        let mut visits = 0;
        registry.empty_each(|_| {
            registry.read_each(|_, is_visited| assert!(is_visited));
            visits += 1;
            registry.activate(&magazines)
        });
        registry.read_each(|_, is_visited| assert!(!is_visited));
        registry.empty_each(|_| {
            visits += 1;
            true
        });
        registry.empty_each(|_| panic!("it is empty"));
        assert_eq!(visits, 2);
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
