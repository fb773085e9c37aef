//! The places where free blocks are. None of them knows the pool.
//!
//! | free blocks | file |
//! | --- | --- |
//! | of one thread | `magazines` |
//! | of all threads, for visits by others | `registry` |
//! | that flow from one thread to another | `depot` |
//! | of the slabs of one class | `slabs` |
//! | of more than 1 MiB | `large_cache` |

pub(crate) mod depot;
pub(crate) mod large_cache;
pub(crate) mod magazines;
pub(crate) mod registry;
pub(crate) mod slabs;
