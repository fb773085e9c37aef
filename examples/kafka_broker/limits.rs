//! Limits of a single peer, and of all peers together.

use std::time::Duration;

/// The longest request that carries batches; Kafka clients send 1 MiB by default.
pub(crate) const MAX_PRODUCE: usize = 16 << 20;

/// The longest of all other requests.
pub(crate) const MAX_REQUEST: usize = 1 << 20;

/// The most bytes of batches in one response; clients ask for 50 MiB by default.
pub(crate) const MAX_FETCH: u64 = 64 << 20;

/// The same, where batches are copied into memory on their way.
pub(crate) const MAX_COPY: u64 = 16 << 20;

/// Requests of one connection that have been received and not answered; clients send 5 by default.
pub(crate) const MAX_IN_FLIGHT: usize = 8;

/// Bytes of requests of one connection that are in memory: one of the longest and its successor.
pub(crate) const CONNECTION_BYTES: usize = 2 * MAX_PRODUCE + (1 << 20);

/// The longest that a fetch waits for batches.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

/// The default for the seconds that a connection may send no request: Kafka's.
pub(crate) const IDLE: u64 = 600;

/// The default for the seconds that a request may take to arrive besides [`time_for`] its bytes, and that a peer may
/// read nothing of a response.
pub(crate) const STALLED: u64 = 30;

/// Returns the time for so many bytes at the minimum rate, 64 KiB a second. An unfinished request keeps
/// its memory from other requests.
pub(crate) fn time_for(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 >> 16)
}

/// Descriptors of the broker's own, such as its listener.
const OWN: u64 = 24;

/// The connections that may be open at a time with so many descriptors: a quarter of those is kept for
/// segments, so that clients cannot keep producers from the disk.
pub(crate) fn connections_within(descriptors: u64) -> u64 {
    (descriptors - descriptors.div_ceil(4)).saturating_sub(OWN).max(1)
}

/// What is received before the length of a request is known, and the longest request that takes nothing of
/// the memory that connections share.
pub(crate) const FIRST_BLOCK: usize = 4096;

/// How many times more memory a request may have than it has bytes that have arrived. A request that
/// announces more than it sends takes up no more than this, and of one that keeps its word a
/// sixteenth is copied.
pub(crate) const AHEAD: usize = 16;

/// Bytes of responses behind which others that are ready wait for a flush of their own.
pub(crate) const TOGETHER: u64 = 16 << 10;

/// What one flush sends: more than the responses that clients ask for by default, so that such a
/// response is not cut in two by it.
pub(crate) const FLUSH: u64 = 4 << 20;
