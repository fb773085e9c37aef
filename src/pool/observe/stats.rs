//! What a pool can tell about its memory.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one thread took and put back of one class. One thread writes, with plain loads and stores; all
/// may read. Figures: nothing else is ordered by them, so all is `Relaxed`.
#[derive(Default)]
pub(crate) struct Counters {
    allocs: AtomicU64,
    frees: AtomicU64,
    /// The bytes that were asked for of the blocks taken, and of those put back.
    asked: AtomicU64,
    returned: AtomicU64,
}

/// What one thread traded with the central part, of one class. Written and read as a [`Counters`] is.
#[derive(Default)]
pub(crate) struct Transfers {
    received: AtomicU64,
    given: AtomicU64,
    refills: AtomicU64,
    migrated: AtomicU64,
}

#[inline]
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

impl Counters {
    /// A block was taken for so many bytes.
    #[inline]
    pub(crate) fn count_alloc(&self, size: usize) {
        bump(&self.allocs, 1);
        bump(&self.asked, size as u64);
    }

    /// A block that was requested for so many bytes was put back.
    #[inline]
    pub(crate) fn count_free(&self, size: usize) {
        bump(&self.frees, 1);
        bump(&self.returned, size as u64);
    }

    /// Adds another's counts, for threads that are gone; several may do so at once.
    pub(crate) fn merge(&self, other: &Self) {
        self.allocs.fetch_add(other.allocs.load(Relaxed), Relaxed);
        self.frees.fetch_add(other.frees.load(Relaxed), Relaxed);
        self.asked.fetch_add(other.asked.load(Relaxed), Relaxed);
        self.returned.fetch_add(other.returned.load(Relaxed), Relaxed);
    }

    /// As `count_alloc`, where several threads write.
    pub(crate) fn count_shared_alloc(&self, size: usize) {
        self.allocs.fetch_add(1, Relaxed);
        self.asked.fetch_add(size as u64, Relaxed);
    }

    /// As `count_free`, where several threads write.
    pub(crate) fn count_shared_free(&self, size: usize) {
        self.frees.fetch_add(1, Relaxed);
        self.returned.fetch_add(size as u64, Relaxed);
    }

    /// The bytes asked for less those put back: of one thread alone that may be less than nothing, so the
    /// sum over threads wraps.
    pub(crate) fn outstanding(&self) -> u64 {
        self.asked.load(Relaxed).wrapping_sub(self.returned.load(Relaxed))
    }

    pub(crate) fn allocs(&self) -> u64 {
        self.allocs.load(Relaxed)
    }

    pub(crate) fn frees(&self) -> u64 {
        self.frees.load(Relaxed)
    }
}

impl Transfers {
    /// Went to the central part for blocks.
    pub(crate) fn count_refill(&self) {
        bump(&self.refills, 1);
    }

    /// Adds the sums of a thread that is gone.
    pub(crate) fn merge(&self, other: &Self, counters: &Counters) {
        self.refills.fetch_add(other.refills(), Relaxed);
        self.migrated.fetch_add(other.migrated(counters), Relaxed);
    }

    /// A thread without a cache put a block back.
    pub(crate) fn count_shared_migration(&self) {
        self.migrated.fetch_add(1, Relaxed);
    }

    pub(crate) fn refills(&self) -> u64 {
        self.refills.load(Relaxed)
    }

    /// Blocks that the thread put back beyond those that it took, and those of threads that are gone.
    pub(crate) fn migrated(&self, counters: &Counters) -> u64 {
        self.migrated.load(Relaxed) + counters.frees().saturating_sub(counters.allocs())
    }

    /// Blocks came from the central part.
    pub(crate) fn receive(&self, blocks: usize) {
        bump(&self.received, blocks as u64);
    }

    /// Blocks that came from the central part.
    pub(crate) fn received(&self) -> usize {
        usize::try_from(self.received.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// Blocks went to the central part.
    pub(crate) fn give(&self, blocks: usize) {
        bump(&self.given, blocks as u64);
    }

    /// Blocks in the thread's magazines, given what it took and put back. While the thread is at work
    /// some of its counts are ahead of others.
    pub(crate) fn cached(&self, counters: &Counters) -> usize {
        let into = self.received.load(Relaxed).wrapping_add(counters.frees());
        into.saturating_sub(self.given.load(Relaxed).wrapping_add(counters.allocs())) as usize
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
/// println!("{stats}"); // `{stats:#}` lists the size classes
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
    /// What is mapped beside that for the headers of blocks. It does not count towards a limit.
    pub headers: usize,
    /// The part of `cached` and `free` that may be resident and is held for the next burst; it goes back
    /// to the system when it stays unused.
    pub idle: usize,
    /// Blocks that buffers and views hold.
    pub live_blocks: usize,
    /// Blocks handed out since the pool was made.
    pub allocations: u64,
    /// Blocks taken back since the pool was made.
    pub releases: u64,
    /// How often a thread's cache had none and went to the shared part.
    pub refills: u64,
    /// Blocks that were dropped by other threads than took them: net, summed over threads and classes.
    pub migrated: u64,
    /// The size classes that have been used, the smallest first. Blocks above 1 MiB belong to none.
    pub classes: Vec<ClassStats>,
}

/// The blocks of one size class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// The size of its blocks, in bytes.
    pub size: usize,
    /// Blocks that buffers and views hold.
    pub live_blocks: usize,
    /// What was asked for of these, in bytes.
    pub live: usize,
    /// Free blocks in the magazines of threads and in the depot.
    pub cached_blocks: usize,
    /// Free blocks in slabs of this class.
    pub free_blocks: usize,
    /// Blocks handed out.
    pub allocations: u64,
    /// Blocks taken back.
    pub releases: u64,
    /// How often a thread's cache had none and went to the shared part.
    pub refills: u64,
    /// Blocks that were dropped by other threads than took them, net.
    pub migrated: u64,
}

impl PoolStats {
    /// The part of the live blocks that nobody asked for: 0 to 1.
    #[must_use]
    pub fn waste(&self) -> f64 {
        share((self.pinned - self.live) as u64, self.pinned as u64)
    }

    /// The part of the allocations that the thread's own cache served: 0 to 1.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        share(self.allocations.saturating_sub(self.refills), self.allocations)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, pinned, cached, free, mapped, headers, .. } = self;
        let Self { idle, live_blocks, allocations, .. } = self;
        write!(
            f,
            "{} live in {live_blocks} blocks that pin {}, {} cached, {} free ({} idle), {} mapped \
             and {} for headers; {allocations} allocations, {:.1} % from the thread's cache",
            Bytes(*live),
            Bytes(*pinned),
            Bytes(*cached),
            Bytes(*free),
            Bytes(*idle),
            Bytes(*mapped),
            Bytes(*headers),
            self.hit_rate() * 100.0,
        )?;
        let listed: &[ClassStats] = if f.alternate() { &self.classes } else { &[] };
        for class in listed {
            let ClassStats { size, live_blocks, cached_blocks, free_blocks, allocations, .. } =
                class;
            write!(
                f,
                "\n{size:>8}: {live_blocks} live, {cached_blocks} cached, {free_blocks} free; \
                 {allocations} allocations"
            )?;
        }
        Ok(())
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
