//! Where buffers come from: size classes, slabs in mapped chunks, magazines per thread.
//!
//! ```text
//!  thread A            thread B
//!  ┌ cache ─────┐      ┌ cache ─────┐     two magazines per size class each,
//!  │ ▓▓▓░ │ ▓▓▓▓│      │ ▓░░░ │ ░░░░│     no atomics, no locks           (cache.rs)
//!  └──────┬─────┘      └──────┬─────┘
//!         └── whole magazines ┘
//!         ┌ depot ────────────┐            a lock-free queue per class  (central.rs)
//!         └─────────┬─────────┘
//!         ┌ slabs ──┴─────────┐            blocks of one class, a lock per class (slab.rs)
//!         └─────────┬─────────┘
//!         ┌ chunks ─┴─────────┐            mapped ranges, cut in 64 KiB units  (chunk.rs)
//!         └───────────────────┘
//! ```

mod block;
mod cache;
mod central;
mod chunk;
mod error;
mod janitor;
mod large;
mod local;
mod magazine;
mod size_class;
mod slab;
mod stats;

pub(crate) use block::Block;
pub(crate) use central::Central;
pub use error::{AllocError, AllocErrorKind};
pub use stats::PoolStats;

use central::Config;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A pool of buffers. Cheap to clone: all clones are the same pool.
///
/// Each thread takes blocks from a cache of its own and gives them back there, at a few nanoseconds for
/// any size up to 1 MiB; caches trade with a shared depot, magazine by magazine. The memory is mapped
/// from the system, outside the Rust heap. What stays unused for a few hundred milliseconds goes back
/// without anybody asking, but for 256 KiB and the caches of the threads (`thread_cache` each).
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
    inner: Arc<Handle>,
}

/// Closes the pool when the last `Pool` is gone.
struct Handle {
    central: Arc<Central>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        local::leave(&self.central);
        self.central.close();
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
        GLOBAL.get_or_init(|| Self::builder().build())
    }

    /// Starts a pool of one's own.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    #[inline]
    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.inner.central
    }

    /// What the pool holds now.
    ///
    /// Cost: takes each class's lock in turn; O(slabs + threads). Not for hot paths.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.central().stats()
    }

    /// Gives all memory that is not in use back to the system, but for what other threads cache.
    /// Returns how many bytes that were resident it were.
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
    pub fn trim(&self) -> usize {
        local::flush(self.central());
        self.central().shed(usize::MAX)
    }

    /// Gives back the reference counts that this thread keeps at hand for blocks it has shared (at most
    /// 8 blocks of 64 KiB each), of all pools. A runtime may call it before a thread goes to sleep.
    ///
    /// Cost: up to eight atomic operations; none when there is nothing to give back.
    pub fn settle_thread() {
        local::settle();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
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
            chunk_size: 4 << 20,
            max_memory: None,
            thread_cache: 1 << 20,
            huge_pages: false,
            zero_on_release: false,
        };
        Self { config }
    }
}

impl PoolBuilder {
    /// The bytes that are mapped at a time: 1 MiB to 4 MiB, in steps of 64 KiB; others are rounded to
    /// these. Default: 4 MiB.
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.config.chunk_size = bytes;
        self
    }

    /// The most bytes that the pool maps, in use or not. Default: no limit.
    ///
    /// Chunks count in full, so a limit below [`chunk_size`](Self::chunk_size) leaves room for none.
    #[doc(alias = "maxDirectMemory")]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.config.max_memory = Some(bytes);
        self
    }

    /// The bytes of free blocks that each thread may keep, beside two blocks of any class that it uses.
    /// Default: 1 MiB.
    pub fn thread_cache(mut self, bytes: usize) -> Self {
        self.config.thread_cache = bytes;
        self
    }

    /// Asks the system to back chunks and large blocks with huge pages.
    pub fn huge_pages(mut self) -> Self {
        self.config.huge_pages = true;
        self
    }

    /// Overwrites each block with zeros when its last handle is dropped, for secrets. Costs a write of
    /// the whole block each time.
    pub fn zero_on_release(mut self) -> Self {
        self.config.zero_on_release = true;
        self
    }

    /// Makes the pool. Maps nothing yet.
    #[must_use]
    pub fn build(self) -> Pool {
        Pool { inner: Arc::new(Handle { central: Central::new(self.config) }) }
    }
}
