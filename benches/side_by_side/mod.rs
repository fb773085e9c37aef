//! Measures the candidates for one job in turns in one process, so that a busy or slow machine affects all of them equally. The
//! result is the ratio of their medians.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::{hint::black_box, time::Instant};

const ROUNDS: usize = 41;

/// A candidate: its name, and a function that runs one round and returns its cost in nanoseconds.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'static str,
    round: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Candidate<'a> {
    /// Creates a candidate that is timed by the wall clock, without its setup.
    pub(crate) fn new<S, T>(
        name: &'static str,
        mut set_up: impl FnMut() -> S + 'a,
        mut run: impl FnMut(&mut S) -> T + 'a,
    ) -> Self {
        Self::metered(name, move || {
            let mut state = set_up();
            let start = Instant::now();
            black_box(run(black_box(&mut state)));
            start.elapsed().as_nanos() as f64
        })
    }

    /// Creates a candidate that measures itself.
    pub(crate) fn metered(name: &'static str, round: impl FnMut() -> f64 + 'a) -> Self {
        Self { name, round: Box::new(round) }
    }
}

/// Returns whether to measure: `cargo test` and `--quick` only check that the benchmark runs.
pub(crate) fn is_measuring() -> bool {
    let given = |wanted| std::env::args().any(|arg| arg == wanted);
    given("--bench") && !given("--quick")
}

/// Returns the cost of each round for each candidate. The first candidate of a round is the last of the next one, because a
/// candidate affects its successor.
pub(crate) fn in_turns(candidates: &mut [Candidate<'_>], rounds: usize) -> Vec<Vec<f64>> {
    let mut costs = vec![Vec::with_capacity(rounds); candidates.len()];
    for round in 0..rounds {
        for turn in 0..candidates.len() {
            let who = (round + turn) % candidates.len();
            costs[who].push((candidates[who].round)());
        }
    }
    costs
}

pub(crate) fn median(costs: impl IntoIterator<Item = f64>) -> f64 {
    let mut costs: Vec<f64> = costs.into_iter().collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// Measures all candidates and prints their nanoseconds per unit, and their ratio to the first.
pub(crate) fn compare(job: &str, units: usize, mut candidates: Vec<Candidate<'_>>) {
    let rounds = if is_measuring() { ROUNDS } else { 1 };
    let costs = in_turns(&mut candidates, rounds);
    let medians: Vec<f64> = costs.into_iter().map(|costs| median(costs) / units as f64).collect();
    for (candidate, median) in candidates.iter().zip(&medians) {
        println!("{job:<28} {:<24} {median:>9.3} ns {:>7.2}", candidate.name, median / medians[0]);
    }
}
