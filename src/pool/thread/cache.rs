//! The cache of one thread for one pool: how large its magazines are, and when they trade with the shared part.
//!
//! A magazine that runs empty or full within few blocks doubles its limit, as long as the thread's allowance of bytes has
//! room. When it has none, now and then a class that has little takes half of the others' parts. A magazine that takes a
//! round or more trades rounds with the depot; smaller ones trade with the slabs, where free memory is of use to all
//! classes.
//!
//! * **J1** `unassigned` and the limits of all magazines, in bytes, add up to the pool's `thread_cache`: the cache never
//!   holds more than that and the one block that was freed last.

use crate::memory::header::HeaderRef;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::observe::track::Tracker;
use crate::pool::shared::central::Central;
use crate::pool::shared::depot::round_of;
use crate::pool::shared::magazines::{Magazines, Open, most_of};
use crate::pool::shared::purger;
use crate::pool::tuning::{
    FIRST_MAGAZINE, GROWTH_INTERVAL, PURGE_STEP, REFUSALS_BEFORE_DISPLACING,
};
use core::cell::Cell;
use std::sync::Arc;

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    pub(super) magazines: Magazines,
    central: Arc<Central>,
    /// Allocations since the last one that was tracked.
    unsampled: Cell<u32>,
    /// The class at which the next search for a part to take away begins.
    next_victim: Cell<u8>,
    /// The pool is closed, and no block is left here.
    is_over: Cell<bool>,
}

impl Cache {
    /// Returns an empty cache. Its magazines are allocated when they are first needed.
    pub(crate) fn new(central: Arc<Central>) -> Self {
        let home = Arc::as_ptr(&central).cast();
        let magazines = Magazines::new(home, central.config.thread_cache);
        let (next_victim, is_over) = (Cell::new(0), Cell::new(false));
        let unsampled = Cell::new(central.tracker.as_ref().map_or(0, Tracker::first_count));
        Self { magazines, central, unsampled, next_victim, is_over }
    }

    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.central
    }

    /// Returns whether the next allocation is the one in `every` that is tracked.
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

    /// Lets the owner use the magazines, unless the pool is closed or another thread uses them.
    fn wake(&self) -> bool {
        if !self.magazines.is_dormant() {
            return true;
        }
        if !self.central.is_closed()
            && self.magazines.activate()
            && !self.central.is_closed_by_now()
        {
            return true;
        }
        if self.central.is_closed() && !self.is_over.get() {
            // `close` may have found this thread at work, and left the blocks to it.
            self.magazines.retire();
            self.is_over.set(self.flush());
        }
        false
    }

    /// Returns a free block, after the magazine had none.
    #[cold]
    pub(crate) fn refill(&self, class: u8) -> Result<HeaderRef, AllocError> {
        purger::start_or_purge(&self.central);
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
                // Under a limit, what this thread and others hold of other classes makes room.
                let block = self.central.take_one(class)?;
                self.central.count_allocation();
                Ok(block)
            }
        }
    }

    fn refill_magazine(&self, magazine: &Open<'_>) -> Result<HeaderRef, AllocError> {
        let class = magazine.class();
        let counters = magazine.counters();
        // It has blocks where another thread had only kept this one out for a moment.
        if let Some(block) = magazine.pop() {
            counters.takes.add(1);
            return Ok(block);
        }
        let limit = self.grow(magazine);
        if limit >= round_of(magazine.size())
            && let Some(mut round) = self.central.pop_round(class)
        {
            counters.received.add(round.len() as u64);
            for block in round.drain() {
                let _it_has_room = magazine.push(block);
            }
            self.central.recycle(round);
        } else {
            // As many again as so far, because a size that is seldom asked for is not hoarded. Half the limit at most,
            // so that there is room to free into.
            let more = (counters.received.get() as usize).min(limit / 2);
            let mut first = None;
            self.central.fill(class, more + 1, &mut |block| {
                counters.received.add(1);
                if !magazine.push(block) {
                    first = Some(block);
                }
            })?;
            if let Some(first) = first {
                counters.takes.add(1);
                return Ok(first);
            }
        }
        counters.takes.add(1);
        magazine.pop().ok_or_else(|| self.central.refuse(magazine.size()))
    }

    /// Puts a block for which its magazine has no room.
    #[cold]
    pub(crate) fn put_slowly(&self, block: HeaderRef) {
        let put = self.wake() && {
            self.central.watch();
            let put = |magazine: &Open<'_>| {
                let limit = self.grow(magazine);
                self.make_room(magazine, limit.div_ceil(2));
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

    /// Makes room in a full magazine: a round goes to the depot, or up to `few` blocks to the slabs if it takes less than
    /// a round.
    fn make_room(&self, magazine: &Open<'_>, few: usize) {
        let len = magazine.len();
        if len < magazine.limit() || len == 0 {
            return;
        }
        let (class, round_len) = (magazine.class(), round_of(magazine.size()));
        let round = if magazine.limit() >= round_len { self.central.empty_round() } else { None };
        match round {
            Some(mut round) if len >= round_len => {
                magazine.fill_round(&mut round, round_len);
                self.central.push_round(class, round);
            }
            _ => self.central.put_all(class, &mut magazine.drain_oldest(few)),
        }
        magazine.counters().given.add((len - magazine.len()) as u64);
    }

    /// Gives all blocks back. Only its thread may call this.
    pub(crate) fn flush(&self) -> bool {
        self.central.take_back(&self.magazines)
    }

    /// Lets a magazine that ran empty or full take more blocks, if its load goes up and down by more than it takes and the
    /// allowance has room (J1). Returns its limit.
    fn grow(&self, magazine: &Open<'_>) -> usize {
        let (limit, size) = (magazine.limit(), magazine.size());
        let counters = magazine.counters();
        let takes = counters.takes.get();
        let since = takes.wrapping_sub(counters.takes_at_miss.replace(takes));
        let most = most_of(size);
        if limit == most || since > GROWTH_INTERVAL * limit as u64 {
            return limit;
        }
        let next = (limit * 2).max(FIRST_MAGAZINE / size).clamp(1, most);
        let more = (next - limit) * size;
        let unassigned = &magazine.all.unassigned;
        if more > unassigned.get() {
            let patience = if limit < round_of(size) { 1 } else { 64 } * REFUSALS_BEFORE_DISPLACING;
            counters.refused.set((counters.refused.get() + 1) % patience);
            if counters.refused.get() > 0 || !self.displace(magazine, more) {
                return limit;
            }
        }
        if !magazine.set_limit(next) {
            return limit;
        }
        unassigned.set(unassigned.get() - more);
        next
    }

    /// Halves the limits of other magazines, in turn, until there is room for so many bytes. Changes nothing if that would
    /// not do. Returns whether there is room.
    fn displace(&self, magazine: &Open<'_>, bytes: usize) -> bool {
        let unassigned = &magazine.all.unassigned;
        let part = |other: Open<'_>| (other.limit() - other.limit() / 2) * other.size();
        if bytes > unassigned.get() + magazine.others().map(part).sum::<usize>() {
            return false;
        }
        let begin = self.next_victim.get();
        let behind = magazine.others().filter(|other| other.class() >= begin);
        for victim in behind.chain(magazine.others()) {
            if bytes <= unassigned.get() {
                break;
            }
            self.next_victim.set(victim.class() + 1);
            let limit = victim.limit() / 2;
            unassigned.set(unassigned.get() + (victim.limit() - limit) * victim.size());
            let beyond = victim.len().saturating_sub(limit);
            if beyond > 0 {
                victim.counters().given.add(beyond as u64);
                self.central.put_all(victim.class(), &mut victim.drain_oldest(beyond));
            }
            victim.set_limit(limit);
        }
        bytes <= unassigned.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;
    use crate::pool::pages::size_class::class_of;

    /// A class whose blocks have no room in the allowance costs the others nothing.
    #[test]
    fn a_class_that_cannot_have_a_part_takes_none_from_others() {
        let pool = Pool::builder().thread_cache(64 * 1024).build();
        let cache = Cache::new(Arc::clone(pool.central()));
        let home = Arc::as_ptr(pool.central()).cast();
        let (small, large, other) = (class_of(1000), class_of(70_000), class_of(4000));
        let take = |class| {
            cache.magazines.take(home, class).map_or_else(|| cache.refill(class), Ok).unwrap()
        };
        let trade = |class| {
            let held: Vec<_> = (0..60).map(|_| take(class)).collect();
            for block in held {
                if let Err(block) = cache.magazines.put(home, block) {
                    cache.put_slowly(block);
                }
            }
        };
        let limit = |class| cache.magazines.with(class, |magazine| magazine.limit()).unwrap();
        let few = if cfg!(miri) { 1 } else { 5 };
        (0..2 * few).for_each(|_| trade(small));
        let before = limit(small);
        assert!(before >= 16, "{before}");
        (0..2 * few).for_each(|_| trade(large));
        assert_eq!((limit(small), limit(large)), (before, 0));
        (0..4 * few).for_each(|_| trade(other));
        assert!(limit(other) > 0, "one that has room gets a part");
        cache.flush();
    }
}
