//! What the threads of a pool share: free blocks, memory, limits, and the way back to the system.
//!
//! Each imports only from those above it in this list:
//!
//! - `coordination/`: flags and counters that threads agree by;
//! - `stores/`: the places of free blocks, none of which knows the pool;
//! - `central/`: the pool itself, which owns these places. A file for each policy: `blocks` come out of slabs and return,
//!   `large` ones have a mapping of their own, `rounds` go to the depot; `limit`, `reclaim` from threads, `purge`, `snapshot`;
//! - `purger`: the thread that lets all pools purge.

pub(super) mod central;
pub(super) mod coordination;
pub(super) mod purger;
pub(super) mod stores;
