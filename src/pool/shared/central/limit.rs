//! What a limit counts, what is reclaimed when it is reached, and how much may be resident.

use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::tuning::{IDLE_RESERVE, IDLE_SHARE};
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Counts bytes that leave the slabs or are mapped for a large block, within the limit (P5).
    pub(super) fn charge(&self, bytes: usize, requested: usize) -> Result<(), AllocError> {
        let Some(limit) = self.config.max_memory else {
            self.in_use.fetch_add(bytes, Relaxed);
            return Ok(());
        };
        let sum = |in_use: usize| in_use.checked_add(bytes).filter(|&sum| sum <= limit);
        // Relaxed: a sum that orders nothing else.
        self.in_use.fetch_update(Relaxed, Relaxed, sum).map(drop).map_err(|in_use| {
            let kind = AllocErrorKind::OverLimit;
            AllocError { kind, in_use, ..self.refuse(requested) }
        })
    }

    /// Ends a charge.
    pub(super) fn uncharge(&self, bytes: usize) {
        self.in_use.fetch_sub(bytes, Relaxed);
    }

    /// Returns the number of bytes that a limit counts (P5).
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Relaxed)
    }

    /// Returns the number of idle bytes.
    pub(crate) fn idle(&self) -> usize {
        self.idle.bytes()
    }

    /// Returns the idle bytes that are not given back by themselves: a share of what is in use and not idle.
    pub(in crate::pool::shared) fn reserve(&self) -> usize {
        let used = self.in_use.load(Relaxed).saturating_sub(self.kept.load(Relaxed));
        (used / IDLE_SHARE).max(IDLE_RESERVE)
    }

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
        self.caches.read_each(|magazines| {
            if !magazines.is_dormant() {
                sum += magazines.assigned() + size_class::MAX;
            }
        });
        sum
    }
}
