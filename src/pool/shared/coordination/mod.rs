//! What threads agree by. Each file knows nothing of pools, and states its rules.
//!
//! | question | file |
//! | --- | --- |
//! | Is the pool closed? | `closed` |
//! | How much is idle, and does the purger watch it? | `idle` |
//! | Which thread may use the cells of a thread's cache? | `exclusion` |
//! | What wakes the purger? | `alarm` |

pub(crate) mod alarm;
pub(crate) mod closed;
pub(crate) mod exclusion;
pub(crate) mod idle;
