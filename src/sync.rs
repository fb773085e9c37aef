//! Atomics, locks, threads and thread-local storage: from one place, so that a model checker's can stand
//! in for them.
//!
//! With `--cfg shuttle` the whole crate runs on shuttle's, for `tests/shuttle`. The loom models in
//! `tests/loom` compile single files of the crate against a module of the same name that gives loom's.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    },
    sync::{Mutex, MutexGuard},
    thread, thread_local,
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    },
    sync::{Mutex, MutexGuard},
    thread, thread_local,
};

#[cfg(shuttle)]
pub(crate) use shuttle::hint::spin_loop;
#[cfg(not(shuttle))]
pub(crate) use std::hint::spin_loop;
pub(crate) use std::process::abort;
use std::sync::PoisonError;

/// A lock whose holders do not panic half-way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
