//! Allocation of buffers: size classes, slabs in mapped chunks, and a cache of free blocks for each thread.
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
//! Each module imports only from those after it in this list: `builder` and `child`, `source`, `block`, `thread/`,
//! `block_ext`, `shared/`, `budget/`, `pages/`, `observe/`.
//!
//! The files of the policies:
//!
//! | question | file |
//! | --- | --- |
//! | Which constants can be tuned, and which measurements support them? | `tuning` |
//! | Which sizes do blocks have? | `pages/size_class` |
//! | How are chunks cut, and how large is the next one? | `pages/chunk` |
//! | Which slab gives the next block? | `shared/stores/slabs` |
//! | When does a thread exchange blocks with the slabs, and when with the depot? | `thread/cache` |
//! | How much does a thread keep? | `thread/cache/sizing` |
//! | Which thread's cache serves a request when several pools are used? | `thread/storage` |
//! | When does a thread keep a reference instead of releasing it? | `memory/ref_cache` |
//! | Which locks may be held, and for how long? | `shared/central` (P3, P4) |
//! | What does a limit count? What is reclaimed at the limit? How much may be resident? | `shared/central/limit` |
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
use shared::purger;
use std::fmt;
use std::sync::Arc;
use thread::{counts, local};

/// A pool of buffers. A clone is cheap and refers to the same pool.
///
/// Each thread takes blocks from its own cache and returns them to it, in a few nanoseconds for any size up to
/// 1 MiB. The cache exchanges many blocks at a time with the shared part of the pool. The memory is mapped from the
/// system, outside the Rust heap. Memory that stays unused for a few hundred milliseconds returns to the
/// system, except a reserve: 256 KiB, or a sixteenth of the memory in use if that is more. Blocks in the cache of
/// an idle thread count as unused.
///
/// Buffers keep their pool alive: they may outlive every `Pool` value, move to any thread, and be dropped in
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
    /// The shedders of a budget and of all above it.
    shedders: Shedders,
    /// Closes the pool when the last `Pool` is dropped.
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

    /// Returns a function that reports whether any part of the pool exists, also after the last handle is dropped.
    #[cfg(shuttle)]
    #[doc(hidden)]
    pub fn is_there(&self) -> impl Fn() -> bool + use<> {
        let central = Arc::downgrade(self.central());
        move || central.strong_count() > 0
    }

    /// Returns the live buffers of a tracked pool and of all its budgets, by the line that allocated them.
    /// The result is empty if the pool is not tracked.
    ///
    /// # Cost
    ///
    /// O(live buffers). Takes each of the tracker's locks in turn.
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
    #[must_use]
    pub fn outstanding(&self) -> Outstanding {
        self.central()
            .tracker
            .as_ref()
            .map_or_else(Outstanding::default, track::Tracker::outstanding)
    }

    /// Checks that no buffer of the pool is alive, for tests.
    ///
    /// # Panics
    ///
    /// If a buffer, or a view of one, has not been dropped. If the pool is tracked, the message lists the lines that
    /// allocated the live buffers.
    ///
    /// # Cost
    ///
    /// That of [`stats`](Self::stats), and [`flush_thread`](Self::flush_thread).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Pool, Track};
    ///
    /// let pool = Pool::builder().track(Track::All).build();
    /// drop(pool.alloc(100));
    /// pool.assert_no_leaks();
    /// ```
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

    /// Returns the current figures of the pool.
    ///
    /// # Cost
    ///
    /// O(blocks in use + threads). Locks the slabs of a size class for one slab at a time, and stops each thread for a
    /// moment from using its cache. Not for hot paths.
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
        self.central().stats(&counts::cached_references())
    }

    /// Releases all unused memory to the system, including the blocks in thread caches, except a cache that its thread
    /// is using at this moment. Returns the number of resident bytes released.
    ///
    /// # Cost
    ///
    /// One system call for each range. No lock is held during the calls.
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

    /// Releases up to 4 MiB of idle memory beyond the reserve to the system, or one large block. Returns the number of
    /// bytes, 0 if there is nothing to return. For pools with [`Purge::Manual`]: call it when the program is idle, or a few
    /// times a second.
    ///
    /// With [`Purge::Manual`], a call that is at least 150 ms after the last such call also takes the free blocks from the
    /// caches of threads that did not use them in between. [`trim`](Self::trim) takes all at once.
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
    /// System calls for at most 4 MiB, or for one large block. No lock is held during the calls. A call that
    /// looks for idle threads is also linear in the threads that used the pool since, and in the blocks that it takes.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn purge_step(&self) -> usize {
        purger::step(self.central())
    }

    /// Releases the references that this thread caches, to blocks of all pools. An idle thread can delay freeing up
    /// to 64 blocks that it has shared, up to 8 of them larger than 8 KiB: less than 1 MiB in all. A runtime may call
    /// this before a thread sleeps.
    ///
    /// # Cost
    ///
    /// One atomic operation for each of these blocks.
    pub fn flush_thread() {
        local::flush_references();
    }
}

/// Takes no lock, so a pool can be printed anywhere. [`Pool::stats`] returns more figures.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("max_memory", &self.central().config.max_memory)
            .field("in_use", &self.central().in_use())
            .field("budget", &self.budget_stats())
            .finish_non_exhaustive()
    }
}
