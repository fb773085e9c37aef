//! The tuning constants of the pool, with the measurements that support them.
//!
//! The constants of the reference cache are in `memory/ref_cache.rs`, as its models compile that file alone.

use std::time::Duration;

/// The default of the maximum bytes of free blocks that a thread may keep.
///
/// Measured with batches of 1024 buffers of a network mix (7 MB), while [`FIRST_ALLOWANCE`] was 3 MiB: with 4 MiB
/// the thread refills a magazine for 64 of 1000 buffers, with 8 MiB for 28, with 12 and 16 MiB for 7, when it
/// holds 10 MiB. A thread gets more than [`FIRST_ALLOWANCE`] only for a load that rises and falls by as much. An idle
/// thread loses all of it within two periods of the purger.
pub(super) const THREAD_CACHE: usize = 16 << 20;

/// The bytes of free blocks that a thread may keep at first.
///
/// Batches of 64 buffers of the mix need 4.2 MiB. They take 27 ns per buffer with 1 MiB, 18 with 2 MiB, 16 with 3 MiB,
/// and 10 with 4.2 MiB. A walk over 52 MiB of live buffers ended with 0.6 of the live bytes in the cache and the
/// depot, and was slower, with 8 MiB; with 0.04 of them with 6 MiB, and rounds only for one-way flows.
pub(super) const FIRST_ALLOWANCE: usize = 5 << 20;

/// A window, the unit in which a thread's flow is judged, has the bytes that the thread may keep, divided by this. A
/// load that rises and falls by more than the thread may keep exchanges more than a window in one direction.
pub(super) const WINDOWS_PER_ALLOWANCE: usize = 4;

/// The minimum number of blocks in a window: fewer may all go one way by chance.
pub(super) const MIN_WINDOW_BLOCKS: u64 = 16;

/// The number of swings of the load after which a thread's allowance doubles. A swing is a change from windows that
/// receive blocks to windows that give them, or back.
pub(super) const SWINGS_TO_GROW: i32 = 2;

/// The number of mixed windows that one swing offsets. A mixed window receives about as much as it gives. A window can
/// be mixed because the load turns within it; while a load fluctuates about its mean, nearly all windows are mixed.
pub(super) const MIXED_WINDOWS_PER_SWING: i32 = 3;

/// The number of mixed windows not offset by swings after which the allowance is halved.
pub(super) const MIXED_WINDOWS_TO_SHRINK: i32 = 64;

/// The bytes that a magazine may hold at first, or one block if that is larger.
pub(super) const FIRST_MAGAZINE: usize = 2048;

/// The maximum number of blocks in a magazine of a thread that holds more than [`USUAL_MAGAZINE`] blocks of the class. A
/// batch of 1024 blocks of 2 KiB takes 7 to 8 ns for each with this, and 12 to 13 with 256.
pub(super) const MAX_MAGAZINE: usize = 1024;

/// The maximum number of blocks in any other magazine. Blocks that flow from one thread to another lie in the receiving
/// thread's magazine meanwhile: with 1024, those of 1 KiB took 2 ns more, as they had left the nearer caches.
pub(super) const USUAL_MAGAZINE: usize = 256;

/// The maximum bytes of a magazine, or two blocks if those are larger.
pub(super) const MAX_MAGAZINE_BYTES: usize = 4 << 20;

/// A magazine that runs empty or full grows only if it has served at most this many times its limit in blocks since
/// it last ran empty or full. A load that rises and falls by more than the magazine holds misses once per limit of
/// blocks. A load that fluctuates about its mean misses far less often, and needs no larger magazine.
pub(super) const GROWTH_INTERVAL: u64 = 4;

/// The maximum number of blocks in a round, the unit that a magazine exchanges with the depot. An exchange takes each
/// of the two threads about 0.3 µs, as cache lines move between their cores. With 64 blocks, each block took 2 to 3
/// ns more.
pub(super) const MAX_ROUND: usize = 128;

/// The maximum bytes of a round, or one block if that is larger. A flow of 16 KiB blocks from one thread to another
/// took 27 ns per block with 512 KiB, and takes 16 with this.
///
/// The schedules of `tests/shuttle` have few blocks.
pub(super) const MAX_ROUND_BYTES: usize = if cfg!(shuttle) { 512 * 1024 } else { 2 << 20 };

/// A magazine gives whole rounds to the depot after it has given this many blocks without a refill. So rounds serve
/// blocks that flow from one thread to another. A load that fluctuates returns free blocks to the slabs, where all
/// classes can use the memory.
///
/// The schedules of `tests/shuttle` have few blocks.
pub(super) const BLOCKS_BEFORE_DEPOT: u32 = if cfg!(shuttle) { 2 } else { 128 };

/// The number of times that a class with less than [`SMALL_SHARE`] bytes is refused a larger part of the thread's cache
/// before other classes lose half of theirs. A class with more bytes waits 64 times as long.
pub(super) const REFUSALS_BEFORE_DISPLACING: u32 = 16;

/// See [`REFUSALS_BEFORE_DISPLACING`].
pub(super) const SMALL_SHARE: usize = 128 * 1024;

/// The number of blocks that a thread without a cache for their pool frees before it gets one.
pub(super) const FOREIGN_FREES_BEFORE_CACHE: u32 = 32;

/// The default maximum size of a chunk, in bytes.
pub(super) const CHUNK_SIZE: usize = 4 << 20;

/// The size of the first chunk of a pool, in bytes. Each further chunk is as large as all before it together, up to the
/// maximum, so that a pool in little use costs little address space.
pub(super) const FIRST_CHUNK: usize = 256 * 1024;

/// The number of large blocks kept for reuse. A search examines all of them.
pub(super) const LARGE_CACHED: usize = 16;

/// The minimum of the reserve: idle bytes that the purger does not return.
pub(super) const IDLE_RESERVE: usize = 256 * 1024;

/// The reserve is the memory in use divided by this, but at least [`IDLE_RESERVE`].
pub(super) const IDLE_SHARE: usize = 16;

/// The period of the purger. Bytes beyond the reserve that are idle for a whole period are returned: within two periods
/// and the time of the system calls, which was 60 ms for 252 MiB. That is 0.4 s in all.
pub(super) const PURGE_PERIOD: Duration = Duration::from_millis(150);

/// The maximum bytes that one step of the purger returns, or one range if that is larger.
pub(super) const PURGE_STEP: usize = 4 << 20;

/// References to blocks of a pool with a limit are cached only for blocks of at most the limit divided by this. So
/// sixteen threads with 64 slots each delay freeing at most half of the limit.
pub(super) const LIMIT_PER_CACHED_BLOCK: usize = 2048;

/// The number of checks, a few nanoseconds each, whether another thread still uses its cache. After these the caller
/// skips that cache.
pub(super) const SPINS_FOR_CACHE: u32 = 200;
