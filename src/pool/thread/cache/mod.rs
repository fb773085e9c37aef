//! The cache of one thread for one pool: the exchange of its magazines with the shared part.
//!
//! A magazine exchanges blocks with the slabs, where all classes can use free memory. A magazine whose blocks flow one
//! way, from thread to thread, exchanges whole rounds with the depot. `sizing` decides how much the thread keeps.

mod sizing;
#[cfg(test)]
mod tests;

use crate::memory::header::HeaderRef;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::observe::track::Tracker;
use crate::pool::shared::central::Central;
use crate::pool::shared::purger;
use crate::pool::shared::stores::depot::{Round, round_of};
use crate::pool::shared::stores::magazines::{Magazines, Open};
use crate::pool::thread::cache::sizing::Sizing;
use crate::pool::tuning::{BLOCKS_BEFORE_DEPOT, PURGE_STEP};
use core::cell::Cell;
use std::sync::Arc;

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    pub(super) magazines: Magazines,
    central: Arc<Central>,
    /// The number of allocations since the last tracked one.
    unsampled: Cell<u32>,
    sizing: Sizing,
    /// A round without blocks, for the next exchange with the depot.
    spare: Cell<Option<Box<Round>>>,
    /// Whether the pool is closed and no block is left in this cache.
    is_over: Cell<bool>,
}

impl Cache {
    /// Returns an empty cache. Its magazines are allocated when they are first needed.
    pub(crate) fn new(central: Arc<Central>) -> Self {
        let home = Arc::as_ptr(&central).cast();
        let magazines = Magazines::new(home, central.config.thread_cache);
        let unsampled = Cell::new(central.tracker.as_ref().map_or(0, Tracker::first_count));
        let (spare, is_over) = (Cell::new(None), Cell::new(false));
        Self { magazines, central, unsampled, sizing: Sizing::default(), spare, is_over }
    }

    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.central
    }

    /// Returns whether the next allocation is to be tracked: one in `every` is.
    #[inline(always)]
    pub(crate) fn is_sample_due(&self, every: u32) -> bool {
        self.unsampled.get() + 1 >= every
    }

    /// Counts an allocation that was not tracked.
    #[inline(always)]
    pub(crate) fn count_unsampled(&self) {
        self.unsampled.set(self.unsampled.get() + 1);
    }

    /// Counts an allocation that was tracked.
    pub(crate) fn restart_sampling(&self) {
        self.unsampled.set(0);
    }

    /// Activates the magazines if they are dormant. Returns whether the owner may use them: not if the pool is
    /// closed, or if another thread uses them.
    fn wake(&self) -> bool {
        if !self.magazines.is_dormant() {
            return true;
        }
        if !self.central.is_closed()
            && self.central.activate(&self.magazines)
            && !self.central.is_closed_by_now()
        {
            return true;
        }
        if self.central.is_closed() && !self.is_over.get() {
            // `close` skips magazines that their thread is using, so this thread returns the blocks.
            self.flush();
            self.is_over.set(true);
        }
        false
    }

    /// Fills the magazine of a class and returns a free block. Call this if the magazine has none.
    #[cold]
    pub(crate) fn refill(&self, class: u8) -> Result<HeaderRef, AllocError> {
        purger::purge_if_inline(&self.central);
        self.central.watch();
        self.central.bound_resident(PURGE_STEP);
        self.magazines.refills.add(1);
        let refilled = if self.wake() {
            self.magazines.with(class, |magazine| self.refill_magazine(magazine))
        } else {
            None
        };
        match refilled {
            Some(Ok(block)) => Ok(block),
            Some(Err(error)) if error.kind != AllocErrorKind::OverLimit => Err(error),
            Some(Err(_)) | None => {
                // At a limit this reclaims free blocks of all classes, from this thread and from others.
                let block = self.central.take_one(class)?;
                self.central.count_allocation();
                Ok(block)
            }
        }
    }

    fn refill_magazine(&self, magazine: &Open<'_>) -> Result<HeaderRef, AllocError> {
        let class = magazine.class();
        let counters = magazine.counters();
        // The magazine has blocks if another thread has only stopped this one for a moment.
        if let Some(block) = magazine.pop() {
            counters.takes.add(1);
            return Ok(block);
        }
        let limit = self.sizing.grow(&self.central, magazine);
        counters.given_in_a_row.set(0);
        let before = counters.received.get();
        let mut first = None;
        if let Some(mut round) = self.central.pop_round(class, || self.spare.take()) {
            let len = round.len();
            let mut blocks = round.drain();
            first = blocks.next();
            for block in blocks.by_ref().take(limit) {
                let _it_fits = magazine.push(block);
            }
            counters.received.add(len.min(limit + 1) as u64);
            if len > limit + 1 {
                // Not to the depot: a magazine of this size would put blocks back there at each refill.
                self.central.put_all(class, &mut blocks);
            }
            drop(blocks);
            self.spare.set(Some(round));
        } else {
            // As many as were received so far, so that a thread keeps few blocks of a size that it seldom uses. At most
            // half the limit, so that freed blocks fit.
            let more = (counters.received.get() as usize).min(limit / 2);
            self.central.fill(class, more + 1, &mut |block| {
                counters.received.add(1);
                if !magazine.push(block) {
                    first = Some(block);
                }
            })?;
        }
        self.sizing.count_received(&self.central, magazine, counters.received.get() - before);
        counters.takes.add(1);
        let block = first.or_else(|| magazine.pop());
        block.ok_or_else(|| self.central.refuse(magazine.size()))
    }

    /// Puts a block that does not fit its magazine: into the magazine after making space there, or into its slab.
    #[cold]
    pub(crate) fn put_slowly(&self, block: HeaderRef) {
        let put = self.wake() && {
            self.central.watch();
            let put = |magazine: &Open<'_>| {
                let limit = self.sizing.grow(&self.central, magazine);
                self.make_space(magazine, limit.div_ceil(2));
                let put = magazine.push(block);
                magazine.counters().given.add(u64::from(!put));
                put
            };
            self.magazines.with(block.class, put) == Some(true)
        };
        if !put {
            self.central.put_one(block);
        }
    }

    /// Makes space in a full magazine. If its blocks flow one way and fill a round, a round goes to the depot;
    /// otherwise up to `few` blocks go to the slabs.
    fn make_space(&self, magazine: &Open<'_>, few: usize) {
        let len = magazine.len();
        if len < magazine.limit() || len == 0 {
            return;
        }
        let (class, round_len) = (magazine.class(), round_of(magazine.size()));
        let in_a_row = &magazine.counters().given_in_a_row;
        let flows = in_a_row.get() >= BLOCKS_BEFORE_DEPOT;
        let round = if flows && len >= round_len {
            self.spare.take().or_else(|| self.central.empty_round())
        } else {
            None
        };
        match round {
            Some(mut round) => {
                magazine.fill_round(&mut round, round_len);
                self.spare.set(self.central.push_round(class, round));
            }
            None => self.central.put_all(class, &mut magazine.drain_oldest(few)),
        }
        let given = len - magazine.len();
        in_a_row.set(in_a_row.get().saturating_add(given as u32));
        magazine.counters().given.add(given as u64);
        self.sizing.count_given(&self.central, magazine, given as u64);
    }

    /// Puts all blocks back into their slabs. Only the cache's thread may call this.
    pub(crate) fn flush(&self) {
        self.central.take_back_own(&self.magazines);
    }
}
