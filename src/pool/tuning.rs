//! Every number of the pool that a person may want to turn, with what was measured for it.
//!
//! The numbers of the reference cache are in `memory/ref_cache.rs`, whose models compile that file alone.

use std::time::Duration;

/// The default of the most bytes of free blocks that a thread may keep.
///
/// Measured with batches of 1024 buffers of a network mix (7 MB), when [`FIRST_ALLOWANCE`] was 3 MiB and not yet 5: with
/// 4 MiB the thread refills a magazine for 64 of 1000 buffers, with 8 MiB for 28, with 12 and 16 MiB for 7, and then it
/// holds 10 MiB. A thread gets more than [`FIRST_ALLOWANCE`] only for a load that goes up and down by as much, and an idle
/// thread loses all of it within two periods of the purger.
pub(super) const THREAD_CACHE: usize = 16 << 20;

/// The bytes of free blocks that a thread may keep at first.
///
/// Batches of 64 buffers of the mix take 27 ns for each buffer with 1 MiB, 18 with 2 MiB, 16 with 3 MiB, and 10 with the
/// 4.2 MiB that they need. With 8 MiB from the start, a walk over 52 MiB of live buffers ended with 0.6 of the live bytes
/// in the cache and the depot, and was slower; with 6 MiB, and rounds only for flows, with 0.04.
pub(super) const FIRST_ALLOWANCE: usize = 5 << 20;

/// A round of trade is as many bytes as the thread may keep, divided by this: less than what a load that goes up and
/// down by more than that trades in one direction.
pub(super) const ROUNDS_OF_TRADE: usize = 4;

/// The fewest blocks of a round of trade: of fewer, by chance, all go one way.
pub(super) const BLOCKS_OF_TRADE: u64 = 16;

/// A thread's allowance doubles after this number of swings of the load: changes from rounds that receive blocks to rounds
/// that give them, or back.
pub(super) const SWINGS_TO_GROW: i32 = 2;

/// The rounds in which as much came as went that one swing makes up for. A round may lie across the turn of a swing; where
/// the load wanders, nearly all rounds are mixed.
pub(super) const MIXED_ROUNDS_PER_SWING: i32 = 3;

/// The allowance is halved after this many mixed rounds that no swing makes up for.
pub(super) const MIXED_ROUNDS_TO_SHRINK: i32 = 64;

/// The bytes that a magazine takes at first, if one block is not larger.
pub(super) const FIRST_MAGAZINE: usize = 2048;

/// The most blocks of a magazine.
pub(super) const MAX_MAGAZINE: usize = 256;

/// The most bytes of a magazine, if two blocks are not larger.
pub(super) const MAX_MAGAZINE_BYTES: usize = 4 << 20;

/// A magazine that runs empty or full grows only if it has served fewer blocks than this many times its limit since
/// the last time. A load that goes up and down by more than the magazine holds misses each limit's worth of blocks;
/// one that wanders about its mean misses far more seldom, and needs no more.
pub(super) const GROWTH_INTERVAL: u64 = 4;

/// The most blocks of a round, which is what a magazine trades with the depot. A trade takes each of the two threads about
/// 0.3 µs, for cache lines that move between their cores: 64 blocks were slower than this by 2 to 3 ns for each block.
pub(super) const MAX_ROUND: usize = 128;

/// The most bytes of a round, if one block is not larger. With 512 KiB a flow of 16 KiB blocks from one thread to another
/// took 27 ns for each block, with this 16.
///
/// The schedules of `tests/shuttle` have few blocks.
pub(super) const MAX_ROUND_BYTES: usize = if cfg!(shuttle) { 512 * 1024 } else { 2 << 20 };

/// A magazine gives whole rounds to the depot after it has given this many blocks without needing one itself. So
/// rounds are for blocks that flow from one thread to another; a load that wanders leaves free blocks in the slabs,
/// where they are of use to all classes.
///
/// The schedules of `tests/shuttle` have few blocks.
pub(super) const BLOCKS_BEFORE_DEPOT: u32 = if cfg!(shuttle) { 2 } else { 128 };

/// The number of times that a class with less than [`LITTLE`] bytes is refused a larger part of the thread's cache
/// before other classes lose half of theirs. A class that has more waits longer, because the others may need it as
/// much.
pub(super) const REFUSALS_BEFORE_DISPLACING: u32 = 16;

/// See [`REFUSALS_BEFORE_DISPLACING`].
pub(super) const LITTLE: usize = 128 * 1024;

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

/// The period of the purger. What is idle beyond the reserve for a whole period is given back: so within two periods and
/// the time that the system takes for it, which was 60 ms for 252 MiB. That is 0.4 s in all.
pub(super) const PURGE_PERIOD: Duration = Duration::from_millis(150);

/// The bytes that one step of the purger gives back at most, if one range is not larger.
pub(super) const PURGE_STEP: usize = 4 << 20;

/// The blocks of a pool with a limit are kept by other threads' cached references only up to the limit's share of one
/// in this many: sixteen threads with 64 slots delay at most half of the limit.
pub(super) const LIMIT_PER_CACHED_BLOCK: usize = 2048;

/// The tries, each a few nanoseconds, to find another thread's cache unused before it is left alone.
pub(super) const SPINS_FOR_CACHE: u32 = 200;
