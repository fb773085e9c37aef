//! Blocks of memory and their reference counts. The modules that use these decide where a block comes from.

pub(crate) mod count;
pub(crate) mod flags;
pub(crate) mod header;
pub(crate) mod hooks;
pub(crate) mod owned;
pub(crate) mod ref_cache;
pub(crate) mod try_box;
