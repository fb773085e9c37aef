//! The state of one thread: its caches of free blocks, and its cached references to shared blocks.
//!
//! `cache` decides how many blocks of a pool a thread keeps; `table` finds the cache of a pool; `free` returns a
//! block to its origin; `local` is the thread-local storage of the caches and of the reference cache.

pub(super) mod cache;
pub(super) mod free;
pub(super) mod local;
mod table;
