//! Moving the blocks of thread caches to their slabs: when a limit is reached, when a thread is idle, and when the pool
//! closes.

use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::stores::magazines::Magazines;
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Moves the blocks of all thread caches to their slabs, except those of a thread that uses its cache at this
    /// moment.
    pub(super) fn take_back_caches(self: &Arc<Self>) {
        self.caches.empty_each(|magazines| self.take_back(magazines).is_some());
    }

    /// As [`take_back_caches`](Self::take_back_caches). No thread can use its cache again; a skipped thread moves its
    /// blocks at its next operation.
    pub(super) fn retire_caches(self: &Arc<Self>) {
        self.caches.for_each(|magazines| {
            magazines.retire();
            self.take_back(magazines);
        });
    }

    /// Moves the blocks of threads that were idle since the last call to their slabs. Returns their bytes, and
    /// whether other threads may have blocks in their caches.
    pub(in crate::pool::shared) fn take_back_idle_caches(self: &Arc<Self>) -> (usize, bool) {
        let (mut bytes, mut any_active) = (0, false);
        self.caches.empty_each(|magazines| {
            let activity = magazines.activity();
            let is_idle = magazines.seen.swap(activity, Relaxed) == activity;
            let taken = if is_idle { self.take_back(magazines) } else { None };
            bytes += taken.unwrap_or(0);
            any_active |= taken.is_none();
            taken.is_some()
        });
        (bytes, any_active)
    }

    /// Moves the blocks of one thread to their slabs. Returns their bytes; `None` if the thread uses its cache at this
    /// moment.
    fn take_back(self: &Arc<Self>, magazines: &Magazines) -> Option<usize> {
        let mut bytes = 0;
        let all = magazines.take_all(|class, blocks| {
            let size = size_class::size_of_class(class);
            self.put_all(class, &mut blocks.inspect(|_| bytes += size));
        });
        all.then_some(bytes)
    }

    /// Moves the blocks of the calling thread to their slabs.
    pub(crate) fn take_back_own(self: &Arc<Self>, magazines: &Magazines) {
        magazines.take_own(|class, blocks| self.put_all(class, blocks));
    }
}
