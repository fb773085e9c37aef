//! Bytes from one descriptor to another: `splice.rs` moves them, through the pipes of `pipes.rs`.

pub(super) mod pipes;
mod splice;

pub use splice::{Splice, Spliced};
