//! Timing.
#![allow(unsafe_code, reason = "reads clocks and counters")]

use crate::Arguments;
use crate::count::{Counts, counted};
use crate::table::{Entry, Row, Table};

/// The role of a contender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ours,
    Peer,
    /// The minimum of the work, without a library.
    Floor,
}

/// One way to do the work of a row.
pub struct Contender<'a> {
    name: &'static str,
    role: Role,
    /// Whether all of the work is this thread's, so that its instructions can be counted.
    is_counted: bool,
    /// The units of a round, if they do not depend on how long they take.
    steps: Option<usize>,
    /// Does the given number of units, and returns their nanoseconds.
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
        Self { name, role, is_counted: false, steps: None, run: Box::new(run) }
    }

    /// The work of several threads, in rounds of a fixed number of units. On a busy machine, a search for the number would
    /// measure how long threads wait for a core.
    pub fn threads(name: &'static str, steps: usize, run: impl FnMut(usize) -> f64 + 'a) -> Self {
        Self { steps: Some(steps), ..Self::new(name, run) }
    }

    /// One thread's work.
    pub fn cpu(name: &'static str, mut work: impl FnMut(usize) + 'a) -> Self {
        Self { is_counted: true, ..Self::new(name, move |n| cpu(|| work(n))) }
    }

    pub fn floor(name: &'static str, work: impl FnMut(usize) + 'a) -> Self {
        Self { role: Role::Floor, ..Self::cpu(name, work) }
    }
}

/// The limit of a row, as a multiple of another's time per unit, or in its own unit.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Times the fastest peer.
    OfBest(f64),
    /// Times the fastest of these.
    Of(&'static [&'static str], f64),
    /// At most this value.
    Most(f64),
    /// At least this value.
    Least(f64),
}

/// Runs races and collects their rows.
pub struct Bench {
    pub quick: bool,
    only: Option<String>,
    /// The units of work that each contender does under callgrind; 0 if this process is not under it.
    counted_steps: usize,
    counts: Counts,
    pub table: Table,
}

/// How long one thread's work runs in one round, in nanoseconds.
const ROUND: f64 = 1.5e6;
const ROUNDS: usize = 25;

/// How often in a row the steps must fill a round: a contender may get faster while it warms up.
const WARM: u32 = 5;

/// The part of a turn that runs first and is not timed. After the turns of the others, the first touch of a cache line
/// takes 3 to 300 ns here, also in a plain array: it depends on the page and on the host, not on the contender.
const AGAIN_WARM: usize = 4;

impl Bench {
    /// `counted_steps` is a number of units at which each contender does some work.
    pub fn new(title: &'static str, arguments: &Arguments, counted_steps: usize) -> Self {
        Self {
            quick: arguments.quick,
            only: arguments.only.clone(),
            counted_steps: if arguments.counted { counted_steps } else { 0 },
            counts: if arguments.count { Counts::take(arguments) } else { Counts::default() },
            table: Table::new(title),
        }
    }

    /// Returns whether a row is selected.
    pub fn is_selected(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Returns whether this process only counts instructions.
    pub fn is_counting(&self) -> bool {
        self.counted_steps > 0
    }

    pub fn section(&mut self, name: &'static str) {
        self.table.section = name;
    }

    /// Measures the contenders in turns, and adds a row.
    pub fn race(&mut self, name: impl Into<String>, bars: &[Bar], contenders: Vec<Contender>) {
        let name = name.into();
        if !self.is_selected(&name) {
            return;
        }
        if self.is_counting() {
            for mut contender in contenders.into_iter().filter(|contender| contender.is_counted) {
                (contender.run)(self.counted_steps);
                counted(&name, contender.name, self.counted_steps, || {
                    (contender.run)(self.counted_steps);
                });
            }
            return;
        }
        let mut entries = self.measure(contenders);
        for entry in &mut entries {
            entry.instructions = self.counts.get(&name, entry.name);
        }
        self.table.add(Row::compared(name, "ns", bars, entries));
    }

    /// Returns the medians of a race, without adding a row.
    pub fn measure(&self, mut contenders: Vec<Contender>) -> Vec<Entry> {
        let steps: Vec<usize> = contenders.iter_mut().map(|c| self.steps(c)).collect();
        let rounds = if self.quick { 1 } else { ROUNDS };
        let mut times = vec![Vec::new(); contenders.len()];
        for round in 0..rounds {
            for turn in 0..contenders.len() {
                // Another one begins each round.
                let i = (turn + round) % contenders.len();
                if contenders[i].steps.is_none() {
                    (contenders[i].run)(steps[i] / AGAIN_WARM);
                }
                times[i].push((contenders[i].run)(steps[i]) / steps[i] as f64);
            }
        }
        let entry =
            |(c, times): (&Contender, &mut Vec<f64>)| Entry::new(c.name, c.role, median(times));
        contenders.iter().zip(&mut times).map(entry).collect()
    }

    /// Returns the number of steps that fill a round.
    fn steps(&self, contender: &mut Contender) -> usize {
        let mut steps = 1024;
        if let (Some(steps), false) = (contender.steps, self.quick) {
            return steps;
        }
        // The shortest of three, because a busy machine delays some.
        let mut shortest =
            |steps| (0..3).map(|_| (contender.run)(steps)).min_by(f64::total_cmp).unwrap_or(ROUND);
        let mut filled = 0;
        while !self.quick && filled < WARM {
            if shortest(steps) < ROUND {
                steps *= 2;
                filled = 0;
            } else {
                filled += 1;
            }
        }
        steps
    }
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns a clock's time in nanoseconds, by libc, which valgrind supports.
fn now(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid, and both clocks exist on Linux.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "a clock that Linux has");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Returns the nanoseconds of processor time that this thread takes for `work`.
pub fn cpu<T>(work: impl FnOnce() -> T) -> f64 {
    let start = now(libc::CLOCK_THREAD_CPUTIME_ID);
    let result = work();
    let end = now(libc::CLOCK_THREAD_CPUTIME_ID);
    std::hint::black_box(result);
    end - start
}

/// Returns the elapsed nanoseconds of `work`.
pub fn wall<T>(work: impl FnOnce() -> T) -> f64 {
    let start = now(libc::CLOCK_MONOTONIC);
    let result = work();
    let end = now(libc::CLOCK_MONOTONIC);
    std::hint::black_box(result);
    end - start
}

/// Returns the number of minor page faults of this process.
pub fn minor_faults() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for a write of a `rusage`.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    assert_eq!(status, 0, "counters that Linux has");
    // SAFETY: the call succeeded, so it wrote all of it.
    let usage = unsafe { usage.assume_init() };
    usage.ru_minflt as f64
}
