mod budgets;
#[cfg(feature = "tracing")]
mod events;
mod figures;
mod life;
mod tracking;

use crate::pool::*;

/// The figures add up, as the documentation says.
fn check(pool: &Pool) -> PoolStats {
    let stats = pool.stats();
    assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free, "{stats}");
    assert!(stats.live <= stats.pinned, "{stats}");
    stats
}
