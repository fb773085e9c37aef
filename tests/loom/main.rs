//! The parts of the crate that have orderings of their own, under loom: every interleaving of two or three
//! threads, and every value that the memory model lets a load see.
//!
//! The files of the crate are compiled here as they stand, against loom's atomics and locks. Each model names
//! the weakenings that it catches; `ci/weaken.sh` makes them, one at a time, in a copy, and sees that the
//! model fails.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom
//! ```
#![cfg(loom)]
#![allow(
    dead_code,
    clippy::tests_outside_test_module,
    unreachable_pub,
    reason = "files of the crate as tests"
)]

mod budget;
#[allow(unused_imports, reason = "what pools use")]
#[path = "../../src/pool/budget/mod.rs"]
mod budgets;
#[path = "../../src/pool/shared/coordination/closed.rs"]
mod closed;
#[path = "../../src/memory/count.rs"]
mod count;
#[path = "../../src/pool/error.rs"]
mod error;
#[path = "../../src/pool/shared/coordination/exclusion.rs"]
mod exclusion;
mod fixtures;
#[path = "../../src/memory/flags.rs"]
mod flags;
#[path = "../../src/pool/shared/coordination/idle.rs"]
mod idle;
mod idle_memory;
mod magazine_exclusion;
#[path = "../../src/sys/memory/mapped.rs"]
mod mapped;
mod pool;
mod publication;
#[path = "../../src/io/segment/published.rs"]
mod published;
#[path = "../../src/memory/ref_cache.rs"]
mod ref_cache;
mod ref_count;
mod sys;
mod uniqueness;

mod sync {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    macro_rules! model_thread_local {
        (static $name:ident: $kind:ty = const $init:block;) => {
            loom::thread_local! { static $name: $kind = $init; }
        };
    }
    pub(crate) use model_thread_local as thread_local;

    pub(crate) fn spin_loop() {
        loom::thread::yield_now();
    }

    /// The end of the process, as far as a model goes.
    pub(crate) fn abort() -> ! {
        panic!("the process aborts")
    }
}

mod observe {
    pub(super) mod events {
        pub(crate) fn budget_exhausted(_: &str, _: usize, _: usize) {}
    }
}
