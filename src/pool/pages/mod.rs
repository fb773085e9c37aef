//! Mapped memory: chunks, the slabs cut out of them, their headers, and the size classes.

pub(super) mod bits;
pub(super) mod chunk;
pub(super) mod headers;
mod lists;
pub(super) mod size_class;
pub(super) mod slab;
