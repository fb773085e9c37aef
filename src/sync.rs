//! Atomics, locks, threads and thread-local storage. A model checker can replace them here.
//!
//! With `--cfg shuttle` the whole crate uses those of shuttle, for `tests/shuttle`. The loom models in
//! `tests/loom` compile single files of the crate against a module of the same name that has those of loom.

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

/// Locks a mutex and ignores poison: no holder panics in the middle of a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
