//! Where buffers come from: size classes, slabs in mapped chunks, a cache of free blocks for each thread.
//!
//! ```text
//!  thread A            thread B
//!  ┌ cache ─────┐      ┌ cache ─────┐     a magazine per size class each; no atomic
//!  │ ▓▓▓▓▓▓▓▓░░░│      │ ▓▓▓░░░░░░░░│     read-modify-write; others can empty it   (thread/)
//!  └──────┬─────┘      └──────┬─────┘
//!         └─── whole rounds ──┘
//!         ┌ depot ────────────┐            full rounds of one class            (shared/)
//!         └─────────┬─────────┘
//!         ┌ slabs ──┴─────────┐            blocks of one class, a lock per class (pages/)
//!         └─────────┬─────────┘
//!         ┌ chunks ─┴─────────┐            mapped ranges, cut in 64 KiB units  (pages/)
//!         └───────────────────┘
//! ```
//!
//! Modules use those below them: `builder` and `child`, `source`, `block`, `thread/`, `block_ext`, `shared/`, `budget/`,
//! `pages/`, `observe/`.
//!
//! Where a policy is decided:
//!
//! | question | file |
//! | --- | --- |
//! | Which numbers can be changed, and what was measured for them? | `tuning` |
//! | Which sizes do blocks have? | `pages/size_class` |
//! | How are chunks cut, and how large is the next one? | `pages/chunk` |
//! | Which slab gives the next block? | `shared/stores/slabs` |
//! | How much does a thread keep, and when does it trade with the depot? | `thread/cache` |
//! | Which thread's cache serves a request when several pools are used? | `thread/local` |
//! | When does a thread keep a reference instead of releasing it? | `memory/ref_cache` |
//! | Which locks may be held, and for how long? | `shared/central` (P3, P4) |
//! | What does a limit count? What is reclaimed when it is reached? How much may be resident? | `shared/central/limit` |
//! | When does a thread lose the blocks that it caches? | `shared/central/reclaim` |
//! | What is returned to the system, in which order? | `shared/central/purge` |
//! | When is it returned? | `shared/purger`, `shared/coordination/idle` |
//! | What happens when a pool closes? | `shared/central/purge` (`close`), `shared/coordination/closed` |
//! | Which request of a budget waits, and which is served next? | `budget/mod` (D3) |
//! | Which blocks are tracked? | `observe/track` |

// First, so that the page of `Pool` begins with its constructors.
mod builder;

mod block;
mod block_ext;
mod budget;
mod child;
mod error;
mod observe;
mod pages;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod thread;
mod tuning;

pub(crate) use block::Block;
pub use budget::BudgetStats;
pub use builder::PoolBuilder;
pub use error::{AllocError, AllocErrorKind};
pub use observe::stats::{ClassStats, PoolStats};
pub use observe::track::{Outstanding, OutstandingSite, Track};
pub(crate) use pages::size_class::block_size;
pub(crate) use source::Source;

use budget::Shedders;
use observe::{events, track};
use shared::central::Central;
pub use shared::central::Purge;
use std::fmt;
use std::sync::Arc;
use thread::local;

/// A pool of buffers. Cheap to clone: all clones are the same pool.
///
/// Each thread takes blocks from its own cache and returns them there, at a few nanoseconds for any size up
/// to 1 MiB. A cache exchanges many blocks at a time with a shared depot. The memory is mapped from the
/// system, outside the Rust heap. Memory that stays unused for a few hundred milliseconds returns to the
/// system, except a reserve of 256 KiB or a sixteenth of the memory in use, whichever is more. The cache of an
/// idle thread counts as unused.
///
/// Buffers keep their pool: they may outlive every `Pool` value, move to any thread, and be dropped in
/// thread-local destructors. After `fork` a child may only `exec`.
///
/// # Examples
///
/// ```
/// use bytebuf::Pool;
///
/// let pool = Pool::builder().max_memory(64 << 20).build();
/// let mut buffer = pool.alloc(16 * 1024);
/// buffer.extend_from_slice(b"hello");
/// drop(pool);
/// assert_eq!(&buffer[..], b"hello");
/// ```
#[derive(Clone)]
#[doc(alias = "PooledByteBufAllocator")]
#[doc(alias = "ByteBufAllocator")]
pub struct Pool {
    source: Source,
    /// Of a budget.
    shedders: Shedders,
    /// Closes the pool when the last `Pool` is gone.
    _close: Arc<CloseOnDrop>,
}

struct CloseOnDrop(Arc<Central>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        local::detach(&self.0);
        self.0.close();
    }
}

impl Pool {
    #[inline]
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    fn central(&self) -> &Arc<Central> {
        &self.source.central
    }

    /// Returns a function that reports whether anything of the pool is left, also after the last handle is dropped.
    #[cfg(shuttle)]
    #[doc(hidden)]
    pub fn is_there(&self) -> impl Fn() -> bool + use<> {
        let central = Arc::downgrade(self.central());
        move || central.strong_count() > 0
    }

    /// The live buffers of a tracked pool, and of all budgets of it, by the line that allocated them.
    /// Empty if the pool is not tracked.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Pool, Track};
    ///
    /// let pool = Pool::builder().track(Track::All).build();
    /// let buffer = pool.alloc(100);
    /// let outstanding = pool.outstanding();
    /// assert_eq!((outstanding[0].count, outstanding[0].bytes), (1, 100));
    /// println!("{outstanding}"); // src/main.rs:5:19: 1 buffers, 100 bytes, ...
    /// # drop(buffer);
    /// ```
    ///
    /// Cost: O(live buffers); takes each of the tracker's locks in turn.
    #[must_use]
    pub fn outstanding(&self) -> Outstanding {
        self.central()
            .tracker
            .as_ref()
            .map_or_else(Outstanding::default, track::Tracker::outstanding)
    }

    /// For tests: panics if any buffer of the pool is alive. The message lists the lines that allocated
    /// them, if the pool is tracked.
    ///
    /// # Panics
    ///
    /// If a buffer, or a view of one, has not been dropped.
    #[track_caller]
    #[doc(alias = "ResourceLeakDetector")]
    pub fn assert_no_leaks(&self) {
        local::flush_references();
        let PoolStats { live_blocks, live, .. } = self.stats();
        if live_blocks > 0 {
            events::leak_found(live_blocks, live);
            panic!("{live_blocks} buffers of {live} bytes leaked:\n{}", self.outstanding());
        }
    }

    /// Returns what the pool holds now.
    ///
    /// # Cost
    ///
    /// O(blocks in use + threads). Takes each slab's lock in turn, and keeps each thread out of its cache for a moment.
    /// Not for hot paths.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// let view = pool.alloc(1000).freeze();
    /// let stats = pool.stats();
    /// assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free);
    /// # drop(view);
    /// ```
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.central().stats(&local::cached_references())
    }

    /// Gives all memory that is not in use back to the system, and that in the caches of threads which do not use them at
    /// this moment. Returns the number of resident bytes released.
    ///
    /// # Cost
    ///
    /// A system call for each range. No lock is held meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = bytebuf::Pool::builder().build();
    /// drop(pool.alloc(100_000));
    /// pool.trim();
    /// assert_eq!(pool.stats().mapped, 0);
    /// ```
    #[doc(alias = "trimCurrentThreadCache")]
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn trim(&self) -> usize {
        local::flush(self.central());
        self.central().trim()
    }

    /// Returns at most a few MiB of the memory that is idle beyond a small reserve to the system. Returns the number of
    /// bytes; 0 if there is nothing to do. For pools with [`Purge::Manual`], when their owner is idle.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Pool, Purge};
    ///
    /// let pool = Pool::builder().purge(Purge::Manual).build();
    /// drop(pool.alloc(8 << 20));
    /// while pool.purge_step() > 0 {}
    /// assert_eq!(pool.stats().mapped, 0);
    /// ```
    ///
    /// # Cost
    ///
    /// System calls for at most 4 MiB, or for one large block. No lock is held meanwhile.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn purge_step(&self) -> usize {
        self.central().purge_step()
    }

    /// Releases the references that this thread caches, to blocks of all pools. An idle thread can delay freeing 64 small
    /// blocks that it has shared and 8 of up to 64 KiB (1 MiB in all); a runtime may call this before a thread sleeps.
    ///
    /// # Cost
    ///
    /// An atomic operation for each of these blocks; nothing if there is none.
    pub fn flush_thread() {
        local::flush_references();
    }
}

/// Takes no lock: a pool can be printed from anywhere. [`Pool::stats`] says more.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("max_memory", &self.central().config.max_memory)
            .field("in_use", &self.central().in_use())
            .field("budget", &self.budget_stats())
            .finish_non_exhaustive()
    }
}
