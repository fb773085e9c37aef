//! What one thread holds: caches of free blocks, and references to shared ones.
//!
//! `cache` decides how much a thread keeps of a pool's blocks; `table` finds the cache of a pool; `free` returns a block to
//! where it came from; `local` is the thread-local storage of these, and of the reference cache.

pub(super) mod cache;
pub(super) mod free;
pub(super) mod local;
mod table;
