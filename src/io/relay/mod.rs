//! Bytes from one descriptor to another: `splice.rs` moves them (`splice/fill.rs` reads, `splice/drain.rs` writes),
//! through the pipes of `pipes.rs`, and `end.rs` passes on that there are no more.

mod end;
pub(super) mod pipes;
mod splice;

pub use end::shutdown_write;
pub use splice::{Splice, Spliced};
