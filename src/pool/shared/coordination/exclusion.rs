//! Mutual exclusion of a frequent user and a rare one, without an atomic read-modify-write for the frequent one.
//!
//! One thread, the owner, uses some cells millions of times a second. Any other thread may occasionally stop the
//! owner from entering, while the owner does not use the cells.
//!
//! Rules:
//!
//! * **K1** The cells are used only by the owner between [`enter`](Exclusion::enter) and [`leave`](Exclusion::leave),
//!   or by a thread that has a [`Stopped`], which may be the owner itself. The owner sets `busy` and then reads `key`; the other thread clears `key`
//!   and then reads `busy`. Each has a full barrier in between (see `sys::barrier`), so at least one of them sees the
//!   other's write and does not use the cells.
//! * **K2** `key` is set only by a thread that holds `remote`: by the owner ([`activate`](Exclusion::activate)), or
//!   by another thread that is done ([`undo`](Stopped::undo)). So the owner cannot enter while another thread uses
//!   the cells.
//! * **K3** The accesses of one user happen before those of the next one: the owner releases `busy` and the other
//!   thread acquires it; the thread that sets `key` releases it, by `key` itself or by `remote`, and the owner
//!   acquires it.

use crate::sync::{AtomicBool, AtomicPtr, Mutex, MutexGuard, Ordering, lock, spin_loop};
use crate::sys::barrier;

/// The state of the exclusion.
pub(crate) struct Exclusion {
    /// The key with which the owner may enter; null while it may not.
    key: AtomicPtr<()>,
    /// Whether the owner uses the cells, or tries to.
    busy: AtomicBool,
    /// Held by a thread that stops the owner, or that sets `key` (K2).
    remote: Mutex<()>,
}

/// The right to use the cells while the owner is stopped. After this is dropped without [`undo`](Stopped::undo), the
/// owner must [`activate`](Exclusion::activate) to enter again.
pub(crate) struct Stopped<'a> {
    exclusion: &'a Exclusion,
    before: *mut (),
    _remote: MutexGuard<'a, ()>,
}

impl Exclusion {
    /// Returns a dormant state: the owner must [`activate`](Self::activate) first.
    pub(crate) fn new() -> Self {
        let key = AtomicPtr::new(core::ptr::null_mut());
        Self { key, busy: AtomicBool::new(false), remote: Mutex::new(()) }
    }

    /// Begins a use of the cells. Returns whether the owner may use them: only if the state has the given key. On
    /// `false` too the owner must [`leave`](Self::leave). Only the owner may call this.
    #[inline(always)]
    pub(crate) fn enter(&self, key: *const ()) -> bool {
        // Relaxed: the barrier orders it before the load (K1).
        self.busy.store(true, Ordering::Relaxed);
        barrier::light();
        // Acquire: the accesses of another thread happen before those of the owner (K3).
        core::ptr::eq(self.key.load(Ordering::Acquire), key)
    }

    /// Ends the use that [`enter`](Self::enter) began.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        // Release: the owner's accesses happen before those of a thread that reads `false` (K3).
        self.busy.store(false, Ordering::Release);
    }

    /// Lets the owner enter with a key again. Returns `false`, without a change, if another thread stops the owner at
    /// this moment. Only the owner may call this.
    pub(crate) fn activate(&self, key: *const ()) -> bool {
        let Ok(_remote) = self.remote.try_lock() else { return false };
        // Relaxed: the lock orders the accesses of other threads before this (K3).
        self.key.store(key.cast_mut(), Ordering::Relaxed);
        true
    }

    /// Returns whether the owner must [`activate`](Self::activate) before it can enter.
    pub(crate) fn is_dormant(&self) -> bool {
        self.key.load(Ordering::Relaxed).is_null()
    }

    /// Stops the owner from entering. Returns `None`, without a change, if the owner still uses the cells after
    /// `spins` reads of `busy`, or if the system has no barrier.
    pub(crate) fn stop(&self, spins: u32) -> Option<Stopped<'_>> {
        let remote = lock(&self.remote);
        // Relaxed: the barrier orders it before the load (K1).
        let before = self.key.swap(core::ptr::null_mut(), Ordering::Relaxed);
        let stopped = Stopped { exclusion: self, before, _remote: remote };
        if barrier::heavy() {
            for _ in 0..spins {
                // Acquire: the owner's accesses happen before those of this thread (K3).
                if !self.busy.load(Ordering::Acquire) {
                    return Some(stopped);
                }
                spin_loop();
            }
        }
        stopped.undo();
        None
    }

    /// Stops the owner from entering, after waiting for another thread that has stopped it. The caller is the owner and
    /// does not use the cells, so this needs no barrier.
    pub(crate) fn stop_own(&self) -> Stopped<'_> {
        let remote = lock(&self.remote);
        // Relaxed: the lock orders the accesses of other threads before and after those of this one (K3).
        let before = self.key.swap(core::ptr::null_mut(), Ordering::Relaxed);
        Stopped { exclusion: self, before, _remote: remote }
    }

    /// Prevents the owner from entering again, without waiting for a use that has begun: its next use fails.
    pub(crate) fn retire(&self) {
        let _remote = lock(&self.remote);
        self.key.store(core::ptr::null_mut(), Ordering::Relaxed);
    }
}

impl Stopped<'_> {
    /// Restores the key from before [`stop`](Exclusion::stop).
    pub(crate) fn undo(self) {
        // Release: this thread's accesses happen before those of the owner (K3).
        self.exclusion.key.store(self.before, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// With the barrier of this system. An update is lost if both threads use the cell at a time.
    #[test]
    fn an_owner_and_a_thread_that_stops_it_lose_no_update() {
        let (uses, stops) = if cfg!(miri) { (200, 5) } else { (300_000, 1000) };
        let (exclusion, cell, key) = (Exclusion::new(), AtomicU64::new(0), 0_u8);
        let key = (&raw const key).addr();
        let key = core::ptr::without_provenance(key);
        let add_one = || cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let stopped = std::thread::scope(|scope| {
            let stopper = scope.spawn(|| {
                let stop = |_| {
                    let stopped = exclusion.stop(100)?;
                    add_one();
                    stopped.undo();
                    Some(())
                };
                (0..stops).filter_map(stop).count() as u64
            });
            let mut used = 0;
            while used < uses {
                if exclusion.is_dormant() {
                    exclusion.activate(key);
                }
                if exclusion.enter(key) {
                    add_one();
                    used += 1;
                }
                exclusion.leave();
            }
            stopper.join().unwrap()
        });
        assert_eq!(cell.into_inner(), uses + stopped);
    }
}
