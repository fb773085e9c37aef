//! Blocks of memory and how they are counted; what a block's home is, is decided above.

pub(crate) mod count;
pub(crate) mod flags;
pub(crate) mod header;
pub(crate) mod hooks;
pub(crate) mod owned;
pub(crate) mod ref_cache;
