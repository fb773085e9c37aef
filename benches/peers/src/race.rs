//! Timing.

use crate::table::{Entry, Row, Table};
use rustix::time::{ClockId, clock_gettime};

/// What a contender is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ours,
    Peer,
    /// The least that the work needs: no library, no safety.
    Floor,
}

/// One way to do the work of a row.
pub struct Contender<'a> {
    name: &'static str,
    role: Role,
    /// Does so many units of the work; returns the nanoseconds that they took.
    run: Box<dyn FnMut(usize) -> f64 + 'a>,
}

impl<'a> Contender<'a> {
    /// Work that times itself.
    pub fn new(name: &'static str, run: impl FnMut(usize) -> f64 + 'a) -> Self {
        let role = match name {
            "bytebuf" => Role::Ours,
            "floor" => Role::Floor,
            _ => Role::Peer,
        };
        Self { name, role, run: Box::new(run) }
    }

    /// One thread's work.
    pub fn cpu(name: &'static str, mut work: impl FnMut(usize) + 'a) -> Self {
        Self::new(name, move |n| cpu(|| work(n)))
    }

    pub fn floor(name: &'static str, mut work: impl FnMut(usize) + 'a) -> Self {
        Self { role: Role::Floor, ..Self::new(name, move |n| cpu(|| work(n))) }
    }
}

/// What a row has to reach, as a multiple of another's time per unit, or in its own unit.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Times the fastest peer.
    OfBest(f64),
    /// Times the fastest of these.
    Of(&'static [&'static str], f64),
    /// At most so much.
    Most(f64),
    /// At least so much.
    Least(f64),
}

/// Runs races and collects their rows.
pub struct Bench {
    pub quick: bool,
    only: Option<String>,
    pub table: Table,
}

/// How long a contender runs in one round, in nanoseconds.
const ROUND: f64 = 1.5e6;
const ROUNDS: usize = 25;

impl Bench {
    pub fn new(title: &'static str, quick: bool, only: Option<String>) -> Self {
        Self { quick, only, table: Table::new(title) }
    }

    /// Whether a row is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    pub fn section(&mut self, name: &'static str) {
        self.table.section = name;
    }

    /// Lets the contenders take turns; `unit` is what `n` counts.
    pub fn race(&mut self, name: impl Into<String>, bars: &[Bar], contenders: Vec<Contender>) {
        let name = name.into();
        if !self.wants(&name) {
            return;
        }
        let (entries, _) = self.measure(contenders);
        self.table.add(Row::compared(name, "ns", bars, entries));
    }

    /// The medians of a race that makes no row by itself.
    pub fn measure(&self, mut contenders: Vec<Contender>) -> (Vec<Entry>, usize) {
        let steps: Vec<usize> = contenders.iter_mut().map(|c| self.steps(c)).collect();
        let rounds = if self.quick { 1 } else { ROUNDS };
        let mut times = vec![Vec::new(); contenders.len()];
        for round in 0..rounds {
            for turn in 0..contenders.len() {
                // Another one begins each round.
                let i = (turn + round) % contenders.len();
                times[i].push((contenders[i].run)(steps[i]) / steps[i] as f64);
            }
        }
        let entry = |(c, times): (&Contender, &mut Vec<f64>)| Entry {
            name: c.name,
            role: c.role,
            value: median(times),
        };
        (contenders.iter().zip(&mut times).map(entry).collect(), rounds)
    }

    /// How many steps fill a round.
    fn steps(&self, contender: &mut Contender) -> usize {
        let mut steps = 1024;
        (contender.run)(steps);
        while !self.quick && (contender.run)(steps) < ROUND {
            steps *= 2;
        }
        steps
    }
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn now(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The nanoseconds of processor time that this thread takes for `work`.
pub fn cpu<T>(work: impl FnOnce() -> T) -> f64 {
    let start = now(ClockId::ThreadCPUTime);
    let result = work();
    let end = now(ClockId::ThreadCPUTime);
    std::hint::black_box(result);
    end - start
}

/// The nanoseconds that go by during `work`.
pub fn wall<T>(work: impl FnOnce() -> T) -> f64 {
    let start = now(ClockId::Monotonic);
    let result = work();
    let end = now(ClockId::Monotonic);
    std::hint::black_box(result);
    end - start
}
