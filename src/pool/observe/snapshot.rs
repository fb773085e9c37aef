//! The census: what a pool holds, added up when somebody asks.
//!
//! Nothing is counted on the fast path for it but allocations and releases, by plain stores of each
//! thread. The rest follows: a block of a slab is cached if a magazine or the depot has it, live otherwise.

use crate::pool::observe::stats::{ClassStats, PoolStats, Tally};
use crate::pool::pages::size_class;
use crate::pool::shared::central::{Central, Class};
use crate::pool::thread::magazine::round_of;
use crate::sync::lock;

impl Central {
    /// Exact while no other thread uses the pool; what the janitor does is no such use.
    pub(crate) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats::default();
        for (class, shared) in (0..).zip(&self.classes) {
            let class = self.class_stats(class, shared);
            stats.live += class.live;
            stats.live_blocks += class.live_blocks;
            stats.pinned += class.live_blocks * class.size;
            stats.cached += class.cached_blocks * class.size;
            stats.allocations += class.allocations;
            stats.releases += class.releases;
            stats.trips += class.trips;
            stats.migrated += class.migrated;
            if class.allocations > 0 {
                stats.classes.push(class);
            }
        }
        let warm = lock(&self.warm);
        stats.live += warm.asked();
        stats.live_blocks += warm.live_blocks();
        stats.pinned += warm.pinned();
        stats.cached += warm.bytes();
        let chunks = lock(&self.chunks);
        stats.mapped = chunks.mapped() + warm.bytes() + warm.pinned();
        stats.headers = chunks.headers.mapped();
        drop((chunks, warm));
        stats.allocations += self.large.allocs();
        stats.releases += self.large.frees();
        stats.free = stats.mapped.saturating_sub(stats.pinned + stats.cached);
        stats.idle = self.idle();
        stats
    }

    fn class_stats(&self, class: u16, shared: &Class) -> ClassStats {
        let size = size_class::size_of_class(class);
        let caches = lock(&self.caches);
        let slabs = lock(&shared.slabs);
        let slabs = || slabs.iter();
        let tallies = || caches.iter().map(|cache| cache.tally(class)).chain([&shared.past]);
        let trades = || caches.iter().map(|cache| (cache.trade(class), cache.tally(class)));
        let in_threads: usize = caches.iter().map(|cache| cache.cached(class)).sum();
        let used: usize = slabs().map(|slab| slab.used()).sum();
        // All rounds of the depot are full. More than what is out can't be cached: where it seems so,
        // threads are at work, and the sum is as good as it gets.
        let cached_blocks = (shared.rounds.len() * round_of(size) + in_threads).min(used);
        // Less than nothing is nothing: somebody is at work.
        let live = tallies().map(Tally::outstanding).fold(0, u64::wrapping_add).cast_signed();
        let migrated: u64 = trades().map(|(trade, tally)| trade.migrated(tally)).sum();
        ClassStats {
            size,
            live_blocks: used - cached_blocks,
            live: usize::try_from(live).unwrap_or(0).min((used - cached_blocks) * size),
            cached_blocks,
            free_blocks: slabs().map(|slab| slab.free()).sum(),
            allocations: tallies().map(Tally::allocs).sum(),
            releases: tallies().map(Tally::frees).sum(),
            trips: trades().map(|(trade, _)| trade.trips()).sum::<u64>()
                + shared.past_trade.trips(),
            migrated: migrated + shared.past_trade.migrated(&Tally::default()),
        }
    }
}
