//! Taking free blocks back from threads: when a limit is reached, when a thread is idle, when the pool closes.

use crate::memory::header::HeaderRef;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::depot::Round;
use crate::pool::shared::magazines::Magazines;
use crate::pool::tuning::{IDLE_RESERVE, PURGE_STEP};
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Reclaims free blocks of threads, of the depot and of the cache of large blocks, until `bytes` more fit under the
    /// limit. Returns whether another attempt may succeed.
    ///
    /// # Cost
    ///
    /// O(threads) when there is nothing to gain. Otherwise the blocks are moved to their slabs, which is linear in
    /// their number.
    #[cold]
    pub(super) fn reclaim_for(self: &Arc<Self>, bytes: usize) -> bool {
        let Some(limit) = self.config.max_memory else { return false };
        let short = self.in_use.load(Relaxed).saturating_add(bytes).saturating_sub(limit);
        if bytes > limit || self.kept.load(Relaxed) + self.in_caches() < short {
            return false;
        }
        self.purge_large(usize::MAX);
        for class in self.classes().map(|(class, _)| class) {
            while self.unload_round(class) {}
        }
        self.take_back_caches(false);
        true
    }

    /// Takes one block, for a thread that has no cache.
    pub(crate) fn take_one(self: &Arc<Self>, class: u8) -> Result<HeaderRef, AllocError> {
        if let Some(mut round) = self.pop_round(class) {
            let mut blocks = round.drain();
            let first = blocks.next();
            self.put_all(class, &mut blocks);
            drop(blocks);
            self.recycle(round);
            if let Some(first) = first {
                return Ok(first);
            }
        }
        self.bound_resident(PURGE_STEP);
        let (size, mut taken) = (size_class::size_of_class(class), None);
        let mut fill = || self.fill(class, 1, &mut |block| taken = Some(block));
        fill().or_else(|error| match error.kind {
            AllocErrorKind::OverLimit if self.reclaim_for(size) => fill(),
            _ => Err(error),
        })?;
        taken.ok_or_else(|| self.refuse(size))
    }

    /// Gives idle memory back, about `most` bytes of it, if more than the limit may be resident: what blocks of one size
    /// leave behind does not add up with what blocks of other sizes take, until the purger comes by. Call this without a
    /// lock, before blocks leave the slabs.
    ///
    /// # Cost
    ///
    /// A few loads, and system calls for what is beyond the limit. A search that has found little comes again after
    /// another reserve is idle.
    #[inline]
    pub(crate) fn bound_resident(self: &Arc<Self>, most: usize) {
        let Some(limit) = self.config.max_memory else { return };
        let held =
            (self.in_use.load(Relaxed) + self.idle()).saturating_sub(self.kept.load(Relaxed));
        let (beyond, stuck) = (held.saturating_sub(limit), self.stuck.load(Relaxed));
        if beyond > stuck + IDLE_RESERVE {
            let wanted = beyond.min(most);
            let purged = self.purge(wanted);
            self.stuck.store(if purged < wanted { beyond - purged } else { 0 }, Relaxed);
        } else if beyond < stuck {
            self.stuck.store(beyond, Relaxed);
        }
    }

    /// Returns an upper bound of the bytes in the caches of threads.
    fn in_caches(&self) -> usize {
        let mut sum = 0;
        self.caches.for_each(|magazines| {
            if !magazines.is_dormant() {
                sum += magazines.assigned() + size_class::MAX;
            }
        });
        sum
    }

    /// Takes the blocks of all threads back to their slabs, except those of a thread that uses them at this moment.
    /// With `for_good`, that thread does so itself at its next operation.
    pub(super) fn take_back_caches(self: &Arc<Self>, for_good: bool) {
        self.caches.for_each(|magazines| {
            if for_good {
                magazines.retire();
            } else if magazines.is_dormant() {
                return;
            }
            self.take_back(magazines);
        });
    }

    /// Takes the blocks of threads back that have done nothing since the last call. Returns whether any other thread
    /// may hold some.
    pub(super) fn take_back_idle_caches(self: &Arc<Self>) -> bool {
        let mut active = false;
        self.caches.for_each(|magazines| {
            if magazines.is_dormant() {
                return;
            }
            let activity = magazines.activity();
            let is_idle = magazines.seen.swap(activity, Relaxed) == activity;
            active |= !(is_idle && self.take_back(magazines));
        });
        active
    }

    /// Takes the blocks of one thread back, unless it uses them at this moment: returns whether it did.
    pub(crate) fn take_back(self: &Arc<Self>, magazines: &Magazines) -> bool {
        magazines.take_all(|class, blocks| self.put_all(class, blocks))
    }

    /// Puts a full round into the depot.
    pub(crate) fn push_round(self: &Arc<Self>, class: u8, round: Box<Round>) {
        let bytes = round.len() * size_class::size_of_class(class);
        self.kept.fetch_add(bytes, Relaxed);
        self.idle.add(bytes);
        self.used_class(class).depot.push(round);
        if self.is_closed_by_now() {
            self.purge(usize::MAX);
        }
        self.watch_if_needed();
    }

    /// Moves the blocks of a round of the depot to their slabs: returns whether there was one.
    pub(super) fn unload_round(self: &Arc<Self>, class: u8) -> bool {
        let Some(mut round) = self.pop_round(class) else { return false };
        self.put_all(class, &mut round.drain());
        self.recycle(round);
        true
    }
}
