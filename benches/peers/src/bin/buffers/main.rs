//! Compares handles with those of other crates: the cost of sharing, cutting, reading and writing.
//!
//! ```text
//! cargo run --release --bin buffers -- [--quick] [--count] [--only WORDS] [--save DIR]
//! ```

mod composite;
mod cursors;
mod framing;
mod shares;

use clap::Parser;
use peers::race::Bench;
use peers::{Arguments, finish};

fn main() {
    let arguments = Arguments::parse();
    let mut bench = Bench::new("Buffers", &arguments, 1 << 16);
    shares::run(&mut bench);
    framing::run(&mut bench);
    cursors::run(&mut bench);
    composite::run(&mut bench);
    finish(&bench, "buffers", &arguments);
}
