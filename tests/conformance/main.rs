//! Netty's own answers, replayed: what `io.netty.buffer` 4.2 gave to some hundred thousand calls.
//!
//! The traces lie in `tests/data/netty`, recorded from Netty 4.2.13: a start state, calls, and what
//! each of them gave. Every trace is replayed on each [`Representation`] of the same bytes; the
//! calls reach the library through [`subject`], which lays Netty's index model over our types. What
//! may legitimately differ stands in one table, [`DIFFERENCES`]; anything else that differs fails
//! the test, and so does an unknown op.
//!
//! `BYTEBUF_TRACES=DIR cargo test --test conformance` replays the `.jsonl` and `.jsonl.gz` files of
//! another folder.

mod buf;
mod differences;
mod model;
mod native;
mod ops;
mod panics;
mod perturb;
mod processor;
mod replay;
mod representation;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
mod rope;
mod search;
mod subject;
mod trace;
mod typed;
mod view;
mod world;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use self::{
    differences::DIFFERENCES,
    perturb::{Numbers, perturbed},
    replay::{Tally, replay},
    representation::Representation,
    resource_baseline::ResourceBaseline,
    trace::Trace,
};

#[derive(Default)]
struct Report {
    tallies: BTreeMap<(String, String), Tally>,
    failures: Vec<String>,
}

/// The folder of the recorded traces.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/netty");

#[test]
fn every_representation_answers_as_netty_does() {
    let _baseline = ResourceBaseline::take();
    let folder = std::env::var_os("BYTEBUF_TRACES").unwrap_or_else(|| RECORDED.into());
    let folder = PathBuf::from(folder);
    let traces = trace::load(&folder);
    assert!(!traces.is_empty(), "no trace in {}", folder.display());

    let report = replay_all(&traces);

    // Not `print!`, which the test harness keeps to itself.
    std::io::stdout().write_all(report.table(&traces).as_bytes()).expect("a place to report to");
    report.check();
}

#[test]
fn every_representation_answers_as_the_model_does() {
    let _baseline = ResourceBaseline::take();
    let mut numbers = Numbers(4);
    let recorded = trace::load(RECORDED.as_ref());
    let some = recorded.iter().step_by(4).map(|trace| perturbed(trace, &mut numbers));
    let report = replay_all(&some.collect::<Vec<_>>());
    assert!(report.tallies.values().map(|tally| tally.steps).sum::<usize>() > 250_000);
    report.check();
}

fn replay_all(traces: &[Trace]) -> Report {
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(trace) = traces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for on in Representation::ALL {
                        let mut tally = Tally::default();
                        let went = replay(trace, on, &mut tally);
                        let mut report = report.lock().expect("no thread panics here");
                        report.failures.extend(went.err());
                        let key = (trace.family.clone(), format!("{on:?}"));
                        report.tallies.entry(key).or_default().add(&tally);
                    }
                }
            });
        }
    });
    report.into_inner().expect("no thread panics here")
}

impl Report {
    fn check(&self) {
        let shown = self.failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} traces went wrong:\n{shown}", self.failures.len());
    }

    fn table(&self, traces: &[Trace]) -> String {
        let (count, steps) = (traces.len(), traces.iter().map(|trace| trace.steps.len()));
        let steps: usize = steps.sum();
        let mut text = format!("\n{count} traces, {steps} steps; on each representation:\n");
        let mut sum = Tally::default();
        for ((family, on), tally) in &self.tallies {
            let Tally { traces, steps, left_out } = tally;
            let left_out: usize = left_out.values().sum();
            writeln!(
                text,
                "  {family:<12} {on:<16} {traces:>5} traces {steps:>7} steps, {left_out:>6} left out",
            )
            .expect("a String takes it");
            sum.add(tally);
        }
        writeln!(text, "in all {} replays, {} steps; left out:", sum.traces, sum.steps)
            .expect("a String takes it");
        for (why, ops, reason) in DIFFERENCES {
            let steps = sum.left_out.get(why).copied().unwrap_or_default();
            writeln!(text, "  {steps:>8} {ops}: {reason}").expect("a String takes it");
        }
        text
    }
}
