//! The limit of a pool: the bytes that it counts, reclaiming when it is reached, and the bound of resident bytes.

use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::tuning::{IDLE_RESERVE, IDLE_SHARE};
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Adds bytes that leave the slabs, or are mapped for a large block, to the bytes in use (P5).
    ///
    /// # Errors
    ///
    /// Returns an error, without a change, if the sum would exceed the limit.
    pub(super) fn charge(&self, bytes: usize, requested: usize) -> Result<(), AllocError> {
        let Some(limit) = self.config.max_memory else {
            self.in_use.fetch_add(bytes, Relaxed);
            return Ok(());
        };
        let sum = |in_use: usize| in_use.checked_add(bytes).filter(|&sum| sum <= limit);
        // Relaxed: the sum orders no other access.
        self.in_use.fetch_update(Relaxed, Relaxed, sum).map(drop).map_err(|in_use| {
            let kind = AllocErrorKind::OverLimit;
            AllocError { kind, in_use, ..self.refuse(requested) }
        })
    }

    /// Subtracts bytes from the bytes in use.
    pub(super) fn uncharge(&self, bytes: usize) {
        self.in_use.fetch_sub(bytes, Relaxed);
    }

    /// Returns the bytes in use, which the limit counts (P5).
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Relaxed)
    }

    /// Returns the number of idle bytes (I1).
    pub(crate) fn idle(&self) -> usize {
        self.idle.bytes()
    }

    /// Returns the reserve, the idle bytes that the purger keeps: a share of the bytes that are in use and not idle.
    pub(in crate::pool::shared) fn reserve(&self) -> usize {
        let used = self.in_use.load(Relaxed).saturating_sub(self.cached.load(Relaxed));
        (used / IDLE_SHARE).max(IDLE_RESERVE)
    }

    /// Reclaims all free blocks of threads, of the depot and of the cache of large blocks, if these may make `bytes`
    /// fit under the limit. Returns whether another attempt may succeed.
    ///
    /// # Cost
    ///
    /// O(threads that used the pool since the last call) if the free blocks do not suffice, whatever the number of other
    /// threads. Otherwise also linear in the number of free blocks, as they are moved to their slabs.
    #[cold]
    pub(super) fn reclaim_for(self: &Arc<Self>, bytes: usize) -> bool {
        let Some(limit) = self.config.max_memory else { return false };
        if bytes > limit {
            return false;
        }
        let free = self.cached.load(Relaxed).saturating_add(self.in_thread_caches());
        // After the sum: blocks that another thread has returned meanwhile are in one of the two.
        let short = self.in_use.load(Relaxed).saturating_add(bytes).saturating_sub(limit);
        if free < short {
            return false;
        }
        self.purge_large(usize::MAX);
        for class in self.classes().map(|(class, _)| class) {
            while self.unload_round(class) {}
        }
        self.take_back_caches();
        true
    }

    /// Releases about `most` bytes of idle memory to the system if more than the limit may be resident. Without this,
    /// idle memory of one size class would add to the blocks in use of others until the purger runs. Call this without
    /// a lock, before blocks leave the slabs.
    ///
    /// # Cost
    ///
    /// A few loads, and system calls for the bytes beyond the limit. If an attempt returns too little, the next one
    /// follows when [`IDLE_RESERVE`] more bytes are beyond the limit.
    #[inline]
    pub(crate) fn bound_resident(self: &Arc<Self>, most: usize) {
        let Some(limit) = self.config.max_memory else { return };
        let held =
            (self.in_use.load(Relaxed) + self.idle()).saturating_sub(self.cached.load(Relaxed));
        let (beyond, unpurgeable) = (held.saturating_sub(limit), self.unpurgeable.load(Relaxed));
        if beyond > unpurgeable + IDLE_RESERVE {
            let wanted = beyond.min(most);
            let purged = self.purge(wanted);
            self.unpurgeable.store(if purged < wanted { beyond - purged } else { 0 }, Relaxed);
        } else if beyond < unpurgeable {
            self.unpurgeable.store(beyond, Relaxed);
        }
    }

    /// Returns an upper bound of the bytes in thread caches. It has no bound while another thread empties one of them.
    fn in_thread_caches(&self) -> usize {
        let mut sum = 0_usize;
        self.caches.read_each(|magazines, is_visited| {
            let most = magazines.assigned() + size_class::MAX;
            sum = sum.saturating_add(if is_visited { usize::MAX } else { most });
        });
        sum
    }
}
