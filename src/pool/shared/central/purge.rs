//! Returning idle memory to the system. No lock that an allocation needs is held during the system calls (P3).

use crate::pool::pages::chunk::Purge as Taken;
use crate::pool::shared::central::{Central, Class, Purge};
use crate::pool::shared::coordination::wakeup;
use crate::pool::tuning::PURGE_STEP;
use crate::sync::lock;
use std::sync::Arc;

impl Central {
    /// Closes the pool after its last `Pool` is dropped. Free memory returns to the system, and that of blocks in use
    /// when they are freed.
    pub(crate) fn close(self: &Arc<Self>) {
        self.closed.set();
        self.retire_caches();
        self.trim();
    }

    /// Releases all idle memory to the system, and the blocks of threads that are not using their caches at this
    /// moment. Returns the number of bytes.
    pub(crate) fn trim(self: &Arc<Self>) -> usize {
        self.take_back_caches();
        let bytes = self.purge(usize::MAX);
        self.purge_headers();
        for (_, class) in self.classes() {
            class.depot.free_empty_rounds();
            lock(&class.slabs).free_empty_list();
        }
        self.emit_events();
        bytes
    }

    /// Releases memory that was idle for a whole period to the system, except the reserve: the working-set rule of
    /// Bonwick's depot. This includes the blocks of a thread that was idle for a whole period. Returns whether the
    /// pool needs no further watch.
    pub(in crate::pool) fn purge_unused(self: &Arc<Self>) -> bool {
        let purging = lock(&self.purging);
        let (returned, any_active) = self.take_back_idle_caches();
        let unused = self.idle.unused(self.reserve(), returned);
        let purged = self.purge(unused);
        self.purge_headers();
        if self.is_closed_by_now() {
            // `close` did not find the blocks and pages that this thread had taken out at that time.
            self.purge(usize::MAX);
            self.purge_headers();
        }
        let idle = self.idle.restart();
        drop(purging);
        self.emit_events();
        // If nothing could be returned, blocks in use share the pages, and another attempt would fail too.
        let enough = if unused > 0 && purged == 0 { idle } else { self.reserve() };
        !any_active && self.idle.bytes() <= enough && self.idle.end_watch(enough)
    }

    /// Releases at most one step of idle memory beyond the reserve to the system. Returns the number of bytes.
    pub(crate) fn purge_step(self: &Arc<Self>) -> usize {
        let excess = self.idle().saturating_sub(self.reserve());
        let purged = self.purge(excess.min(PURGE_STEP));
        self.emit_events();
        purged
    }

    /// Makes the purger watch the pool, if it purges in the background and is not closed.
    pub(crate) fn watch(&self) {
        if self.config.purge == Purge::Background && !self.is_closed() && !self.idle.is_watched() {
            self.begin_watch();
        }
    }

    /// As [`watch`](Self::watch), if more than the reserve is idle. Call this after adding idle bytes (I2).
    pub(super) fn watch_if_needed(&self) {
        if self.idle.needs_watch(self.reserve()) {
            self.watch();
        }
    }

    /// Returns whether the purger watches the pool.
    #[cfg(all(test, not(miri)))]
    pub(in crate::pool) fn is_watched(&self) -> bool {
        self.idle.is_watched()
    }

    #[cold]
    fn begin_watch(&self) {
        if self.idle.begin_watch() {
            wakeup::notify();
        }
    }

    /// Releases `bytes` of idle memory to the system, or all if there is less. Returns the number of bytes.
    pub(super) fn purge(self: &Arc<Self>, bytes: usize) -> usize {
        let mut purged = self.purge_large(bytes);
        purged += self.purge_chunks(bytes.saturating_sub(purged));
        for (index, _) in self.classes().rev() {
            // In the slabs these bytes stay idle, until a slab is unused and its span is purged.
            while purged < bytes && self.unload_round(index) {
                purged += self.purge_chunks(bytes - purged);
            }
        }
        for (_, class) in self.classes() {
            if purged < bytes {
                purged += self.purge_slabs(class, bytes - purged);
            }
        }
        purged
    }

    /// Releases at least `bytes` of free units to the system, or all if there are fewer. Returns the number of bytes.
    pub(super) fn purge_chunks(&self, bytes: usize) -> usize {
        let mut purged = 0;
        // With `usize::MAX` this also unmaps chunks without a resident page.
        while purged < bytes {
            let taken = lock(&self.chunks).begin_purge((bytes - purged).min(PURGE_STEP));
            let Some(taken) = taken else { break };
            if let Taken::Unmap { chunk, dirty } = &taken {
                purged += dirty;
                self.idle.remove(*dirty);
                self.unmapped(chunk.len());
            }
            let Some((span, discarded)) = taken.run() else { continue };
            let len = span.len();
            lock(&self.chunks).end_purge(span, discarded);
            if !discarded {
                break;
            }
            self.idle.remove(len);
            purged += len;
        }
        purged
    }

    /// Releases pages to the system that have only free blocks. Returns the number of bytes.
    fn purge_slabs(self: &Arc<Self>, class: &Class, bytes: usize) -> usize {
        let (mut purged, mut place, mut page) = (0, 0, 0);
        while purged < bytes {
            let mut slabs = lock(&class.slabs);
            if place >= slabs.places() {
                break;
            }
            let purge = slabs.begin_purge(place, page);
            drop(slabs);
            match purge {
                Some(purge) => {
                    let discarded = purge.run();
                    purged += self.end_page_purge(class, place, &purge, discarded);
                    page = purge.next_page;
                }
                None => (place, page) = (place + 1, 0),
            }
        }
        purged
    }

    /// Releases pages without headers in use to the system.
    pub(super) fn purge_headers(&self) {
        let mut index = lock(&self.chunks).headers.regions();
        while index > 0 {
            let taken = lock(&self.chunks).headers.begin_discard(index - 1);
            let again = taken.is_some_and(|taken| {
                let discarded = taken.run();
                lock(&self.chunks).headers.end_discard(&taken, discarded);
                discarded
            });
            index -= usize::from(!again);
        }
    }
}
