//! Compares the pool with allocators and other pools.
//!
//! ```text
//! cargo run --release --bin pool -- [--quick] [--count] [--only WORDS] [--save DIR]
//! ```

mod batch;
mod resident;
mod single;
mod threads;

use clap::Parser;
use peers::makers::Routed;
use peers::race::Bench;
use peers::{Arguments, finish};

#[global_allocator]
static ALLOCATOR: Routed = Routed;

fn main() {
    let arguments = Arguments::parse();
    if let Some(what) = &arguments.resident {
        let contender = arguments.only.as_deref().expect("a contender");
        return resident::alone(what, contender, arguments.quick);
    }
    let mut bench = Bench::new("The pool", &arguments, 8192);
    single::run(&mut bench);
    batch::run(&mut bench);
    threads::run(&mut bench);
    resident::run(&mut bench);
    finish(&bench, "pool", &arguments);
}
