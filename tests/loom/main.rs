//! The counting protocol under loom: every interleaving of two or three threads, and every value that
//! the memory model lets a load see.
//!
//! `src/memory/count.rs` and `src/memory/bank.rs` are compiled here as they stand, against loom's atomics.
//! Each model names the weakenings that it catches; `ci/weaken.sh` makes them, one at a time, in a copy,
//! and sees that the model fails.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom
//! ```
#![cfg(loom)]
#![allow(
    clippy::tests_outside_test_module,
    unreachable_pub,
    reason = "files of the crate as tests"
)]

#[path = "../../src/memory/bank.rs"]
mod bank;
#[path = "../../src/memory/count.rs"]
mod count;
mod lend;
mod life;
mod pool;
mod stage;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
}
