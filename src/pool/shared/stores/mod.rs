//! The stores of free blocks. They do not depend on the pool.
//!
//! | store | file |
//! | --- | --- |
//! | the free blocks of one thread | `magazines` |
//! | the magazines of all threads, for visits by other threads | `registry` |
//! | rounds of blocks that flow from one thread to another | `depot` |
//! | the slabs of one class | `slabs` |
//! | free blocks of more than 1 MiB | `large_cache` |

pub(crate) mod depot;
pub(crate) mod large_cache;
pub(crate) mod magazines;
pub(crate) mod registry;
pub(crate) mod slabs;
