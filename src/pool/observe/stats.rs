//! The figures of a pool.

use core::fmt;

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
    /// The requested bytes of the blocks that buffers and views hold.
    pub live: usize,
    /// The full size of these blocks: a handle pins its whole block, however small a part of it it shows.
    pub pinned: usize,
    /// Free blocks in the caches of threads, in the depot, and cached large blocks.
    pub cached: usize,
    /// Mapped memory that belongs to no block in use or cached: it may or may not be resident.
    pub free: usize,
    /// The bytes that are mapped from the system.
    pub mapped: usize,
    /// The bytes that are mapped for the headers of blocks, in addition.
    pub headers: usize,
    /// The part of `cached` and `free` that may be resident and belongs to no thread. It goes back to the system when it
    /// stays unused.
    pub idle: usize,
    /// Blocks that buffers and views hold.
    pub live_blocks: usize,
    /// Blocks handed out since the pool was made.
    pub allocations: u64,
    /// Blocks taken back since the pool was made.
    pub releases: u64,
    /// The number of times that a thread's cache had no block and was refilled from the shared part.
    pub refills: u64,
    /// Blocks that were freed by another thread than the one that allocated them. For each thread and class only the
    /// excess counts: a thread that frees as many blocks as it allocates adds nothing.
    pub migrated: u64,
    /// The size classes that have been used, the smallest first. Blocks above 1 MiB belong to none.
    pub classes: Vec<ClassStats>,
}

/// The blocks of one size class.
///
/// # Examples
///
/// ```
/// use bytebuf::Pool;
///
/// let pool = Pool::builder().build();
/// let buffers: Vec<_> = (0..100).map(|_| pool.alloc(1500)).collect();
/// let stats = pool.stats();
/// let class = &stats.classes[0];
/// assert_eq!((class.size, class.live_blocks, class.live), (1536, 100, 150_000));
/// # drop(buffers);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// The size of its blocks, in bytes.
    pub size: usize,
    /// Blocks that buffers and views hold.
    pub live_blocks: usize,
    /// The requested bytes of these.
    pub live: usize,
    /// Free blocks in the caches of threads and in the depot.
    pub cached_blocks: usize,
    /// Free blocks in slabs of this class.
    pub free_blocks: usize,
    /// The part of [`PoolStats::migrated`] that is of this class.
    pub migrated: u64,
}

impl PoolStats {
    /// Returns the part of the live blocks that was not requested: 0 to 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// let buffer = pool.alloc(1500); // in a block of 1536 bytes
    /// assert_eq!(pool.stats().waste(), 36.0 / 1536.0);
    /// # drop(buffer);
    /// ```
    #[must_use]
    pub fn waste(&self) -> f64 {
        share((self.pinned - self.live) as u64, self.pinned as u64)
    }

    /// Returns the part of the allocations that the thread's own cache served: 0 to 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// (0..1000).for_each(|_| drop(pool.alloc(1500)));
    /// assert!(pool.stats().hit_rate() > 0.99);
    /// ```
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
            let ClassStats { size, live_blocks, cached_blocks, free_blocks, .. } = class;
            write!(
                f,
                "\n{size:>8}: {live_blocks} live, {cached_blocks} cached, {free_blocks} free"
            )?;
        }
        Ok(())
    }
}

/// A number of bytes, with a unit.
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
