//! What is under test beside something simpler that must behave the same, and the operations that are
//! done to both.
//!
//! Random sequences of them are drawn by the tests of this folder, better ones by the targets of `fuzz/`,
//! which include this module.

pub mod byte_buf;
pub mod composite;
pub mod conversions;
pub mod extremes;
mod fixtures;
pub mod pool;
#[cfg(unix)]
pub mod region;
pub mod search;
#[cfg(unix)]
pub mod segment;
#[cfg(unix)]
pub mod splice;
#[path = "../../src/test_data.rs"]
mod test_data;
#[cfg(unix)]
#[path = "../../src/test_io.rs"]
mod test_io;
pub mod text;
pub mod typed;
pub mod write_queue;

use std::fmt::Debug;

use arbitrary::Arbitrary;

/// The most operations in a sequence.
pub const LONGEST: usize = 100;

/// Something beside a simpler one.
pub trait Model {
    /// What can be done.
    type Op: for<'a> Arbitrary<'a> + Debug;

    /// Both, to begin with.
    fn new() -> Self;

    /// Does it to both. Panics where they differ. `salt` is another number at each step: for contents.
    fn apply(&mut self, op: &Self::Op, salt: u8);

    /// Looks at what must hold in the end.
    fn finish(self)
    where
        Self: Sized,
    {
    }
}

/// A sequence from its beginning to its end.
pub fn run<M: Model>(ops: &[M::Op]) {
    let mut model = M::new();
    for (salt, op) in ops.iter().enumerate() {
        model.apply(op, salt as u8);
    }
    model.finish();
}
