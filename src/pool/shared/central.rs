//! What all threads of a pool share: the depot, the slabs, the chunks, and the way back to the system.
//!
//! Rules:
//!
//! * **P1** A free block is in exactly one place: a magazine of one thread, the depot, or its slab.
//! * **P2** Whoever calls in here holds an `Arc` of the pool (the type of `self` says so); each slab holds
//!   one more, so a block that is out keeps its pool.
//! * **P3** Locks are taken in the order caches, class, chunks, or warm, chunks; nothing is called out to
//!   under a lock, nor where a cache may be in the middle of something (K1): [`emit_events`](Central::emit_events) is for
//!   those who hold neither.

use crate::memory::header::HeaderRef;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::observe::events;
use crate::pool::observe::stats::{Counters, Transfers};
use crate::pool::observe::track::{Track, Tracker};
use crate::pool::pages::chunk::{Chunks, MAX_UNITS, UNIT};
use crate::pool::pages::size_class;
use crate::pool::shared::closed::Closed;
use crate::pool::shared::idle::{Idle, RESERVE};
use crate::pool::shared::large::LargeCache;
use crate::pool::shared::purger;
use crate::pool::shared::slabs::Slabs;
use crate::pool::thread::cache::Cache;
use crate::pool::thread::magazine::{Magazine, round_of};
use crate::sync::{AtomicUsize, Mutex, Ordering::Relaxed, lock};
use crate::sys::memory::Mapping;
use crossbeam_queue::SegQueue;
use std::sync::{Arc, Weak};

/// What a pool was built with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) chunk_size: usize,
    pub(crate) max_memory: Option<usize>,
    pub(crate) thread_cache: usize,
    pub(crate) huge_pages: bool,
    pub(crate) zero_on_release: bool,
    pub(crate) track: Track,
}

/// The part of a pool that threads share.
pub(crate) struct Central {
    pub(crate) config: Config,
    pub(in crate::pool) this: Weak<Central>,
    pub(in crate::pool) classes: Box<[Class]>,
    /// Magazines without blocks, for rounds of any class.
    empties: SegQueue<Magazine>,
    pub(in crate::pool) chunks: Mutex<Chunks>,
    pub(in crate::pool) large_cache: Mutex<LargeCache>,
    pub(in crate::pool) caches: Mutex<Vec<Arc<Cache>>>,
    pub(in crate::pool) large: Counters,
    /// Bytes mapped, or about to be: what `max_memory` limits. `Relaxed`, as a sum that orders nothing else.
    mapped: AtomicUsize,
    pub(in crate::pool) idle: Idle,
    closed: Closed,
    pending: PendingEvents,
    pub(in crate::pool) tracker: Option<Tracker>,
}

/// Bytes mapped and unmapped that nobody has been told of: figures, so `Relaxed`.
#[derive(Default)]
struct PendingEvents {
    mapped: AtomicUsize,
    returned: AtomicUsize,
}

pub(in crate::pool) struct Class {
    /// The depot.
    pub(in crate::pool) rounds: SegQueue<Magazine>,
    pub(in crate::pool) slabs: Mutex<Slabs>,
    /// Counts of threads that are gone or have no cache.
    pub(in crate::pool) retired: Counters,
    pub(in crate::pool) retired_transfers: Transfers,
}

impl Central {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let units = (config.chunk_size.div_ceil(UNIT)).clamp(size_class::MAX / UNIT, MAX_UNITS);
        let class = |_| Class {
            rounds: SegQueue::new(),
            slabs: Mutex::default(),
            retired: Counters::default(),
            retired_transfers: Transfers::default(),
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            classes: (0..size_class::COUNT).map(class).collect(),
            empties: SegQueue::new(),
            chunks: Mutex::new(Chunks::new(units as u32)),
            large_cache: Mutex::default(),
            caches: Mutex::default(),
            large: Counters::default(),
            mapped: AtomicUsize::new(0),
            idle: Idle::default(),
            closed: Closed::default(),
            pending: PendingEvents::default(),
            tracker: Tracker::new(config.track),
            config,
        })
    }

    pub(in crate::pool) fn class(&self, class: u16) -> &Class {
        &self.classes[class as usize]
    }

    /// The last handle of the pool is gone: what comes home from now on goes back to the system.
    pub(crate) fn close(self: &Arc<Self>) {
        self.closed.set();
        self.trim();
    }

    /// As [`is_closed`](Self::is_closed), after something was put where `close` looks for it (Q1).
    pub(in crate::pool) fn is_closed_by_now(&self) -> bool {
        self.closed.is_set_by_now()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_set()
    }

    // ---- threads ----

    pub(crate) fn register(&self, cache: &Arc<Cache>) {
        lock(&self.caches).push(Arc::clone(cache));
    }

    /// Takes leave of a cache that has been flushed.
    pub(crate) fn unregister(&self, cache: &Arc<Cache>) {
        let mut caches = lock(&self.caches);
        caches.retain(|other| !Arc::ptr_eq(other, cache));
        for (class, shared) in (0..).zip(&self.classes) {
            shared.retired_transfers.merge(cache.transfers(class), cache.counters(class));
            shared.retired.merge(cache.counters(class));
        }
    }

    // ---- the depot ----

    /// A block of a round of the depot, if there is one; the others go into a magazine that has room for
    /// them.
    pub(crate) fn take_round(&self, class: u16, magazine: &mut Magazine) -> Option<HeaderRef> {
        let mut round = self.pop_round(class)?;
        let first = round.pop();
        round.drain_oldest(usize::MAX, |block| {
            let _it_has_room = magazine.push(block);
        });
        self.empties.push(round);
        first
    }

    pub(in crate::pool) fn pop_round(&self, class: u16) -> Option<Magazine> {
        let round = self.class(class).rounds.pop()?;
        self.idle_less(round.len() * size_class::size_of_class(class));
        Some(round)
    }

    /// Takes a round out of a magazine that has one: whether it did. It does not without memory for it, nor
    /// for a pool that is closed.
    pub(crate) fn put_round(self: &Arc<Self>, class: u16, magazine: &mut Magazine) -> bool {
        if self.is_closed() {
            return false;
        }
        let Some(mut round) = self.empties.pop().or_else(Magazine::try_for_round) else {
            return false;
        };
        let size = size_class::size_of_class(class);
        magazine.move_oldest(round_of(size), &mut round);
        self.idle_more(round.len() * size);
        self.class(class).rounds.push(round);
        if self.is_closed_by_now() {
            self.shed(usize::MAX);
        }
        true
    }

    // ---- the system ----

    /// Maps memory, within the limit. `asked` is what the user wanted.
    pub(in crate::pool) fn map(&self, len: usize, asked: usize) -> Result<Mapping, AllocError> {
        let limit = self.config.max_memory.unwrap_or(usize::MAX);
        let room = |mapped: usize| mapped.checked_add(len).filter(|&sum| sum <= limit);
        if let Err(in_use) = self.mapped.fetch_update(Relaxed, Relaxed, room) {
            let kind = AllocErrorKind::OverLimit;
            return Err(AllocError { kind, in_use, ..self.refuse(asked) });
        }
        let mapping = Mapping::map(len).ok_or_else(|| {
            self.mapped.fetch_sub(len, Relaxed);
            self.refuse(asked)
        })?;
        self.pending.mapped.fetch_add(len, Relaxed);
        Ok(mapping)
    }

    /// Accounts for a mapping that is gone.
    pub(in crate::pool) fn unmapped(&self, len: usize) {
        self.mapped.fetch_sub(len, Relaxed);
        self.pending.returned.fetch_add(len, Relaxed);
    }

    /// Tells what was mapped and unmapped since the last time. Who listens may use the pool (P3).
    pub(in crate::pool) fn emit_events(&self) {
        let PendingEvents { mapped, returned } = &self.pending;
        for (bytes, tell) in [(mapped, events::mapped as fn(_, _)), (returned, events::returned)] {
            if bytes.load(Relaxed) > 0 {
                tell(bytes.swap(0, Relaxed), self.mapped.load(Relaxed));
            }
        }
    }

    pub(crate) fn refuse(&self, requested: usize) -> AllocError {
        let (in_use, limit) = (self.mapped.load(Relaxed), self.config.max_memory);
        AllocError { kind: AllocErrorKind::OutOfMemory, requested, in_use, limit, budget: None }
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.bytes()
    }

    pub(in crate::pool) fn idle_more(&self, bytes: usize) {
        if self.idle.more(bytes) && !self.is_closed() {
            purger::spawn(self);
        }
    }

    pub(in crate::pool) fn idle_less(&self, bytes: usize) {
        self.idle.less(bytes);
    }

    /// Gives back what nobody has needed since the last purge_unused, but for the reserve: the working-set
    /// rule of Bonwick's depot. Returns how much idle memory is no work for another purge_unused: the reserve, or
    /// all that there is, where none of it could be given back (its pages have blocks in use).
    pub(crate) fn purge_unused(self: &Arc<Self>) -> usize {
        let unused = self.idle.unused();
        let shed = self.shed(unused);
        let idle = self.idle.look();
        self.emit_events();
        if unused > 0 && shed == 0 { idle } else { RESERVE }
    }

    /// Gives all idle memory back to the system. Returns how many bytes it were.
    pub(crate) fn trim(self: &Arc<Self>) -> usize {
        let bytes = self.shed(usize::MAX);
        for class in &self.classes {
            lock(&class.slabs).forget_unused();
        }
        self.emit_events();
        bytes
    }

    /// Gives `bytes` of idle memory back to the system, or all there is. Returns how many it were.
    pub(crate) fn shed(self: &Arc<Self>, bytes: usize) -> usize {
        // Summed, and not the difference of what is idle: others go on meanwhile.
        let mut shed = self.purge_large(bytes.min(self.idle()));
        let goal = self.idle().saturating_sub(bytes - shed.min(bytes));
        let over = || self.idle().saturating_sub(goal);
        shed += self.purge_chunks(over());
        for class in (0..size_class::COUNT as u16).rev() {
            while over() > 0 {
                // In the slabs these bytes stay idle, until a slab is unused and its span is shed.
                if !self.unload_round(class) {
                    break;
                }
                shed += self.purge_chunks(over());
            }
        }
        while self.empties.pop().is_some() {}
        for class in &self.classes {
            if over() > 0 {
                let of_class = lock(&class.slabs).shed();
                self.idle_less(of_class);
                shed += of_class;
            }
        }
        shed
    }

    /// Gives at least `bytes` of free units back, if there are so many. Returns how many it were.
    pub(in crate::pool) fn purge_chunks(&self, bytes: usize) -> usize {
        if bytes == 0 {
            return 0;
        }
        let (shed, unmapped) = lock(&self.chunks).shed(bytes);
        self.idle_less(shed);
        self.unmapped(unmapped);
        shed
    }

    /// Counts a block that a thread without a cache put back.
    pub(crate) fn count_foreign_free(&self, block: HeaderRef) {
        let class = block.class;
        self.class(class).retired.count_shared_free(block.requested());
        self.class(class).retired_transfers.count_shared_migration();
    }

    /// Counts of blocks that go past the threads' caches.
    pub(crate) fn retired(&self, class: u16) -> &Counters {
        &self.class(class).retired
    }
}
