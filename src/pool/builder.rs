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
            // After `get_or_init`, so that other threads do not wait for the start of the purger.
            purger::start(pool.central());
            pool
        }
        GLOBAL.get().unwrap_or_else(create)
    }

    /// Returns a builder for a new pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().max_memory(64 << 20).build();
    /// assert_eq!(pool.stats().mapped, 0); // nothing is mapped before the first buffer
    /// ```
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
    /// Sets the maximum number of bytes mapped at a time: 1 MiB to 4 MiB in steps of 64 KiB. Other values are rounded
    /// to these. The first chunks of a pool are smaller. Default: 4 MiB.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.config.chunk_size = bytes;
        self
    }

    /// Sets the maximum number of bytes of blocks in use. Default: no limit.
    ///
    /// The limit counts the full size of two kinds of blocks: those of buffers and views, and the free blocks in thread
    /// caches, the depot and the cache of large blocks. When the limit is reached, these free blocks are reclaimed. A
    /// refused request takes a few microseconds at any limit and with any number of idle threads, and does not block
    /// others. It visits only threads that used the pool since the last refused request, each for about a microsecond.
    ///
    /// The limit does not count the headers of blocks (32 bytes each), nor free memory that is not yet returned to
    /// the system. That memory is bounded too: if a block would raise the bytes that may be resident above the limit
    /// plus 256 KiB, free memory is returned first, for every [`Purge`] setting. Free blocks that share a page of 4
    /// KiB with a block in use cannot be returned, so a block of less than a page can keep one or two pages resident.
    /// Address space is not bounded: [`mapped`](crate::PoolStats::mapped) counts whole chunks, parts of which may
    /// have no memory.
    ///
    /// A thread that caches references to a shared block can delay freeing it. In a pool with a limit, only
    /// references to blocks of up to 1/2048 of the limit are cached.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{AllocErrorKind, Pool};
    ///
    /// let pool = Pool::builder().max_memory(1 << 20).build();
    /// let first = pool.alloc(600 << 10);
    /// let error = pool.try_alloc(600 << 10).unwrap_err();
    /// assert_eq!(error.kind(), AllocErrorKind::OverLimit);
    /// drop(first);
    /// assert!(pool.try_alloc(600 << 10).is_ok());
    /// ```
    #[doc(alias = "maxDirectMemory")]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.config.max_memory = Some(bytes);
        self
    }

    /// Sets the maximum number of bytes of free blocks that each thread may keep, besides the block that it freed last.
    /// Default: 16 MiB.
    ///
    /// A thread keeps at most 5 MiB at first, and more only while its load rises and falls by more than it keeps. The
    /// size classes that it uses share these bytes according to their needs. An idle thread loses its free blocks
    /// within 0.4 s.
    ///
    /// On Linux, threads keep no free blocks if the system call `membarrier` (Linux 4.14) is missing or forbidden when a
    /// pool is first used: no other thread could take them back. Each buffer then takes a lock. If a filter forbids the
    /// call later, each thread keeps its free blocks until it ends, and [`Pool::stats`] counts them as live.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// // Freed blocks go back to the shared part at once, except the last one.
    /// let pool = Pool::builder().thread_cache(0).build();
    /// drop([pool.alloc(1000), pool.alloc(1000), pool.alloc(1000)]);
    /// assert!(pool.stats().cached <= 1024);
    /// ```
    pub fn thread_cache(mut self, bytes: usize) -> Self {
        self.config.thread_cache = bytes;
        self
    }

    /// Sets whether to ask the system to back chunks and large blocks with huge pages. Default: `false`.
    ///
    /// Measured on Linux 6.18: a random read in 256 MiB of buffers took 16 ns instead of 26; the first touch of
    /// fresh memory took 0.07 to 2.5 ms for each MiB instead of 0.5, depending on how much the kernel had to
    /// move to find huge pages. Suits pools that stay large, not pools that often map and unmap memory.
    pub fn huge_pages(mut self, ask: bool) -> Self {
        self.config.huge_pages = ask;
        self
    }

    /// Sets whether to overwrite each block with zeros when its last handle is dropped, for secrets.
    /// Default: `false`.
    ///
    /// With and without this, no safe call shows bytes of an earlier owner of a block. It protects against other
    /// ways to read memory, such as a core dump.
    ///
    /// # Cost
    ///
    /// A write of all bytes that a buffer may use, for each block freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let secrets = Pool::builder().zero_on_release(true).build();
    /// let key = secrets.copy_from_slice(b"private key");
    /// let shared = key.clone();
    /// drop(key); // the block stays as it is: another handle shows it
    /// assert_eq!(shared, "private key");
    /// drop(shared); // zeroed
    /// ```
    pub fn zero_on_release(mut self, zero: bool) -> Self {
        self.config.zero_on_release = zero;
        self
    }

    /// Sets how idle memory is returned to the system. Default: [`Purge::Background`].
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Pool, Purge};
    ///
    /// let pool = Pool::builder().purge(Purge::Manual).build();
    /// drop(pool.alloc(1 << 20));
    /// assert!(pool.stats().mapped > 0);
    /// pool.trim(); // this pool's memory goes back only when the program asks for it
    /// assert_eq!(pool.stats().mapped, 0);
    /// ```
    pub fn purge(mut self, purge: Purge) -> Self {
        self.config.purge = purge;
        self
    }

    /// Sets which live blocks are recorded with the line that allocated them, for [`Pool::outstanding`]. Default:
    /// [`Track::Off`].
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Pool, Track};
    ///
    /// let pool = Pool::builder().track(Track::All).build();
    /// let buffer = pool.alloc(1000);
    /// let outstanding = pool.outstanding();
    /// assert_eq!((outstanding[0].count, outstanding[0].bytes), (1, 1000));
    /// assert_eq!(outstanding[0].location.file(), file!());
    /// # drop(buffer);
    /// ```
    #[doc(alias = "leakDetection")]
    pub fn track(mut self, track: Track) -> Self {
        self.config.track = track;
        self
    }

    /// Returns the pool, which has mapped no memory yet. The first pool with [`Purge::Background`] starts the purger
    /// thread.
    ///
    /// Without memory for the pool itself, a few KiB, or for the thread, the process ends, as it does when an
    /// [`Arc`] is made: build pools, and budgets, before memory can be short. Afterwards a lack of memory is an error
    /// of `try_alloc`, also for the first allocation of a thread.
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
