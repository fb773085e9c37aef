//! Candidates for one job, measured in turns in one process, so that a busy or slow machine treats
//! them alike. What counts is the ratio of their medians.

use std::{hint::black_box, time::Instant};

const ROUNDS: usize = 41;

/// A candidate: what it is called, how it is set up, and what it does, timed, with that.
pub(crate) struct Candidate<'a> {
    name: &'static str,
    round: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new<S, T>(
        name: &'static str,
        mut set_up: impl FnMut() -> S + 'a,
        mut run: impl FnMut(&mut S) -> T + 'a,
    ) -> Self {
        let round = move || {
            let mut state = set_up();
            let start = Instant::now();
            black_box(run(black_box(&mut state)));
            start.elapsed().as_nanos() as f64
        };
        Self { name, round: Box::new(round) }
    }
}

/// Measures all candidates and prints nanoseconds per unit, and each one's part of the first one's.
pub(crate) fn compare(job: &str, units: usize, mut candidates: Vec<Candidate<'_>>) {
    // `cargo test` only wants to see that it runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let mut times = vec![Vec::with_capacity(rounds); candidates.len()];
    for _ in 0..rounds {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            times.push((candidate.round)());
        }
    }
    let medians = times.into_iter().map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[rounds / 2] / units as f64
    });
    let medians: Vec<f64> = medians.collect();
    for (candidate, median) in candidates.iter().zip(&medians) {
        println!("{job:<28} {:<24} {median:>9.3} ns {:>7.2}", candidate.name, median / medians[0]);
    }
}
