//! What can be seen of a pool: statistics, live buffers by the line that allocated them, events.

pub(super) mod events;
pub(super) mod snapshot;
pub(super) mod stats;
pub(super) mod track;
