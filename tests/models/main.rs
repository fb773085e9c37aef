//! Applies random sequences of up to 100 operations to the crate and to a model of it, and compares.
//!
//! Runs 20,000 sequences in all, or `BYTEBUF_SEQUENCES`. A failing sequence is shrunk before it is printed. The
//! targets of `fuzz/` run the same models.

// `fuzz/` makes a library of them.
#[allow(unreachable_pub)]
#[path = "mod.rs"]
mod models;

use std::cell::Cell;
use std::io::{Write, stderr};

use arbitrary::{Arbitrary, Unstructured};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use models::{LONGEST, Model, run};

/// The bytes that each operation is made of: more than any needs, and as few numbers as will do, since
/// each is drawn and made smaller on its own.
type Seed = [u64; 4];

/// A sequence of operations that is made shorter by leaving some out.
fn sequences<M: Model>() -> impl Strategy<Value = Vec<M::Op>> {
    vec(any::<Seed>(), 0..=LONGEST).prop_map(|seeds| {
        let ops = seeds.iter().map(|seed| {
            let bytes = seed.map(u64::to_le_bytes);
            M::Op::arbitrary(&mut Unstructured::new(bytes.as_flattened()))
        });
        ops.collect::<Result<_, _>>().expect("enough bytes for an operation")
    })
}

fn draw<M: Model>(name: &str) {
    let all = match std::env::var("BYTEBUF_SEQUENCES") {
        Ok(number) => number.parse().expect("BYTEBUF_SEQUENCES is a number"),
        Err(_) => 20_000,
    };
    let cases = u32::div_ceil(all, MODELS);
    let (sequences_run, operations) = (Cell::new(0_u32), Cell::new(0_usize));
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&sequences::<M>(), |ops| {
        run::<M>(&ops);
        sequences_run.update(|n| n + 1);
        operations.update(|n| n + ops.len());
        if sequences_run.get().is_multiple_of(20_000) {
            say(format_args!("{name}: {} of {cases}", sequences_run.get()));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    say(format_args!("{name}: {cases} sequences of {} operations", operations.get()));
}

/// Past the harness, which shows nothing of a test that passes.
fn say(what: std::fmt::Arguments<'_>) {
    _ = writeln!(stderr(), "{what}");
}

macro_rules! models {
    ($($(#[$meta:meta])* $name:ident: $model:ty;)+) => {
        const MODELS: u32 = [$(stringify!($name)),+].len() as u32;

        $(
            $(#[$meta])*
            #[test]
            fn $name() {
                draw::<$model>(stringify!($name));
            }
        )+
    };
}

models! {
    byte_buf: models::byte_buf::ByteBufs;
    composite: models::composite::Composite;
    conversions: models::conversions::Conversions;
    #[cfg(unix)]
    file_region: models::region::Regions;
    pool: models::pool::Blocks;
    reserve_extremes: models::extremes::Extremes;
    search: models::search::Haystack;
    #[cfg(unix)]
    segment_recover: models::segment::Log;
    #[cfg(unix)]
    splice: models::splice::Relay;
    text: models::text::Text;
    typed: models::typed::Numbers;
    write_queue: models::write_queue::Queue;
}
