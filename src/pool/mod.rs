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
//! Modules use those below them: `child` and `source`, `block`, `thread/`, `block_ext`, `shared/`, `budget/`, `pages/`, `observe/`.
//!
//! Where a policy is decided:
//!
//! | question | file |
//! | --- | --- |
//! | Which numbers can be changed, and what was measured for them? | `tuning` |
//! | Which sizes do blocks have? | `pages/size_class` |
//! | How are chunks cut, and how large is the next one? | `pages/chunk` |
//! | Which slab gives the next block? | `shared/slabs` |
//! | How much does a thread keep, and when does it trade with the depot? | `thread/cache` |
//! | Which thread's cache serves a request when several pools are used? | `thread/local` |
//! | When does a thread keep a reference instead of releasing it? | `memory/ref_cache` |
//! | What does a limit count, and which locks may be held? | `shared/central` (P3, P5) |
//! | What is reclaimed when a limit is reached? How much may be resident? | `shared/reclaim` |
//! | What is returned to the system, in which order? | `shared/purge` |
//! | When is it returned? | `shared/purger`, `shared/idle` |
//! | What happens when a pool closes? | `shared/purge` (`close`), `shared/closed` |
//! | Which request of a budget waits, and which is served next? | `budget/mod` (D3) |
//! | Which blocks are tracked? | `observe/track` |

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
pub use error::{AllocError, AllocErrorKind};
pub use observe::stats::{ClassStats, PoolStats};
pub use observe::track::{Outstanding, OutstandingSite, Track};
pub(crate) use pages::size_class::block_size;
pub(crate) use source::Source;

use budget::Shedders;
use observe::{events, track};
pub use shared::central::Purge;
use shared::central::{Central, Config};
use shared::purger;
use std::fmt;
use std::sync::{Arc, OnceLock};
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
    /// The pool that `ByteBuf::with_capacity` and growing buffers draw on. It has no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// let buffer = bytebuf::Pool::global().alloc(100);
    /// assert!(buffer.capacity() >= 100);
    /// ```
    #[inline]
    #[must_use]
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        #[cold]
        fn create() -> &'static Pool {
            let pool = GLOBAL.get_or_init(|| Pool::builder().make());
            // When other threads can have the pool.
            purger::start(pool.central());
            pool
        }
        GLOBAL.get().unwrap_or_else(create)
    }

    /// Returns a builder for a new pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

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

/// Settings for a new [`Pool`].
///
/// # Examples
///
/// ```
/// use bytebuf::Pool;
///
/// let pool = Pool::builder().chunk_size(2 << 20).thread_cache(1 << 20).build();
/// assert!(pool.try_alloc(1000).is_ok());
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct PoolBuilder {
    config: Config,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        let config = Config {
            chunk_size: tuning::CHUNK_SIZE,
            max_memory: None,
            thread_cache: tuning::THREAD_CACHE,
            huge_pages: false,
            zero_on_release: false,
            purge: Purge::Background,
            track: Track::Off,
        };
        Self { config }
    }
}

impl PoolBuilder {
    /// Sets the most bytes that are mapped at a time: 1 MiB to 4 MiB, in steps of 64 KiB; others are rounded to these. The
    /// first chunks of a pool are smaller. Default: 4 MiB.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.config.chunk_size = bytes;
        self
    }

    /// Sets the maximum number of bytes of blocks in use. Default: no limit.
    ///
    /// The limit counts the full size of the blocks that buffers and views hold, and of free blocks that threads, the depot
    /// and the cache of large blocks hold; when it is reached, the free blocks are reclaimed. A request that it refuses takes a few
    /// microseconds at any limit, and does not block others.
    ///
    /// It does not count the headers of blocks (32 bytes each), nor free memory that waits for its return to the system. That
    /// memory is bounded too: before a block is taken that would raise what may be resident to more than the limit and
    /// 256 KiB, such memory is returned, whatever [`Purge`] says. Free blocks that share a page of 4 KiB with a block
    /// in use cannot be returned, so a block of less than a page can keep one or two pages resident. Address space is not
    /// bounded: [`mapped`](PoolStats::mapped) counts whole chunks, of which parts may have no memory.
    ///
    /// A thread may delay freeing blocks that it has shared, by the references that it caches: in a pool with a limit, of
    /// blocks up to 1/2048 of it.
    #[doc(alias = "maxDirectMemory")]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.config.max_memory = Some(bytes);
        self
    }

    /// Sets the most bytes of free blocks that each thread may keep, in addition to the one that it freed last. Default:
    /// 16 MiB.
    ///
    /// A thread keeps at most 5 MiB at first, and more only while its load goes up and down by more than it keeps. The size
    /// classes that it uses share this, by how much each of them needs. A thread that does nothing loses its free blocks
    /// within 0.4 s.
    pub fn thread_cache(mut self, bytes: usize) -> Self {
        self.config.thread_cache = bytes;
        self
    }

    /// Whether to ask the system to back chunks and large blocks with huge pages. Default: no.
    ///
    /// Measured on Linux 6.18: a read at random in 256 MiB of buffers took 16 ns instead of 26; the first
    /// touch of fresh memory took 0.07 to 2.5 ms for each MiB instead of 0.5, by how much the kernel had
    /// to move to find huge pages. For pools that stay large; not where memory comes and goes.
    pub fn huge_pages(mut self, ask: bool) -> Self {
        self.config.huge_pages = ask;
        self
    }

    /// Whether to overwrite each block with zeros when its last handle is dropped, for secrets. Costs a
    /// write of the whole block each time. Default: no.
    ///
    /// No safe call shows what an earlier owner of a block wrote, with this or without; it is for memory
    /// that is read otherwise, as in a core dump.
    pub fn zero_on_release(mut self, zero: bool) -> Self {
        self.config.zero_on_release = zero;
        self
    }

    /// Sets how idle memory is returned to the system. Default: [`Purge::Background`].
    pub fn purge(mut self, purge: Purge) -> Self {
        self.config.purge = purge;
        self
    }

    /// Sets whether the pool records which line allocated each live block, for [`Pool::outstanding`]. Default:
    /// [`Track::Off`].
    #[doc(alias = "leakDetection")]
    pub fn track(mut self, track: Track) -> Self {
        self.config.track = track;
        self
    }

    /// Makes the pool. Maps nothing yet. The first pool with [`Purge::Background`] starts the thread that purges.
    #[must_use]
    pub fn build(self) -> Pool {
        let pool = self.make();
        purger::start(pool.central());
        pool
    }

    fn make(self) -> Pool {
        let central = Central::new(self.config);
        purger::register(&central);
        let source = Source::new(Arc::clone(&central), None);
        let close = Arc::new(CloseOnDrop(central));
        Pool { source, shedders: Shedders::default(), _close: close }
    }
}
