//! The atomics that the counting protocol uses, in one place.
//!
//! The loom models in `tests/loom` compile `memory/count.rs` and `memory/bank.rs` against a module of
//! the same name that gives loom's types instead; nothing else needs to know.

pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
