//! The state that the threads of a pool share: free blocks, memory, limits, and the return of memory to the system.
//!
//! Each module imports only from those before it in this list:
//!
//! - `coordination/`: flags and counters by which threads coordinate;
//! - `stores/`: the stores of free blocks; they do not depend on the pool;
//! - `central/`: the pool, which owns the stores. One file for each policy: `blocks` of slabs, `large` blocks,
//!   `rounds` of the depot, the `limit`, `reclaim` from thread caches, `purge`, `snapshot`;
//! - `purger`: the thread that purges all pools.

pub(super) mod central;
pub(super) mod coordination;
pub(super) mod purger;
pub(super) mod stores;
