//! What the threads of a pool share: free blocks, memory, limits, and the way back to the system.
//!
//! The files, lowest first; each imports only from those above it in this list:
//!
//! - `closed`, `idle`, `exclusion`, `alarm`: flags and counters that threads agree by;
//! - `depot`, `magazines`, `registry`, `slabs`, `large_cache`: the places of free blocks, none of which knows the pool;
//! - `central`: the pool itself: these places, its counters, its limit;
//! - `blocks`, `large`: blocks come from the slabs and from the system, and return;
//! - `purge`: idle memory goes back to the system; `reclaim`: free blocks are taken back from threads and the depot, for a
//!   limit, or because a thread is idle or the pool closes; `snapshot`: figures;
//! - `purger`: the thread that lets all pools purge.

mod alarm;
mod blocks;
pub(super) mod central;
pub(super) mod closed;
pub(super) mod depot;
pub(super) mod exclusion;
pub(super) mod idle;
pub(super) mod large;
mod large_cache;
pub(super) mod magazines;
mod purge;
pub(super) mod purger;
mod reclaim;
mod registry;
mod slabs;
mod snapshot;
