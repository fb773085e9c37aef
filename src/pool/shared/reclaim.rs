//! Taking free blocks back from threads: when a limit is reached, when a thread is idle, when the pool closes.

use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::magazines::Magazines;
use crate::sync::{Ordering::Relaxed, lock};
use std::sync::Arc;

impl Central {
    /// Makes room for `bytes` under the limit, out of what threads, the depot and the cache of large blocks hold. Returns
    /// whether it is worth another try.
    ///
    /// # Cost
    ///
    /// O(threads) when there is nothing to gain. Otherwise the blocks are moved to their slabs, which is linear in
    /// their number.
    #[cold]
    pub(super) fn make_room(self: &Arc<Self>, bytes: usize) -> bool {
        let Some(limit) = self.config.max_memory else { return false };
        let short = self.in_use.load(Relaxed).saturating_add(bytes).saturating_sub(limit);
        let shared = self.depot_bytes.load(Relaxed) + lock(&self.large).bytes();
        if bytes > limit || shared + self.in_caches() < short {
            return false;
        }
        self.purge_large(usize::MAX);
        for class in self.classes().map(|(class, _)| class) {
            while self.unload_round(class) {}
        }
        self.take_back_caches(false);
        true
    }

    /// Returns an upper bound of the bytes in the caches of threads.
    fn in_caches(&self) -> usize {
        let caches = lock(&self.caches);
        let in_cache = |magazines: &Magazines| {
            if magazines.is_dormant() { 0 } else { magazines.assigned() + size_class::MAX }
        };
        caches.iter().map(|cache| cache.with(&caches, in_cache)).sum()
    }

    /// Takes the blocks of all threads back to their slabs, except those of a thread that uses them at this moment.
    /// With `for_good`, that thread does so itself at its next operation.
    pub(super) fn take_back_caches(self: &Arc<Self>, for_good: bool) {
        let caches = lock(&self.caches);
        for cache in caches.iter() {
            cache.with(&caches, |magazines| {
                if for_good {
                    magazines.retire();
                } else if magazines.is_dormant() {
                    return;
                }
                self.take_back(magazines);
            });
        }
    }

    /// Takes the blocks of threads back that have done nothing since the last call. Returns whether any other thread
    /// may hold some.
    pub(super) fn take_back_idle_caches(self: &Arc<Self>) -> bool {
        let caches = lock(&self.caches);
        let mut active = false;
        for cache in caches.iter() {
            cache.with(&caches, |magazines| {
                if magazines.is_dormant() {
                    return;
                }
                let activity = magazines.activity();
                let is_idle = magazines.seen.swap(activity, Relaxed) == activity;
                active |= !(is_idle && self.take_back(magazines));
            });
        }
        active
    }

    /// Takes the blocks of one thread back, unless it uses them at this moment: returns whether it did.
    pub(crate) fn take_back(self: &Arc<Self>, magazines: &Magazines) -> bool {
        magazines.take_all(|class, blocks| self.put_all(class, blocks))
    }

    /// Moves the blocks of a round of the depot to their slabs: returns whether there was one.
    pub(super) fn unload_round(self: &Arc<Self>, class: u8) -> bool {
        let Some(mut round) = self.pop_round(class) else { return false };
        self.put_all(class, &mut round.drain());
        self.recycle(round);
        true
    }
}
