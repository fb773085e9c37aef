//! The cache of one thread for one pool: the limits of its magazines, and their exchange with the shared part.
//!
//! A magazine that runs empty or full within few blocks doubles its limit, if the thread's allowance of bytes
//! (`allowance`) permits it. When the allowance is used up, a class that has been refused a larger limit several times
//! takes up to half of the other classes' limits. A magazine exchanges blocks with the slabs, where all classes can
//! use free memory. A magazine whose blocks flow one way, from thread to thread, exchanges whole rounds with the
//! depot.
//!
//! The allowance follows the load ([`count_flow`](Cache::count_flow)). It doubles if the load rises and falls by more
//! than the thread may keep. It halves if the load fluctuates about its mean.
//!
//! * **J1** `unassigned` and the limits of all magazines, in bytes, add up to `allowance`, which is at most the pool's
//!   `thread_cache`. So the cache holds at most these bytes and the block that was freed last.

use crate::memory::header::HeaderRef;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::observe::track::Tracker;
use crate::pool::shared::central::Central;
use crate::pool::shared::purger;
use crate::pool::shared::stores::depot::{Round, round_of};
use crate::pool::shared::stores::magazines::{Magazines, Open, most_of};
use crate::pool::tuning::{
    BLOCKS_BEFORE_DEPOT, FIRST_ALLOWANCE, FIRST_MAGAZINE, GROWTH_INTERVAL, MAX_ROUND,
    MIN_WINDOW_BLOCKS, MIXED_WINDOWS_PER_SWING, MIXED_WINDOWS_TO_SHRINK, PURGE_STEP,
    REFUSALS_BEFORE_DISPLACING, SMALL_SHARE, SWINGS_TO_GROW, USUAL_MAGAZINE, WINDOWS_PER_ALLOWANCE,
};
use core::cell::Cell;
use std::sync::Arc;

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    pub(super) magazines: Magazines,
    central: Arc<Central>,
    /// The number of allocations since the last tracked one.
    unsampled: Cell<u32>,
    /// The class at which [`displace`](Self::displace) begins next.
    next_victim: Cell<u8>,
    flow: Flow,
    /// A round without blocks, for the next exchange with the depot.
    spare: Cell<Option<Box<Round>>>,
    /// Whether the pool is closed and no block is left in this cache.
    is_over: Cell<bool>,
}

/// The exchange with the shared part in the current window, and the swings of the load.
#[derive(Default)]
struct Flow {
    blocks: Cell<u64>,
    received: Cell<usize>,
    given: Cell<usize>,
    /// Whether the load rose in the last window that was not mixed.
    rises: Cell<bool>,
    /// The number of mixed windows that the swings offset, less the number of mixed windows.
    swings: Cell<i32>,
}

impl Cache {
    /// Returns an empty cache. Its magazines are allocated when they are first needed.
    pub(crate) fn new(central: Arc<Central>) -> Self {
        let home = Arc::as_ptr(&central).cast();
        let magazines = Magazines::new(home, central.config.thread_cache);
        let (next_victim, is_over) = (Cell::new(0), Cell::new(false));
        let unsampled = Cell::new(central.tracker.as_ref().map_or(0, Tracker::first_count));
        let (flow, spare) = (Flow::default(), Cell::new(None));
        Self { magazines, central, unsampled, next_victim, flow, spare, is_over }
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
            self.magazines.retire();
            self.is_over.set(self.flush());
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
        let limit = self.grow(magazine);
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
        self.count_flow(magazine, &self.flow.received, counters.received.get() - before);
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
                let limit = self.grow(magazine);
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
        self.count_flow(magazine, &self.flow.given, given as u64);
    }

    /// Counts blocks that came from the shared part, or went there. If one direction has most bytes of a
    /// window, and the other direction had most bytes before, the load rises and falls by more than the thread may
    /// keep: a larger cache would have kept the blocks. If both directions have about as many bytes, the load
    /// fluctuates about its mean, and needs no larger cache.
    fn count_flow(&self, magazine: &Open<'_>, side: &Cell<usize>, blocks: u64) {
        let Flow { blocks: exchanged, received, given, rises, swings } = &self.flow;
        side.set(side.get() + blocks as usize * magazine.size());
        exchanged.set(exchanged.get() + blocks);
        let Magazines { allowance, unassigned, max_allowance, .. } = magazine.all;
        let (came, went) = (received.get(), given.get());
        if came + went < allowance.get() / WINDOWS_PER_ALLOWANCE
            || exchanged.get() < MIN_WINDOW_BLOCKS
        {
            return;
        }
        received.set(0);
        given.set(0);
        exchanged.set(0);
        if unassigned.get() > allowance.get() / 2 {
            // The magazines can still grow within the allowance.
            return;
        }
        if came.abs_diff(went) < (came + went) / 4 * 3 {
            swings.set(swings.get() - 1);
        } else if rises.replace(came > went) != (came > went) {
            swings.set(swings.get() + MIXED_WINDOWS_PER_SWING);
        }
        if swings.get() >= SWINGS_TO_GROW * MIXED_WINDOWS_PER_SWING {
            swings.set(0);
            let more = allowance.get().min(max_allowance - allowance.get());
            unassigned.set(unassigned.get() + more);
            allowance.set(allowance.get() + more);
        } else if swings.get() <= -MIXED_WINDOWS_TO_SHRINK {
            swings.set(0);
            let less = allowance.get() / 2;
            if less >= FIRST_ALLOWANCE && self.displace(magazine, less) {
                unassigned.set(unassigned.get() - less);
                allowance.set(allowance.get() - less);
            }
        }
    }

    /// Puts all blocks back into their slabs. Returns `false`, without a change, if another thread uses the magazines.
    /// Only the cache's thread may call this.
    pub(crate) fn flush(&self) -> bool {
        self.central.take_back(&self.magazines).is_some()
    }

    /// Raises the limit of a magazine that ran empty or full, if its load rises and falls by more than the limit and
    /// the allowance permits it (J1). Returns the limit.
    fn grow(&self, magazine: &Open<'_>) -> usize {
        let (limit, size) = (magazine.limit(), magazine.size());
        let counters = magazine.counters();
        let takes = counters.takes.get() as u32;
        let since = takes.wrapping_sub(counters.takes_at_miss.replace(takes));
        // The blocks of this thread's allocations, in use or in the magazine; negative for those of other threads.
        let held = counters.received.get().wrapping_sub(counters.given.get()) as i64;
        let holds_many = held > USUAL_MAGAZINE as i64;
        let most = if holds_many { most_of(size) } else { most_of(size).min(USUAL_MAGAZINE) };
        // A magazine with limit 0, new or emptied by another thread, always grows.
        if limit >= most || (limit > 0 && u64::from(since) > GROWTH_INTERVAL * limit as u64) {
            return limit;
        }
        let next = (limit * 2).max(FIRST_MAGAZINE / size).clamp(1, most);
        let more = (next - limit) * size;
        let unassigned = &magazine.all.unassigned;
        if more > unassigned.get() {
            let has_small_share = limit < MAX_ROUND.min(SMALL_SHARE / size).max(1);
            let patience = if has_small_share { 1 } else { 64 } * REFUSALS_BEFORE_DISPLACING;
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

    /// Halves the limits of other magazines, in turn, until `bytes` are unassigned. Returns `false`, without a
    /// change, if halving all would not suffice.
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

    /// A class whose blocks exceed the allowance takes no part of the other classes.
    #[test]
    fn a_class_that_cannot_have_a_part_takes_none_from_others() {
        let pool = Pool::builder().thread_cache(64 * 1024).build();
        let cache = Cache::new(Arc::clone(pool.central()));
        let home = Arc::as_ptr(pool.central()).cast();
        let (small, large, other) = (1000, 70_000, 4000);
        let exchange = |size| swing(&cache, home, size, 60, 1);
        let limit =
            |size| cache.magazines.with(class_of(size), |magazine| magazine.limit()).unwrap();
        let few = if cfg!(miri) { 1 } else { 5 };
        (0..2 * few).for_each(|_| exchange(small));
        let before = limit(small);
        assert!(before >= 16, "{before}");
        (0..2 * few).for_each(|_| exchange(large));
        assert_eq!((limit(small), limit(large)), (before, 0));
        (0..4 * few).for_each(|_| exchange(other));
        assert!(limit(other) > 0, "one that fits gets a part");
        cache.flush();
    }

    fn take(cache: &Cache, home: *const (), size: usize) -> HeaderRef {
        cache.magazines.take(home, size).unwrap_or_else(|| cache.refill(class_of(size)).unwrap())
    }

    fn put(cache: &Cache, home: *const (), block: HeaderRef) {
        if let Err(block) = cache.magazines.put(home, block) {
            cache.put_slowly(block);
        }
    }

    /// Takes `n` blocks for `size` bytes and puts them back, `times` times.
    fn swing(cache: &Cache, home: *const (), size: usize, n: usize, times: usize) {
        for _ in 0..times {
            let held: Vec<_> = (0..n).map(|_| take(cache, home, size)).collect();
            held.into_iter().for_each(|block| put(cache, home, block));
        }
    }

    #[test]
    #[cfg(not(miri))]
    fn a_load_that_swings_by_more_than_the_thread_keeps_gets_a_larger_allowance() {
        let pool = Pool::builder().thread_cache(4 * FIRST_ALLOWANCE).build();
        let cache = Cache::new(Arc::clone(pool.central()));
        let home = Arc::as_ptr(pool.central()).cast();
        let allowance = || cache.magazines.allowance.get();
        swing(&cache, home, 32 * 1024, 32, 100);
        assert_eq!(allowance(), FIRST_ALLOWANCE, "1 MiB is less than it keeps");
        swing(&cache, home, 32 * 1024, 800, 10);
        assert_eq!(allowance(), 2 * FIRST_ALLOWANCE, "25 MiB are more, but of one class");
        let sum = cache.magazines.assigned() + cache.magazines.unassigned.get();
        assert_eq!(sum, allowance(), "J1");
        cache.flush();
    }

    /// A batch of more blocks than magazines usually hold stays in the magazine of the thread that allocates and frees
    /// it; blocks of another thread do not.
    #[test]
    #[cfg(not(miri))]
    fn a_magazine_holds_a_large_batch_of_its_own_thread_only() {
        let pool = Pool::builder().build();
        let new = || Cache::new(Arc::clone(pool.central()));
        let (own, other) = (new(), new());
        let home = Arc::as_ptr(pool.central()).cast();
        swing(&own, home, 2048, 1000, 20);
        let before = own.magazines.refills.get();
        swing(&own, home, 2048, 1000, 20);
        assert_eq!(own.magazines.refills.get(), before);
        for _ in 0..20 {
            let held: Vec<_> = (0..1000).map(|_| take(&own, home, 2048)).collect();
            held.into_iter().for_each(|block| put(&other, home, block));
        }
        let limit = other.magazines.with(class_of(2048), |magazine| magazine.limit()).unwrap();
        assert_eq!(limit, USUAL_MAGAZINE);
        own.flush();
        other.flush();
    }

    /// The allocating thread has assigned its allowance to another class.
    #[test]
    #[cfg(not(miri))]
    fn blocks_that_flow_to_a_magazine_of_less_than_a_round_do_not_pile_up() {
        let pool = Pool::builder().thread_cache(2 << 20).build();
        let new = || Cache::new(Arc::clone(pool.central()));
        let (from, to) = (new(), new());
        let home = Arc::as_ptr(pool.central()).cast();
        swing(&from, home, 16 * 1024, 300, 50);
        let size = 64 * 1024;
        for _ in 0..200 {
            let held: Vec<_> = (0..16).map(|_| take(&from, home, size)).collect();
            held.into_iter().for_each(|block| put(&to, home, block));
        }
        let limit = from.magazines.with(class_of(size), |magazine| magazine.limit()).unwrap();
        assert!(limit < round_of(size), "{limit}");
        let stats = pool.stats();
        assert!(stats.mapped <= 24 << 20, "{stats:?}");
        from.flush();
        to.flush();
    }

    /// Many live blocks of several classes; one block is replaced at a time.
    #[test]
    #[cfg(not(miri))]
    fn a_load_that_wanders_keeps_its_first_allowance() {
        let pool = Pool::builder().build();
        let cache = Cache::new(Arc::clone(pool.central()));
        let home = Arc::as_ptr(pool.central()).cast();
        let mut state = 1_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        let mut live: Vec<_> = (0..200).map(|_| take(&cache, home, 16_384 << below(5))).collect();
        for _ in 0..50_000 {
            let place = below(200) as usize;
            let new = take(&cache, home, 16_384 << below(5));
            put(&cache, home, std::mem::replace(&mut live[place], new));
        }
        assert_eq!(cache.magazines.allowance.get(), FIRST_ALLOWANCE);
        live.into_iter().for_each(|block| put(&cache, home, block));
        cache.flush();
    }
}
