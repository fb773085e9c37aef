//! The part of a pool that its threads share.
//!
//! Rules:
//!
//! * **P1** A free block is in exactly one place: the magazines of one thread, the depot, its slab, or the cache of
//!   large blocks.
//! * **P2** A caller of this module holds an `Arc` of the pool. Each slab and each large block in use (G2) holds one
//!   more, so a block that is out keeps its pool alive.
//! * **P3** No lock that an allocation may need is held across a system call or a scan of unbounded length, nor while
//!   another such lock is taken. While another thread takes the blocks of a thread's magazines, the thread works
//!   without magazines (K2).
//! * **P4** No foreign code runs under a lock, nor between the entering and leaving of a thread's magazines (K1). So
//!   callers of [`emit_events`](Central::emit_events) hold no lock and have not entered.
//! * **P5** `in_use` is the full size of the blocks that are not in a slab: those of handles, magazines, the depot
//!   and the cache of large blocks. It is raised before blocks are taken out and lowered after they are back, and
//!   never exceeds `max_memory`.
#![allow(
    unsafe_code,
    reason = "classes behind pointers that are set once, and a block's way to its pool (P2)"
)]

mod blocks;
pub(in crate::pool) mod large;
mod limit;
mod purge;
mod reclaim;
mod rounds;
mod snapshot;

use crate::memory::header::HeaderRef;
use crate::memory::ref_cache::MAX_CACHED_BLOCK;
use crate::memory::try_box::try_box;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::observe::events;
use crate::pool::observe::track::{Track, Tracker};
use crate::pool::pages::chunk::{Chunks, MAX_UNITS, UNIT};
use crate::pool::pages::size_class;
use crate::pool::shared::coordination::closed::Closed;
use crate::pool::shared::coordination::idle::Idle;
use crate::pool::shared::stores::depot::Rounds;
use crate::pool::shared::stores::large_cache::LargeCache;
use crate::pool::shared::stores::magazines::Magazines;
use crate::pool::shared::stores::registry::Registry;
use crate::pool::shared::stores::slabs::Slabs;
use crate::pool::tuning::LIMIT_PER_CACHED_BLOCK;
use crate::sync::{AtomicPtr, AtomicUsize, Mutex, Ordering, Ordering::Relaxed};
use crate::sys::memory::Mapping;
use core::sync::atomic::AtomicU64;
use std::sync::Arc;

/// The policy by which a pool returns idle memory to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Purge {
    /// One thread of the process returns the memory of all pools with this setting; the first of them starts it. If no
    /// thread can be started, the threads that use the pool return its memory, a bounded step at a time.
    #[default]
    Background,
    /// Only [`Pool::purge_step`](crate::Pool::purge_step) and [`Pool::trim`](crate::Pool::trim) return memory, except
    /// that an allocation does so if [`max_memory`](crate::PoolBuilder::max_memory) or a lack of memory requires it.
    Manual,
}

/// The settings of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) chunk_size: usize,
    pub(crate) max_memory: Option<usize>,
    pub(crate) thread_cache: usize,
    pub(crate) huge_pages: bool,
    pub(crate) zero_on_release: bool,
    pub(crate) purge: Purge,
    pub(crate) track: Track,
}

/// The part of a pool that its threads share.
pub(crate) struct Central {
    pub(crate) config: Config,
    classes: [AtomicPtr<Class>; size_class::COUNT],
    pub(super) chunks: Mutex<Chunks>,
    pub(super) large: Mutex<LargeCache>,
    pub(super) caches: Registry,
    pub(super) in_use: AtomicUsize,
    /// The bytes of the free blocks in the depot and in the cache of large blocks. They count as in use (P5) and as
    /// idle (I1).
    pub(super) cached: AtomicUsize,
    /// The bytes beyond the limit that the last attempt could not return, because blocks in use share their pages.
    pub(super) unpurgeable: AtomicUsize,
    mapped: AtomicUsize,
    pub(super) idle: Idle,
    pub(super) closed: Closed,
    pending: PendingEvents,
    pub(super) retired: Retired,
    /// Held while the purger moves blocks and returns memory, and while a snapshot is taken. No allocation needs it.
    pub(super) purging: Mutex<()>,
    /// The time in milliseconds of the last purge without the purger thread.
    pub(in crate::pool) last_purge: AtomicU64,
    pub(in crate::pool) tracker: Option<Tracker>,
}

/// The bytes mapped and unmapped since the last event. Accesses are `Relaxed`, as they order no others.
#[derive(Default)]
struct PendingEvents {
    mapped: AtomicUsize,
    returned: AtomicUsize,
}

/// The counts of threads that have exited or have no cache, and of large blocks. Accesses are `Relaxed`, as they
/// order no others.
#[derive(Default)]
pub(super) struct Retired {
    pub(super) allocations: AtomicU64,
    pub(super) refills: AtomicU64,
}

/// The free blocks of one size class that all threads share.
pub(super) struct Class {
    pub(super) depot: Rounds,
    pub(super) slabs: Mutex<Slabs<Arc<Central>>>,
    /// The number of blocks put back by threads without a cache, and by threads that have exited, beyond those they
    /// took.
    pub(super) migrated: AtomicU64,
}

impl Central {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let units = (config.chunk_size.div_ceil(UNIT)).clamp(size_class::MAX / UNIT, MAX_UNITS);
        Arc::new(Self {
            classes: [const { AtomicPtr::new(core::ptr::null_mut()) }; size_class::COUNT],
            chunks: Mutex::new(Chunks::new(units as u32)),
            large: Mutex::default(),
            caches: Registry::default(),
            in_use: AtomicUsize::new(0),
            cached: AtomicUsize::new(0),
            unpurgeable: AtomicUsize::new(0),
            mapped: AtomicUsize::new(0),
            idle: Idle::default(),
            closed: Closed::default(),
            pending: PendingEvents::default(),
            retired: Retired::default(),
            purging: Mutex::new(()),
            last_purge: AtomicU64::new(0),
            tracker: Tracker::new(config.track),
            config,
        })
    }

    /// Returns a class, if it has been used.
    pub(super) fn class(&self, class: u8) -> Option<&Class> {
        // Acquire: the class was initialised before it was stored.
        let class = self.classes[class as usize].load(Ordering::Acquire);
        // SAFETY: null, or a leaked box that exists as long as the pool.
        unsafe { class.as_ref() }
    }

    /// Returns a class that has a block out.
    pub(super) fn used_class(&self, class: u8) -> &Class {
        self.class(class).expect("a class with a block out")
    }

    /// Returns a class, which is created on first use.
    pub(super) fn get_or_create_class(&self, class: u8) -> Result<&Class, AllocError> {
        if let Some(class) = self.class(class) {
            return Ok(class);
        }
        let new = Class {
            depot: Rounds::default(),
            slabs: Mutex::default(),
            migrated: AtomicU64::new(0),
        };
        let new = Box::into_raw(try_box(new).ok_or_else(|| self.refuse(0))?);
        let place = &self.classes[class as usize];
        // AcqRel: pairs with the load in `class`, and on failure reads the class of another thread.
        let success = Ordering::AcqRel;
        if place.compare_exchange(core::ptr::null_mut(), new, success, Ordering::Acquire).is_err() {
            // SAFETY: the box that was just leaked and not published.
            drop(unsafe { Box::from_raw(new) });
        }
        Ok(self.used_class(class))
    }

    /// Returns the classes that have been used.
    pub(super) fn classes(&self) -> impl DoubleEndedIterator<Item = (u8, &Class)> {
        (0..size_class::COUNT as u8).filter_map(|class| Some((class, self.class(class)?)))
    }

    /// Returns the size in bytes of the largest block whose references threads may cache.
    pub(super) fn max_ref_cached(&self) -> usize {
        // Cached references delay the return of bytes that the limit counts, and zeroing.
        match self.config.max_memory {
            _ if self.config.zero_on_release => 0,
            Some(limit) => MAX_CACHED_BLOCK.min(limit / LIMIT_PER_CACHED_BLOCK),
            None => MAX_CACHED_BLOCK,
        }
    }

    /// Returns whether the pool is closed. Call this after publishing a block where `close` searches for blocks (Q1).
    pub(crate) fn is_closed_by_now(&self) -> bool {
        self.closed.is_set_by_now()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_set()
    }

    // ---- threads ----

    /// Adds a thread's magazines. Returns whether there was memory for the entry.
    ///
    /// # Safety
    ///
    /// The magazines must not move or be dropped until the thread has [unregistered](Self::unregister) them.
    pub(crate) unsafe fn register(&self, magazines: &Magazines) -> bool {
        // SAFETY: as the caller guarantees.
        unsafe { self.caches.register(magazines) }
    }

    /// Lets the owner of magazines use them again, as [`Registry::activate`].
    pub(crate) fn activate(&self, magazines: &Magazines) -> bool {
        self.caches.activate(magazines)
    }

    /// Removes magazines that have been emptied, and adds their counters to those of the threads that have exited.
    pub(crate) fn unregister(&self, magazines: &Magazines) {
        self.caches.unregister(magazines, || {
            self.retired.allocations.fetch_add(magazines.allocations(), Relaxed);
            self.retired.refills.fetch_add(magazines.refills.get(), Relaxed);
            for (index, class) in self.classes() {
                let (received, given) = magazines.flows(index);
                class.migrated.fetch_add(given.saturating_sub(received), Relaxed);
            }
        });
    }

    // ---- the system ----

    /// Maps `len` bytes. `requested` is the length in the error.
    pub(super) fn map(&self, len: usize, requested: usize) -> Result<Mapping, AllocError> {
        let mapping = Mapping::map(len).ok_or_else(|| self.refuse(requested))?;
        if self.config.huge_pages {
            mapping.advise_huge();
        }
        self.mapped.fetch_add(len, Relaxed);
        self.pending.mapped.fetch_add(len, Relaxed);
        Ok(mapping)
    }

    /// Records that `len` bytes were unmapped.
    pub(super) fn unmapped(&self, len: usize) {
        self.mapped.fetch_sub(len, Relaxed);
        self.pending.returned.fetch_add(len, Relaxed);
    }

    /// Emits events for the bytes mapped and unmapped since the last event. A subscriber may use the pool (P4).
    pub(in crate::pool) fn emit_events(&self) {
        let PendingEvents { mapped, returned } = &self.pending;
        for (bytes, emit) in [(mapped, events::mapped as fn(_, _)), (returned, events::returned)] {
            if bytes.load(Relaxed) > 0 {
                emit(bytes.swap(0, Relaxed), self.mapped.load(Relaxed));
            }
        }
    }

    pub(crate) fn refuse(&self, requested: usize) -> AllocError {
        let (in_use, limit) = (self.in_use.load(Relaxed), self.config.max_memory);
        AllocError { kind: AllocErrorKind::OutOfMemory, requested, in_use, limit, budget: None }
    }

    /// Counts a block that a thread without a cache put back.
    pub(crate) fn count_foreign_free(&self, block: HeaderRef) {
        self.used_class(block.class).migrated.fetch_add(1, Relaxed);
    }

    /// Counts a block that a thread allocated without its cache.
    pub(crate) fn count_allocation(&self) {
        self.retired.allocations.fetch_add(1, Relaxed);
    }
}

impl Drop for Central {
    fn drop(&mut self) {
        for class in &self.classes {
            let class = class.load(Ordering::Acquire);
            if !class.is_null() {
                // SAFETY: a box that `get_or_create_class` leaked.
                drop(unsafe { Box::from_raw(class) });
            }
        }
    }
}

/// Returns the pool of a slab's block or a large block. The caller holds a reference to the block.
pub(in crate::pool) fn pool_of(block: HeaderRef) -> Arc<Central> {
    let central = block.home().cast::<Central>();
    // SAFETY: `home` is the pool's `Arc::as_ptr`, and the slab or the large block holds a reference (P2).
    unsafe { Arc::increment_strong_count(central) };
    // SAFETY: the reference that was just added.
    unsafe { Arc::from_raw(central) }
}
