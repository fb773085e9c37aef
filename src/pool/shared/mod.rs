//! What the threads of a pool share: free blocks, memory, limits, and the way back to the system.
//!
//! Each file uses those before it: `closed`, `idle`, `exclusion` (flags and counters), `depot` (rounds of blocks), `magazines` (a
//! thread's free blocks, which other threads may take), `registry` (those of all threads), `central` (the pool itself), then what `central` does:
//! `slabs`, `large`, `reclaim`, `purge`, `snapshot`; and `purger`, the thread that calls it.

pub(super) mod central;
pub(super) mod closed;
pub(super) mod depot;
pub(super) mod exclusion;
pub(super) mod idle;
pub(super) mod large;
pub(super) mod magazines;
pub(super) mod purge;
pub(super) mod purger;
pub(super) mod reclaim;
mod registry;
pub(super) mod slabs;
pub(super) mod snapshot;
