//! The state of one thread: its caches of free blocks, and its cached references to shared blocks.
//!
//! `local` takes and puts blocks and references for the thread; `storage` is its thread-local storage, which finds the
//! cache of a pool by `table`. `cache` exchanges blocks with the shared part and decides how many a thread keeps. `free`
//! returns a block to its origin. `counts` lists the numbers of cached references of all threads.

mod cache;
pub(super) mod counts;
mod free;
pub(super) mod local;
mod storage;
mod table;
