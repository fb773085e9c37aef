//! Bars: our cost of a job, the cost of its peers, and whether the ratio is low enough.

use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};

use crate::picture::{Group, Line, Picture};
use crate::side_by_side::{Candidate, in_turns, is_measuring, median};

const ROUNDS: usize = 41;

/// One line of the table. Costs are nanoseconds of processor time per unit.
pub(crate) struct Row {
    job: String,
    unit: &'static str,
    ours: f64,
    /// The names and the costs of the peers.
    peers: Vec<(&'static str, f64)>,
    /// Against the cheapest peer: the median of the ratios within the rounds, which is steadier
    /// than the ratio of medians.
    ratio: f64,
    bar: f64,
}

impl Row {
    fn is_met(&self) -> bool {
        self.ratio <= self.bar
    }

    /// The row of a table in Markdown.
    fn line(&self) -> String {
        let Self { job, unit, ours, peers, ratio, bar } = self;
        let peers: Vec<_> = peers.iter().map(|(name, cost)| format!("{name}: {cost:.1}")).collect();
        let peers = peers.join("; ");
        let verdict = match (is_measuring(), self.is_met()) {
            (false, _) => "ran",
            (true, true) => "pass",
            (true, false) => "FAIL",
        };
        format!("| {job} | {unit} | {ours:.1} | {peers} | {ratio:.3} | {bar:.2} | {verdict} |")
    }
}

pub(crate) struct Report {
    rows: Vec<Row>,
    only: Option<String>,
    picture: Option<String>,
}

impl Report {
    pub(crate) fn from_args() -> Self {
        let value_of = |name| std::env::args().skip_while(|arg| arg != name).nth(1);
        Self { rows: Vec::new(), only: value_of("--only"), picture: value_of("--picture") }
    }

    pub(crate) fn is_selected(&self, job: &str) -> bool {
        self.only.as_ref().is_none_or(|only| job.contains(only))
    }

    /// Measures a job of this many units. The first candidate is ours; `bar` is the maximum ratio of our cost to that of each peer.
    pub(crate) fn measure(
        &mut self,
        job: &str,
        (units, unit): (usize, &'static str),
        bar: f64,
        mut candidates: Vec<Candidate<'_>>,
    ) {
        let rounds = if is_measuring() { ROUNDS } else { 1 };
        let costs = in_turns(&mut candidates, rounds);
        let per_unit = |costs: &[f64]| median(costs.iter().copied()) / units as f64;
        let (ours, peers) = costs.split_first().expect("the first candidate is ours");
        let against = |peer: &[f64]| median(ours.iter().zip(peer).map(|(ours, peer)| ours / peer));
        let peer_costs = peers.iter().map(|costs| per_unit(costs));
        let row = Row {
            job: job.into(),
            unit,
            ours: per_unit(ours),
            ratio: peers.iter().map(|peer| against(peer)).fold(0.0, f64::max),
            peers: candidates[1..].iter().map(|it| it.name).zip(peer_costs).collect(),
            bar,
        };
        if self.rows.is_empty() {
            println!("| job | CPU ns per | ours | peers | ratio | bar | |");
            println!("| --- | --- | ---: | --- | ---: | ---: | --- |");
        }
        println!("{}", row.line());
        self.rows.push(row);
    }

    fn draw(&self) -> String {
        let line = |row: &Row| {
            let Row { job, unit, ours, peers, ratio, bar } = row;
            let best = peers.iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
            let (name, cost) = best.copied().unwrap_or_default();
            Line {
                label: job.clone(),
                ratio: *ratio,
                good: *ratio <= 1.0,
                limit: Some(*bar),
                note: format!("{ours:.0} ns per {unit}; {name} {cost:.0} ns: {ratio:.2}"),
            }
        };
        let picture = Picture {
            title: "Input and output, beside the best loop written by hand",
            meaning: "Each bar: processor time of bytebuf divided by that of the best peer. Shorter is better. At the right: bytebuf; that peer: the ratio.",
            better: "bytebuf takes less",
            worse: "bytebuf takes more",
            equal: 0.05,
            labels: 240,
            notes: 330,
            span: 1.4,
        };
        let mut lines: Vec<Line> = self.rows.iter().map(line).collect();
        lines.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        picture.draw(&[Group { title: "Processor time".into(), lines }])
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        let met = self.rows.iter().filter(|row| row.is_met()).count();
        if is_measuring() {
            println!("{met} of {} bars met", self.rows.len());
        } else {
            println!("{} jobs ran one round each", self.rows.len());
        }
        match &self.picture {
            Some(path) => fs::write(path, self.draw()),
            None => Ok(()),
        }
    }
}

/// Returns `full` for a measurement, and `quick` for a check that it runs.
pub(crate) fn scaled(full: usize, quick: usize) -> usize {
    if is_measuring() { full } else { quick }
}

/// Returns the processor time that this thread spends on `work`, in nanoseconds.
pub(crate) fn cpu(work: impl FnOnce() -> io::Result<()>) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    let start = now();
    work().expect("the measured work succeeds");
    (now() - start) as f64
}

/// Runs a job as a call that returns, as in every program. The processor mispredicts the first return after a system call, which
/// costs 0.27 us here, because the kernel has used the stack of return addresses. A peer whose system call is inlined into
/// the loop of the benchmark would avoid this cost.
#[inline(never)]
pub(crate) fn by_call<T>(job: impl FnOnce() -> T) -> T {
    job()
}
