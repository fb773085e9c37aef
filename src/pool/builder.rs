//! The constructors of [`Pool`], and [`PoolBuilder`], its settings.

use crate::pool::budget::Shedders;
use crate::pool::observe::track::Track;
use crate::pool::shared::central::{Central, Config, Purge};
use crate::pool::shared::purger;
use crate::pool::{CloseOnDrop, Pool, Source, tuning};
use std::sync::{Arc, OnceLock};

impl Pool {
    /// Returns the global pool, which `ByteBuf::with_capacity` and growing buffers use. It has no limit.
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
            // Only now can other threads have the pool.
            purger::start(pool.central());
            pool
        }
        GLOBAL.get().unwrap_or_else(create)
    }

    /// Returns a builder for a new pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
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
    /// bounded: [`mapped`](crate::PoolStats::mapped) counts whole chunks, of which parts may have no memory.
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

    pub(super) fn make(self) -> Pool {
        let central = Central::new(self.config);
        purger::register(&central);
        let source = Source::new(Arc::clone(&central), None);
        let close = Arc::new(CloseOnDrop(central));
        Pool { source, shedders: Shedders::default(), _close: close }
    }
}
