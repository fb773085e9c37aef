//! What can be observed of a pool: figures, live buffers by the line that allocated them, events.

pub(super) mod events;
pub(super) mod stats;
pub(super) mod track;
