//! Every number of the pool that a person may want to turn, with what was measured for it.
//!
//! The numbers of the reference cache are in `memory/ref_cache.rs`, whose models compile that file alone.

use std::time::Duration;

/// The default bytes of free blocks that a thread may keep.
///
/// Measured with batches of 1024 buffers of a network mix (7 MB): 1 MiB 76 ns for each buffer, 2 MiB 52, 4 MiB 31,
/// 8 MiB 18.6, 16 MiB 17.7; mimalloc took 40. A magazine that its thread does not need stays small (see
/// `GROWTH_INTERVAL`), and an idle thread loses all of it within two periods of the purger.
pub(super) const THREAD_CACHE: usize = 8 << 20;

/// The bytes that a magazine takes at first, if one block is not larger.
pub(super) const FIRST_MAGAZINE: usize = 2048;

/// The most blocks of a magazine.
pub(super) const MAX_MAGAZINE: usize = 256;

/// The most bytes of a magazine, if two blocks are not larger.
pub(super) const MAX_MAGAZINE_BYTES: usize = 1 << 20;

/// A magazine that runs empty or full grows only if it has served fewer blocks than this many times its limit since
/// the last time. A load that goes up and down by more than the magazine holds misses each limit's worth of blocks;
/// one that wanders about its mean misses far more seldom, and needs no more.
pub(super) const GROWTH_INTERVAL: u64 = 4;

/// The most blocks of a round, which is what a magazine trades with the depot.
pub(super) const MAX_ROUND: usize = 64;

/// The most bytes of a round, if one block is not larger.
pub(super) const MAX_ROUND_BYTES: usize = 128 * 1024;

/// The number of times that a class with less than a round is refused a larger part of the thread's cache before
/// other classes lose half of theirs. A class that has more waits longer, because the others may need it as much.
pub(super) const REFUSALS_BEFORE_DISPLACING: u32 = 16;

/// The number of blocks that a thread frees into a pool that it does not allocate from before it gets a cache.
pub(super) const FOREIGN_FREES_BEFORE_CACHE: u32 = 32;

/// The default of the largest chunk, in bytes.
pub(super) const CHUNK_SIZE: usize = 4 << 20;

/// The first chunk of a pool, in bytes. Each further one is as large as all before it, up to the largest, so that a
/// pool that is hardly used costs little address space.
pub(super) const FIRST_CHUNK: usize = 256 * 1024;

/// The number of large blocks that are kept for reuse; a search looks at all of them.
pub(super) const LARGE_CACHED: usize = 16;

/// Idle bytes that are never given back by the purger, unless more than [`IDLE_SHARE`] of the memory in use is more.
pub(super) const IDLE_RESERVE: usize = 256 * 1024;

/// One part in this many of the memory in use may stay idle.
pub(super) const IDLE_SHARE: usize = 16;

/// The period of the purger. What is idle beyond the reserve for a whole period is given back: so within two.
pub(super) const PURGE_PERIOD: Duration = Duration::from_millis(200);

/// The bytes that one step of the purger gives back at most, if one range is not larger.
pub(super) const PURGE_STEP: usize = 4 << 20;

/// The blocks of a pool with a limit are kept by other threads' cached references only up to the limit's share of one
/// in this many: sixteen threads with 64 slots delay at most half of the limit.
pub(super) const LIMIT_PER_CACHED_BLOCK: usize = 2048;

/// The tries, each a few nanoseconds, to find another thread's cache unused before it is left alone.
pub(super) const SPINS_FOR_CACHE: u32 = 200;
