//! The figures of a pool, computed on request.
//!
//! The fast path counts only the blocks that are taken. The other figures are derived: a block that is out of its
//! slab is cached if it is in a magazine or the depot, or if only cached references keep it in use; otherwise it is
//! live.

use crate::pool::observe::stats::{ClassStats, PoolStats};
use crate::pool::pages::size_class;
use crate::pool::shared::central::{Central, Class};
use crate::sync::{Ordering::Relaxed, lock};

/// The blocks of a class in thread caches, and the number of those that flowed from thread to thread.
#[derive(Clone, Copy, Default)]
struct Cached {
    blocks: usize,
    requested: usize,
    migrated: u64,
}

impl Central {
    /// Returns the pool's figures. They are exact while no other thread except the purger uses the pool.
    ///
    /// `references` has the addresses of the headers to which threads cache references, in ascending order, and the
    /// number of these references. A block without other references counts as cached.
    pub(crate) fn stats(&self, references: &[(usize, u32)]) -> PoolStats {
        // The purger moves no memory while this is held.
        let _purging = lock(&self.purging);
        let mut cached = [Cached::default(); size_class::COUNT];
        let mut stats = PoolStats::default();
        self.read_caches(&mut cached, &mut stats);
        for (index, class) in self.classes() {
            let class = self.class_stats(index, class, cached[index as usize], references);
            stats.live += class.live;
            stats.live_blocks += class.live_blocks;
            stats.pinned += class.live_blocks * class.size;
            stats.cached += class.cached_blocks * class.size;
            stats.migrated += class.migrated;
            stats.classes.push(class);
        }
        let large = lock(&self.large);
        stats.live += large.requested;
        stats.live_blocks += large.live_blocks;
        stats.pinned += large.pinned;
        stats.cached += large.bytes();
        let large_mapped = large.bytes() + large.pinned;
        drop(large);
        let chunks = lock(&self.chunks);
        stats.mapped = chunks.mapped() + large_mapped;
        stats.headers = chunks.headers.mapped();
        drop(chunks);
        stats.allocations += self.retired.allocations.load(Relaxed);
        stats.refills += self.retired.refills.load(Relaxed);
        stats.releases = stats.allocations.saturating_sub(stats.live_blocks as u64);
        stats.free = stats.mapped.saturating_sub(stats.pinned + stats.cached);
        stats.idle = self.idle();
        stats
    }

    /// Calls `f` while the locks that [`stats`](Self::stats) takes are held.
    #[cfg(test)]
    pub(in crate::pool) fn while_locked<R>(&self, f: impl FnOnce() -> R) -> R {
        let _locks = (lock(&self.purging), lock(&self.large), lock(&self.chunks));
        f()
    }

    fn read_caches(&self, cached: &mut [Cached], stats: &mut PoolStats) {
        self.caches.for_each(|magazines| {
            stats.allocations += magazines.allocations();
            stats.refills += magazines.refills.get();
            let mut here = [0; size_class::COUNT];
            magazines.read_contents(|class, blocks, requested| {
                let sum = &mut cached[class as usize];
                sum.blocks += blocks;
                sum.requested += requested;
                here[class as usize] += blocks as u64;
            });
            for (class, (sum, here)) in (0..).zip(cached.iter_mut().zip(here)) {
                let (received, given) = magazines.flows(class);
                sum.migrated += (given + here).saturating_sub(received);
            }
        });
    }

    fn class_stats(
        &self,
        index: u8,
        class: &Class,
        cached: Cached,
        references: &[(usize, u32)],
    ) -> ClassStats {
        let size = size_class::size_of_class(index);
        let (mut requested, mut place, mut dead) = (0, 0, (0, 0));
        // One slab for each hold of the lock, which is then not held for an unbounded scan (P3).
        let (out, free) = loop {
            let slabs = lock(&class.slabs);
            if place >= slabs.places() {
                break slabs.counts();
            }
            if let Some(slab) = slabs.slab(place) {
                requested += slab.requested();
                let (blocks, requested) = slab.only_cached(references);
                dead = (dead.0 + blocks, dead.1 + requested);
            }
            place += 1;
        };
        let depot = class.depot.contents();
        // At most the blocks that are out are cached. The sum can be larger while other threads use the pool.
        let cached_blocks = (depot.0 + cached.blocks + dead.0).min(out);
        let live_blocks = out - cached_blocks;
        let not_live = depot.1 + cached.requested + dead.1;
        ClassStats {
            size,
            live_blocks,
            live: requested.saturating_sub(not_live).min(live_blocks * size),
            cached_blocks,
            free_blocks: free,
            migrated: cached.migrated + class.migrated.load(Relaxed),
        }
    }
}
