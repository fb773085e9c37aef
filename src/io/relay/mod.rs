//! Moves bytes from one descriptor to another. `splice.rs` has the transfer (`splice/fill.rs` reads,
//! `splice/drain.rs` writes), `pipes.rs` has the pipes that it uses, and `end.rs` shuts the target down.

mod end;
pub(super) mod pipes;
mod splice;

pub use end::shutdown_write;
pub use splice::{Splice, Spliced};
