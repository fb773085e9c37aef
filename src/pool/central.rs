//! What all threads of a pool share: the depot, the slabs, the chunks, and the way back to the system.
//!
//! Rules:
//!
//! * **P1** A free block is in exactly one place: a magazine of one thread, the depot, or its slab.
//! * **P2** Whoever calls in here holds an `Arc` of the pool (the type of `self` says so); each slab holds
//!   one more, so a block that is out keeps its pool.
//! * **P3** Locks are taken in the order caches, class, chunks, or warm, chunks; nothing is called out to
//!   under a lock, nor where a cache may be in the middle of something (K1): [`tell`](Central::tell) is for
//!   those who hold neither.

use super::chunk::{Chunks, MAX_UNITS, UNIT};
use super::closed::Closed;
use super::error::{AllocError, AllocErrorKind};
use super::events;
use super::idle::{Idle, RESERVE};
use super::janitor;
use super::large::Warm;
use super::magazine::Magazine;
use super::slab::{Slab, units_of};
use super::stats::{Tally, Trade};
use super::track::{Track, Tracker};
use super::{cache::Cache, size_class};
use crate::memory::header::{BANKED, HeaderRef, Origin, ZEROED};
use crate::sync::{AtomicUsize, Mutex, Ordering::Relaxed, lock};
use crate::sys::vm::Mapping;
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
    pub(super) this: Weak<Central>,
    pub(super) classes: Box<[Class]>,
    pub(super) chunks: Mutex<Chunks>,
    pub(super) warm: Mutex<Warm>,
    pub(super) caches: Mutex<Vec<Arc<Cache>>>,
    pub(super) large: Tally,
    /// Bytes mapped, or about to be: what `max_memory` limits.
    mapped: AtomicUsize,
    pub(super) idle: Idle,
    closed: Closed,
    news: News,
    pub(super) tracker: Option<Tracker>,
}

/// Bytes mapped and unmapped that nobody has been told of.
#[derive(Default)]
struct News {
    mapped: AtomicUsize,
    returned: AtomicUsize,
}

pub(super) struct Class {
    /// The depot: full magazines.
    pub(super) full: SegQueue<Magazine>,
    empty: SegQueue<Magazine>,
    pub(super) slabs: Mutex<Slabs>,
    /// Counts of threads that are gone or have no cache.
    pub(super) past: Tally,
    pub(super) past_trade: Trade,
}

#[derive(Default)]
pub(super) struct Slabs {
    pub(super) list: Vec<Option<(Slab, Arc<Central>)>>,
    /// No slab below this index has a free block.
    hint: usize,
    /// No place below this index is empty.
    vacant: usize,
}

impl Central {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let units = (config.chunk_size.div_ceil(UNIT)).clamp(size_class::MAX / UNIT, MAX_UNITS);
        let class = |_| Class {
            full: SegQueue::new(),
            empty: SegQueue::new(),
            slabs: Mutex::default(),
            past: Tally::default(),
            past_trade: Trade::default(),
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            classes: (0..size_class::COUNT).map(class).collect(),
            chunks: Mutex::new(Chunks::new(units as u32)),
            warm: Mutex::default(),
            caches: Mutex::default(),
            large: Tally::default(),
            mapped: AtomicUsize::new(0),
            idle: Idle::default(),
            closed: Closed::default(),
            news: News::default(),
            tracker: Tracker::new(config.track),
            config,
        })
    }

    fn class(&self, class: u16) -> &Class {
        &self.classes[class as usize]
    }

    /// The last handle of the pool is gone: what comes home from now on goes back to the system.
    pub(crate) fn close(self: &Arc<Self>) {
        self.closed.set();
        self.trim();
    }

    /// As [`is_closed`](Self::is_closed), after something was put where `close` looks for it (Q1).
    pub(super) fn is_closed_by_now(&self) -> bool {
        self.closed.is_set_by_now()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_set()
    }

    // ---- threads ----

    pub(crate) fn enlist(&self, cache: &Arc<Cache>) {
        lock(&self.caches).push(Arc::clone(cache));
    }

    /// Takes leave of a cache that has been flushed.
    pub(crate) fn dismiss(&self, cache: &Arc<Cache>) {
        let mut caches = lock(&self.caches);
        caches.retain(|other| !Arc::ptr_eq(other, cache));
        for (class, shared) in (0..).zip(&self.classes) {
            shared.past_trade.absorb(cache.trade(class), cache.tally(class));
            shared.past.absorb(cache.tally(class));
        }
    }

    // ---- magazines ----

    /// A full magazine, if the depot has one.
    pub(crate) fn swap_empty(&self, class: u16) -> Option<Magazine> {
        let full = self.class(class).full.pop()?;
        self.idle_less(full.len() * size_class::size_of_class(class));
        Some(full)
    }

    /// Keeps an empty magazine for `swap_full`.
    pub(crate) fn recycle(&self, class: u16, empty: Magazine) {
        if !empty.is_dummy() {
            self.class(class).empty.push(empty);
        }
    }

    /// Takes a full magazine; gives an empty one, or a dummy.
    pub(crate) fn swap_full(self: &Arc<Self>, class: u16, full: Magazine) -> Magazine {
        self.put_all(class, full);
        self.class(class).empty.pop().unwrap_or_default()
    }

    /// Takes all blocks of a magazine.
    pub(crate) fn put_all(self: &Arc<Self>, class: u16, magazine: Magazine) {
        if magazine.is_full() && !self.is_closed() {
            let bytes = magazine.len() * size_class::size_of_class(class);
            self.idle_more(bytes);
            self.class(class).full.push(magazine);
            if self.is_closed_by_now() {
                self.shed(usize::MAX);
            }
        } else {
            let mut magazine = magazine;
            self.empty(class, &mut magazine);
            self.recycle(class, magazine);
        }
    }

    // ---- slabs ----

    /// One block out of a slab, and up to `more` for a magazine: to the half at most, so that there is room
    /// to free into.
    pub(crate) fn fill(
        self: &Arc<Self>,
        class: u16,
        magazine: &mut Magazine,
        more: usize,
    ) -> Result<HeaderRef, AllocError> {
        let first = self.take_one(class)?;
        let more = more.min(magazine.rounds() / 2);
        let mut slabs = lock(&self.class(class).slabs);
        while magazine.len() < more {
            let Ok(block) = self.take_from(&mut slabs, class) else { break };
            if !magazine.push(block) {
                break;
            }
        }
        Ok(first)
    }

    /// One block out of a slab. Idle memory of other classes makes room for it under a limit.
    pub(crate) fn take_one(self: &Arc<Self>, class: u16) -> Result<HeaderRef, AllocError> {
        let take = || self.take_from(&mut lock(&self.class(class).slabs), class);
        take().or_else(|error| if self.shed(usize::MAX) > 0 { take() } else { Err(error) })
    }

    /// One block back to its slab.
    pub(crate) fn put_one(self: &Arc<Self>, block: HeaderRef) {
        let mut slabs = lock(&self.class(block.class).slabs);
        self.put_to(&mut slabs, block);
    }

    fn empty(self: &Arc<Self>, class: u16, magazine: &mut Magazine) {
        let mut slabs = lock(&self.class(class).slabs);
        while let Some(block) = magazine.pop() {
            self.put_to(&mut slabs, block);
        }
    }

    fn take_from(self: &Arc<Self>, slabs: &mut Slabs, class: u16) -> Result<HeaderRef, AllocError> {
        let open = |slot: &Option<(Slab, Arc<Self>)>| {
            slot.as_ref().is_some_and(|(slab, _)| !slab.is_full())
        };
        let found = slabs.list.iter().skip(slabs.hint).position(open);
        slabs.hint = match found {
            Some(ahead) => slabs.hint + ahead,
            None => self.add_slab(slabs, class)?,
        };
        let (slab, _) = slabs.list[slabs.hint].as_mut().expect("a slab with a free block");
        let (block, warm) = slab.take().expect("a slab with a free block");
        if warm {
            self.idle_less(block.capacity());
        }
        Ok(block)
    }

    fn put_to(self: &Arc<Self>, slabs: &mut Slabs, block: HeaderRef) {
        let (index, size) = (block.slab as usize, block.capacity());
        let place = &mut slabs.list[index];
        let (slab, _) = place.as_mut().expect("a slab with a block out stays (S2)");
        slab.put(block.slot);
        self.idle_more(size);
        slabs.hint = slabs.hint.min(index);
        if slab.is_unused() {
            let (slab, _pool) = place.take().expect("it was there");
            slabs.vacant = slabs.vacant.min(index);
            let warm = slab.warm_free();
            let span = slab.into_span();
            self.idle_more(span.len());
            self.idle_less(warm);
            lock(&self.chunks).put(span);
            if self.is_closed() {
                self.shed_chunks(usize::MAX);
            }
        }
    }

    /// A new slab; its index.
    fn add_slab(self: &Arc<Self>, slabs: &mut Slabs, class: u16) -> Result<usize, AllocError> {
        let size = size_class::size_of_class(class);
        let empty = slabs.list.iter().skip(slabs.vacant).position(Option::is_none);
        slabs.vacant = empty.map_or(slabs.list.len(), |ahead| slabs.vacant + ahead);
        let index = slabs.vacant;
        if index == slabs.list.len() {
            slabs.list.try_reserve(1).map_err(|_| self.refuse(size))?;
            slabs.list.push(None);
        }
        let mut chunks = lock(&self.chunks);
        let before = chunks.dirty();
        let units = units_of(class);
        let span = match chunks.take(units) {
            Some(span) => span,
            None => {
                let mapping = self.map(chunks.chunk_size(), size)?;
                if self.config.huge_pages {
                    mapping.advise_huge();
                }
                chunks.add(mapping);
                chunks.take(units).expect("a new chunk has room for any slab")
            }
        };
        self.idle_less(before - chunks.dirty());
        let warm = !span.clean;
        let flags = if self.config.zero_on_release { BANKED | ZEROED } else { BANKED };
        let (home, slab) = (Arc::as_ptr(self).cast(), index as u32);
        match Slab::new(span, Origin { home, class, slab, flags, ..Origin::NOWHERE }) {
            Ok(slab) => {
                if warm {
                    self.idle_more(slab.warm_free());
                }
                slabs.list[index] = Some((slab, Arc::clone(self)));
                Ok(index)
            }
            Err(span) => {
                self.idle_more(span.len());
                chunks.put(span);
                Err(self.refuse(size))
            }
        }
    }

    // ---- the system ----

    /// Maps memory, within the limit. `asked` is what the user wanted.
    pub(super) fn map(&self, len: usize, asked: usize) -> Result<Mapping, AllocError> {
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
        self.news.mapped.fetch_add(len, Relaxed);
        Ok(mapping)
    }

    /// Accounts for a mapping that is gone.
    pub(super) fn unmapped(&self, len: usize) {
        self.mapped.fetch_sub(len, Relaxed);
        self.news.returned.fetch_add(len, Relaxed);
    }

    /// Tells what was mapped and unmapped since the last time. Who listens may use the pool (P3).
    pub(super) fn tell(&self) {
        let News { mapped, returned } = &self.news;
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

    pub(super) fn idle_more(&self, bytes: usize) {
        if self.idle.more(bytes) && !self.is_closed() {
            janitor::hire(self);
        }
    }

    pub(super) fn idle_less(&self, bytes: usize) {
        self.idle.less(bytes);
    }

    /// Gives back what nobody has needed since the last tick, but for the reserve: the working-set
    /// rule of Bonwick's depot. Returns how much idle memory is no work for another tick: the reserve, or
    /// all that there is, where none of it could be given back (its pages have blocks in use).
    pub(crate) fn tick(self: &Arc<Self>) -> usize {
        let unused = self.idle.unused();
        let shed = self.shed(unused);
        let idle = self.idle.look();
        self.tell();
        if unused > 0 && shed == 0 { idle } else { RESERVE }
    }

    /// Gives all idle memory back to the system. Returns how many bytes it were.
    pub(crate) fn trim(self: &Arc<Self>) -> usize {
        let bytes = self.shed(usize::MAX);
        self.tell();
        bytes
    }

    /// Gives `bytes` of idle memory back to the system, or all there is. Returns how many it were.
    pub(crate) fn shed(self: &Arc<Self>, bytes: usize) -> usize {
        let before = self.idle();
        let goal = before.saturating_sub(bytes);
        let over = || self.idle().saturating_sub(goal);
        self.shed_warm(over());
        self.shed_chunks(over());
        for class in (0..size_class::COUNT as u16).rev() {
            while over() > 0 {
                let Some(mut full) = self.class(class).full.pop() else { break };
                // In the slabs these bytes stay idle, until a slab is unused and its span is shed.
                self.idle_less(full.len() * size_class::size_of_class(class));
                self.empty(class, &mut full);
                self.recycle(class, full);
                self.shed_chunks(over());
            }
        }
        for class in &self.classes {
            while class.empty.pop().is_some() {}
            if over() == 0 {
                continue;
            }
            let mut slabs = lock(&class.slabs);
            let shed = slabs.list.iter_mut().flatten().map(|(slab, _)| slab.shed()).sum();
            self.idle_less(shed);
        }
        before.saturating_sub(self.idle())
    }

    fn shed_chunks(&self, bytes: usize) {
        if bytes > 0 {
            let (shed, unmapped) = lock(&self.chunks).shed(bytes);
            self.idle_less(shed);
            self.unmapped(unmapped);
        }
    }

    /// Counts a block that a thread without a cache put back.
    pub(crate) fn count_loose_free(&self, class: u16) {
        self.class(class).past.count_shared_free();
        self.class(class).past_trade.count_shared_migration();
    }

    /// Counts of blocks that go past the threads' caches.
    pub(crate) fn past(&self, class: u16) -> &Tally {
        &self.class(class).past
    }
}
