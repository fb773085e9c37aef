//! The snapshot: what a pool holds, added up when somebody asks.
//!
//! Nothing is counted on the fast path for it but allocations and releases, by plain stores of each
//! thread. The rest follows: a block of a slab is cached if a magazine or the depot has it, live otherwise.

use crate::pool::observe::stats::{ClassStats, Counters, PoolStats};
use crate::pool::pages::size_class;
use crate::pool::shared::central::{Central, Class};
use crate::pool::thread::magazine::round_of;
use crate::sync::lock;

impl Central {
    /// Exact while no other thread uses the pool; what the purger does is no such use.
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
            stats.refills += class.refills;
            stats.migrated += class.migrated;
            if class.allocations > 0 {
                stats.classes.push(class);
            }
        }
        let warm = lock(&self.large_cache);
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
        let all_counters =
            || caches.iter().map(|cache| cache.counters(class)).chain([&shared.retired]);
        let all_transfers =
            || caches.iter().map(|cache| (cache.transfers(class), cache.counters(class)));
        let in_threads: usize = caches.iter().map(|cache| cache.cached(class)).sum();
        let used: usize = slabs().map(|slab| slab.used()).sum();
        // All rounds of the depot are full. More than what is out can't be cached: where it seems so,
        // threads are at work, and the sum is as good as it gets.
        let cached_blocks = (shared.rounds.len() * round_of(size) + in_threads).min(used);
        // Less than nothing is nothing: somebody is at work.
        let live =
            all_counters().map(Counters::outstanding).fold(0, u64::wrapping_add).cast_signed();
        let migrated: u64 =
            all_transfers().map(|(transfers, counters)| transfers.migrated(counters)).sum();
        ClassStats {
            size,
            live_blocks: used - cached_blocks,
            live: usize::try_from(live).unwrap_or(0).min((used - cached_blocks) * size),
            cached_blocks,
            free_blocks: slabs().map(|slab| slab.free()).sum(),
            allocations: all_counters().map(Counters::allocs).sum(),
            releases: all_counters().map(Counters::frees).sum(),
            refills: all_transfers().map(|(transfers, _)| transfers.refills()).sum::<u64>()
                + shared.retired_transfers.refills(),
            migrated: migrated + shared.retired_transfers.migrated(&Counters::default()),
        }
    }
}
