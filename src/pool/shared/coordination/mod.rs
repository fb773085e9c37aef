//! Coordination of threads. These files do not depend on pools.
//!
//! | question | file |
//! | --- | --- |
//! | Is the pool closed? | `closed` |
//! | How much is idle, and does the purger watch it? | `idle` |
//! | Which thread may use the cells of a thread's cache? | `exclusion` |
//! | How is the purger woken? | `wakeup` |

pub(crate) mod closed;
pub(crate) mod exclusion;
pub(crate) mod idle;
pub(crate) mod wakeup;
