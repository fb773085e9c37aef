//! Exclusion of a frequent user by a rare one, at no atomic read-modify-write for the frequent one.
//!
//! One thread, the owner, uses some cells millions of times a second. Any other thread may now and then keep it out of them,
//! while it does not use them.
//!
//! Rules:
//!
//! * **K1** The cells are used only by the owner between [`enter`](Exclusion::enter) and [`leave`](Exclusion::leave), or by
//!   the thread that [`stop`](Exclusion::stop) has let in. The owner sets `busy` and then reads `key`; the other clears `key`
//!   and then reads `busy`. Each has a full barrier in between (see `sys::barrier`), so at least one of them sees the other
//!   and stays out.
//! * **K2** `key` is set only by a thread that holds `remote`: by the owner ([`activate`](Exclusion::activate)), or by
//!   another thread that is done. So the owner can't come back while another thread is in.
//! * **K3** What one of them did in the cells happens before what the next one does: the owner releases `busy` and the other
//!   acquires it; `key` is released by what sets it and acquired by the owner.

use crate::sync::{AtomicBool, AtomicPtr, Mutex, MutexGuard, Ordering, lock, spin_loop};
use crate::sys::barrier;

/// The state of the exclusion.
pub(crate) struct Exclusion {
    /// What the owner must find here to enter; null while it must not.
    key: AtomicPtr<()>,
    /// Whether the owner uses the cells.
    busy: AtomicBool,
    /// Held by a thread that keeps the owner out, or lets it back in (K2).
    remote: Mutex<()>,
}

/// The owner is kept out; it must [`activate`](Exclusion::activate) afterwards.
pub(crate) struct Stopped<'a> {
    exclusion: &'a Exclusion,
    before: *mut (),
    _remote: MutexGuard<'a, ()>,
}

impl Exclusion {
    /// Returns the state in which the owner must [`activate`](Self::activate) first.
    pub(crate) fn new() -> Self {
        let key = AtomicPtr::new(core::ptr::null_mut());
        Self { key, busy: AtomicBool::new(false), remote: Mutex::new(()) }
    }

    /// Begins to use the cells: returns whether the owner may, if they have the given key. Either way it has to
    /// [`leave`](Self::leave). Only the owner may call this.
    #[inline(always)]
    pub(crate) fn enter(&self, key: *const ()) -> bool {
        // Relaxed: the barrier orders it before the load (K1).
        self.busy.store(true, Ordering::Relaxed);
        barrier::light();
        // Acquire: what another thread did in the cells is seen (K3).
        core::ptr::eq(self.key.load(Ordering::Acquire), key)
    }

    /// Ends what [`enter`](Self::enter) began.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        // Release: what the owner did is seen by the thread that finds it gone (K3).
        self.busy.store(false, Ordering::Release);
    }

    /// Lets the owner in again, if no other thread keeps it out: returns whether it may. Only the owner may call this.
    pub(crate) fn activate(&self, key: *const ()) -> bool {
        let Ok(_remote) = self.remote.try_lock() else { return false };
        // Relaxed: the lock orders what another thread did before this (K3).
        self.key.store(key.cast_mut(), Ordering::Relaxed);
        true
    }

    /// Returns whether the owner must [`activate`](Self::activate) before it can enter.
    pub(crate) fn is_dormant(&self) -> bool {
        self.key.load(Ordering::Relaxed).is_null()
    }

    /// Keeps the owner out of the cells, unless it uses them now and still does after `spins` reads.
    pub(crate) fn stop(&self, spins: u32) -> Option<Stopped<'_>> {
        let remote = lock(&self.remote);
        // Relaxed: the barrier orders it before the load (K1).
        let before = self.key.swap(core::ptr::null_mut(), Ordering::Relaxed);
        let stopped = Stopped { exclusion: self, before, _remote: remote };
        if barrier::heavy() {
            for _ in 0..spins {
                // Acquire: what the owner did is seen (K3).
                if !self.busy.load(Ordering::Acquire) {
                    return Some(stopped);
                }
                spin_loop();
            }
        }
        stopped.undo();
        None
    }

    /// Keeps the owner from entering again, without waiting until it leaves: it finds out at its next use.
    pub(crate) fn retire(&self) {
        let _remote = lock(&self.remote);
        self.key.store(core::ptr::null_mut(), Ordering::Relaxed);
    }
}

impl Stopped<'_> {
    /// Lets the owner back in, if it was not kept out before.
    pub(crate) fn undo(self) {
        // Release: what this thread did in the cells is seen by the owner (K3).
        self.exclusion.key.store(self.before, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// On this machine, with the barrier that it has: an update that one of the two makes while the other is in is lost.
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
