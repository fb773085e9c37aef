//! What one thread holds: caches of free blocks, and reference counts kept at hand.

pub(super) mod cache;
pub(super) mod local;
pub(super) mod magazine;
