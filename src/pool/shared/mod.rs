//! What threads share: the depot, the slabs of each class, free large blocks, and the thread that purges.

pub(super) mod central;
pub(super) mod closed;
pub(super) mod idle;
pub(super) mod large;
pub(super) mod purger;
pub(super) mod slabs;
