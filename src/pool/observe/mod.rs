//! What a pool reports: figures, live buffers by the line that allocated them, events.

pub(super) mod events;
pub(super) mod stats;
pub(super) mod track;
