//! The pool against allocators and other pools.
//!
//! ```text
//! cargo run --release --bin pool -- [--quick] [--only WORDS] [--save DIR]
//! ```

mod batch;
mod single;
mod threads;
mod walk;

use clap::Parser;
use peers::makers::Routed;
use peers::race::Bench;
use peers::{Arguments, finish};

#[global_allocator]
static ALLOCATOR: Routed = Routed;

fn main() {
    let arguments = Arguments::parse();
    if let Some(who) = &arguments.walk {
        return walk::alone(who, arguments.quick);
    }
    let mut bench = Bench::new("The pool", arguments.quick, arguments.only.clone());
    single::run(&mut bench);
    batch::run(&mut bench);
    threads::run(&mut bench);
    walk::run(&mut bench);
    finish(&bench, "pool", &arguments);
}
