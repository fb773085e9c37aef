//! Events for `tracing`, when its feature is on; nothing otherwise.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is reported"))]

/// A pool mapped memory from the system.
pub(in crate::pool) fn mapped(bytes: usize, total: usize) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "bytebuf::pool", bytes, total, "chunk mapped");
}

/// A pool gave mapped memory back to the system.
pub(in crate::pool) fn returned(bytes: usize, total: usize) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "bytebuf::pool", bytes, total, "chunk returned");
}

/// A budget refused an allocation.
pub(in crate::pool) fn budget_exhausted(budget: &str, requested: usize, limit: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "bytebuf::pool", budget, requested, limit, "budget exhausted");
}

/// A pool that should have had no buffer left has some.
pub(in crate::pool) fn leak_found(buffers: usize, bytes: usize) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "bytebuf::pool", buffers, bytes, "leak found");
}
