//! Limits of a single peer, and of all peers together.

use std::time::Duration;

/// The maximum length of a request with batches; Kafka clients send 1 MiB by default.
pub(crate) const MAX_PRODUCE: usize = 16 << 20;

/// The maximum length of all other requests: enough for the assignments of the largest group.
pub(crate) const MAX_REQUEST: usize = 4 << 20;

/// The maximum bytes of batches in one response; clients ask for 50 MiB by default.
pub(crate) const MAX_FETCH: u64 = 64 << 20;

/// The same for `--path copy`, which holds the batches in memory.
pub(crate) const MAX_COPY: u64 = 16 << 20;

/// Requests of one connection that have been received and not answered; clients send 5 by default.
pub(crate) const MAX_IN_FLIGHT: usize = 8;

/// The maximum bytes of requests of one connection in memory: a request of the maximum length, and the next.
pub(crate) const CONNECTION_BYTES: usize = 2 * MAX_PRODUCE + (1 << 20);

/// The maximum time that a fetch waits for batches.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

/// The default for the seconds that a connection may send no request: Kafka's.
pub(crate) const IDLE: u64 = 600;

/// The default for the seconds that a request may take to arrive besides [`time_for`] its bytes, and that a peer may
/// read nothing of a response.
pub(crate) const STALLED: u64 = 30;

/// Returns the time for so many bytes at the minimum rate, 64 KiB a second. An unfinished request keeps
/// its memory from other requests.
pub(crate) fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(bytes >> 16)
}

/// A peer that holds memory for which others wait has this fraction of the time that it has otherwise.
pub(crate) const HURRY: u32 = 10;

/// Descriptors that the broker itself needs, such as its listener.
const OWN: u64 = 24;

/// Returns the maximum number of connections for so many descriptors. A quarter of the descriptors is reserved for
/// segments, so that a crowd of clients does not stop producers.
pub(crate) fn connections_within(descriptors: u64) -> u64 {
    (descriptors - descriptors.div_ceil(4)).saturating_sub(OWN).max(1)
}

/// The size of the block for a request of unknown length. Requests and responses up to this length take nothing of the
/// memory that connections share.
pub(crate) const FIRST_BLOCK: usize = 4096;

/// The maximum memory for a request, as a multiple of its bytes that have arrived. So an announced length takes no
/// memory by itself, and at most a sixteenth of a request is copied.
pub(crate) const AHEAD: usize = 16;

/// Responses that are ready are flushed together until they have this many bytes.
pub(crate) const TOGETHER: u64 = 16 << 10;

/// The maximum bytes of one flush: more than a response that clients request by default, so that one flush sends it
/// whole.
pub(crate) const FLUSH: u64 = 4 << 20;
