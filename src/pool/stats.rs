//! What a pool can tell about its memory.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one thread took and put back of one class. One thread writes, with plain loads and stores; all
/// may read.
#[derive(Default)]
pub(crate) struct Tally {
    allocs: AtomicU64,
    frees: AtomicU64,
}

/// What one thread traded with the central part, of one class. Written and read as a [`Tally`] is.
#[derive(Default)]
pub(crate) struct Trade {
    received: AtomicU64,
    given: AtomicU64,
}

fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

impl Tally {
    #[inline]
    pub(crate) fn count_alloc(&self) {
        bump(&self.allocs, 1);
    }

    #[inline]
    pub(crate) fn count_free(&self) {
        bump(&self.frees, 1);
    }

    /// Adds another's counts, for threads that are gone; several may do so at once.
    pub(crate) fn absorb(&self, other: &Self) {
        self.allocs.fetch_add(other.allocs.load(Relaxed), Relaxed);
        self.frees.fetch_add(other.frees.load(Relaxed), Relaxed);
    }

    /// As `count_alloc`, where several threads write.
    pub(crate) fn count_shared_alloc(&self) {
        self.allocs.fetch_add(1, Relaxed);
    }

    /// As `count_free`, where several threads write.
    pub(crate) fn count_shared_free(&self) {
        self.frees.fetch_add(1, Relaxed);
    }

    pub(crate) fn allocs(&self) -> u64 {
        self.allocs.load(Relaxed)
    }

    pub(crate) fn frees(&self) -> u64 {
        self.frees.load(Relaxed)
    }
}

impl Trade {
    /// Blocks came from the central part.
    pub(crate) fn receive(&self, blocks: usize) {
        bump(&self.received, blocks as u64);
    }

    /// Blocks went to the central part.
    pub(crate) fn give(&self, blocks: usize) {
        bump(&self.given, blocks as u64);
    }

    /// Blocks in the thread's magazines, given what it took and put back.
    pub(crate) fn cached(&self, tally: &Tally) -> u64 {
        let into = self.received.load(Relaxed).wrapping_add(tally.frees());
        into.wrapping_sub(self.given.load(Relaxed)).wrapping_sub(tally.allocs())
    }
}

/// A pool's memory at one moment, in bytes.
///
/// While no other thread uses the pool the figures are exact and add up:
/// `mapped = pinned + cached + free`, and `live <= pinned`.
///
/// # Examples
///
/// ```
/// use bytebuf::Pool;
///
/// let pool = Pool::builder().build();
/// let buffer = pool.alloc(4096);
/// let stats = pool.stats();
/// assert_eq!(stats.live, 4096);
/// assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free);
/// println!("{stats}");
/// # drop(buffer);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// What was asked for of the blocks that buffers and views hold.
    pub live: usize,
    /// The full size of these blocks: what handles keep from being used, however small a part of a block
    /// they show.
    pub pinned: usize,
    /// Free blocks in the magazines of threads, in the depot, and large blocks that are kept warm.
    pub cached: usize,
    /// Mapped memory that belongs to no block in use or cached: it may or may not be resident.
    pub free: usize,
    /// What is mapped from the system.
    pub mapped: usize,
    /// The part of `cached` and `free` that may be resident and is held for the next burst; it goes back
    /// to the system when it stays unused.
    pub idle: usize,
    /// Blocks that buffers and views hold.
    pub live_blocks: usize,
    /// Blocks handed out since the pool was made.
    pub allocations: u64,
    /// Blocks taken back since the pool was made.
    pub releases: u64,
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, pinned, cached, free, mapped, idle, live_blocks, allocations, .. } = self;
        write!(
            f,
            "{} live in {live_blocks} blocks that pin {}, {} cached, {} free ({} idle), {} mapped; \
             {allocations} allocations",
            Bytes(*live),
            Bytes(*pinned),
            Bytes(*cached),
            Bytes(*free),
            Bytes(*idle),
            Bytes(*mapped),
        )
    }
}

/// A number of bytes for people.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ ..1024 => write!(f, "{bytes} B"),
            bytes @ ..1_048_576 => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
            bytes @ ..1_073_741_824 => write!(f, "{:.1} MiB", bytes as f64 / 1_048_576.0),
            bytes => write!(f, "{:.1} GiB", bytes as f64 / 1_073_741_824.0),
        }
    }
}
