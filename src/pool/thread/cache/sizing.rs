//! How much a thread keeps: the limits of its magazines, and the allowance of bytes for all of them.
//!
//! A magazine that runs empty or full within few blocks doubles its limit, if the allowance permits it. When the
//! allowance is used up, a class that has been refused a larger limit several times takes up to half of the other
//! classes' limits.
//!
//! The allowance follows the load. It doubles if the load rises and falls by more than the thread may keep. It halves
//! if the load fluctuates about its mean.
//!
//! * **J1** `unassigned` and the limits of all magazines, in bytes, add up to `allowance`, which is at most the pool's
//!   `thread_cache`. So the cache holds at most these bytes and the block that was freed last.

use crate::pool::shared::central::Central;
use crate::pool::shared::stores::magazines::{Magazines, Open, most_of};
use crate::pool::tuning::{
    FIRST_ALLOWANCE, FIRST_MAGAZINE, GROWTH_INTERVAL, MAX_ROUND, MIN_WINDOW_BLOCKS,
    MIXED_WINDOWS_PER_SWING, MIXED_WINDOWS_TO_SHRINK, REFUSALS_BEFORE_DISPLACING, SMALL_SHARE,
    SWINGS_TO_GROW, USUAL_MAGAZINE, WINDOWS_PER_ALLOWANCE,
};
use core::cell::Cell;
use std::sync::Arc;

/// The figures by which the limits of a thread's magazines are decided.
#[derive(Default)]
pub(super) struct Sizing {
    /// The numbers of blocks and bytes that were exchanged with the shared part in the current window.
    blocks: Cell<u64>,
    received: Cell<usize>,
    given: Cell<usize>,
    /// Whether the load rose in the last window that was not mixed.
    rises: Cell<bool>,
    /// The number of mixed windows that the swings offset, less the number of mixed windows.
    swings: Cell<i32>,
    /// The class at which [`displace`](Self::displace) begins next.
    next_victim: Cell<u8>,
}

impl Sizing {
    /// Counts blocks that came from the shared part.
    pub(super) fn count_received(&self, central: &Arc<Central>, magazine: &Open<'_>, blocks: u64) {
        self.count(&self.received, magazine, blocks);
        self.adjust(central, magazine);
    }

    /// Counts blocks that went to the shared part.
    pub(super) fn count_given(&self, central: &Arc<Central>, magazine: &Open<'_>, blocks: u64) {
        self.count(&self.given, magazine, blocks);
        self.adjust(central, magazine);
    }

    fn count(&self, side: &Cell<usize>, magazine: &Open<'_>, blocks: u64) {
        side.set(side.get() + blocks as usize * magazine.size());
        self.blocks.set(self.blocks.get() + blocks);
    }

    /// Adjusts the allowance at the end of a window. If one direction has most bytes of a window, and the other
    /// direction had most bytes before, the load rises and falls by more than the thread may keep: a larger cache
    /// would have kept the blocks. If both directions have about as many bytes, the load fluctuates about its mean, and
    /// needs no larger cache.
    fn adjust(&self, central: &Arc<Central>, magazine: &Open<'_>) {
        let Self { blocks, received, given, rises, swings, .. } = self;
        let Magazines { allowance, unassigned, max_allowance, .. } = magazine.all;
        let (came, went) = (received.get(), given.get());
        if came + went < allowance.get() / WINDOWS_PER_ALLOWANCE || blocks.get() < MIN_WINDOW_BLOCKS
        {
            return;
        }
        received.set(0);
        given.set(0);
        blocks.set(0);
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
            if less >= FIRST_ALLOWANCE && self.displace(central, magazine, less) {
                unassigned.set(unassigned.get() - less);
                allowance.set(allowance.get() - less);
            }
        }
    }

    /// Raises the limit of a magazine that ran empty or full, if its load rises and falls by more than the limit and
    /// the allowance permits it (J1). Returns the limit.
    pub(super) fn grow(&self, central: &Arc<Central>, magazine: &Open<'_>) -> usize {
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
            if counters.refused.get() > 0 || !self.displace(central, magazine, more) {
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
    fn displace(&self, central: &Arc<Central>, magazine: &Open<'_>, bytes: usize) -> bool {
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
                central.put_all(victim.class(), &mut victim.drain_oldest(beyond));
            }
            victim.set_limit(limit);
        }
        bytes <= unassigned.get()
    }
}
