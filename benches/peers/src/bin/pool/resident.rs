//! Resident memory: a long series of random replacements of buffers of all sizes (the walk), and a million small ones. Each
//! contender runs in its own process; processes take turns.

use bytebuf::Pool;
use peers::Random;
use peers::makers::*;
use peers::race::{Bar, Bench, Role, cpu, median, minor_faults};
use peers::table::{Entry, Row};
use std::mem::MaybeUninit;
use std::process::Command;
use std::time::Duration;

const LIVE: usize = 8192;
const STEPS: usize = 2_000_000;
const SMALL: usize = 1_000_000;
const RUNS: usize = 3;

const PEERS: [&str; 8] = [
    "glibc",
    "mimalloc",
    "jemalloc",
    "BytesMut",
    "BytesMut/mimalloc",
    "bytesbuf",
    "ntex",
    "ntex pages",
];

/// The figures of a process. The walk: resident / live; nanoseconds per step; page faults per 1000 steps; MiB resident after
/// all drops, a second later, and after `trim`. The small buffers: bytes for each.
const WALK: &str = "walk";
const SMALL_BUFFERS: &str = "a million of 64 B";

/// The medians of a contender's figures.
struct Figures {
    name: &'static str,
    role: Role,
    values: Vec<f64>,
}

pub(crate) fn run(bench: &mut Bench) {
    if bench.is_counting() {
        return;
    }
    if bench.is_selected(WALK) {
        bench.section(
            "2 million random replacements in 8192 buffers of the network mix, each page touched",
        );
        let all = measure_all(WALK, bench.quick);
        let mut row = |name: &str, unit, bars: &[Bar], figure: usize, with_peers: bool| {
            let shown = all.iter().filter(|found| with_peers || found.role == Role::Ours);
            let entry = |found: &Figures| Entry::new(found.name, found.role, found.values[figure]);
            let name = format!("walk: {name}");
            bench.table.add(Row::compared(name, unit, bars, shown.map(entry).collect()));
        };
        row("resident / live", "x", &[Bar::Most(1.2)], 0, true);
        row("time per step", "ns", &[Bar::OfBest(1.0)], 1, true);
        row("page faults per 1000 steps", "", &[], 2, true);
        row("resident, all dropped", "MiB", &[], 3, true);
        row("a second later", "MiB", &[Bar::Most(2.0)], 4, true);
        row("after trim", "MiB", &[Bar::Most(0.25)], 5, false);
    }
    if bench.is_selected(SMALL_BUFFERS) {
        bench
            .section("A million live buffers of 64 bytes: resident bytes of each, with its handle");
        let all = measure_all(SMALL_BUFFERS, bench.quick);
        let entry = |found: &Figures| Entry::new(found.name, found.role, found.values[0]);
        let entries = all.iter().map(entry).collect();
        bench.table.add(Row::compared(SMALL_BUFFERS.into(), "B", &[Bar::Most(112.0)], entries));
    }
}

fn measure_all(what: &str, quick: bool) -> Vec<Figures> {
    let contenders = std::iter::once(("bytebuf", Role::Ours))
        .chain(PEERS.iter().map(|&name| (name, Role::Peer)));
    let mut all: Vec<_> = contenders.map(|(name, role)| (name, role, Vec::new())).collect();
    for _ in 0..if quick { 1 } else { RUNS } {
        for (name, _, runs) in &mut all {
            runs.push(measure_apart(what, name, quick));
        }
    }
    let medians = |runs: Vec<Vec<f64>>| {
        let figure = |i: usize| median(&mut runs.iter().map(|run| run[i]).collect::<Vec<_>>());
        (0..runs[0].len()).map(figure).collect()
    };
    let figures = |(name, role, runs)| Figures { name, role, values: medians(runs) };
    all.into_iter().map(figures).collect()
}

fn measure_apart(what: &str, contender: &str, quick: bool) -> Vec<f64> {
    let this = std::env::current_exe().expect("this program's path");
    let mut process = Command::new(this);
    process.args(["--resident", what, "--only", contender]).args(quick.then_some("--quick"));
    let output = process.output().expect("it runs again");
    assert!(output.status.success(), "the process of {contender} failed: {output:?}");
    let text = String::from_utf8(output.stdout).expect("figures");
    text.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect()
}

/// Measures one contender, and prints its figures.
pub(crate) fn alone(what: &str, contender: &str, quick: bool) {
    let found = match contender {
        "bytebuf" => measure(what, &Ours(Pool::global()), quick),
        "glibc" => measure(what, &Malloc(Glibc), quick),
        "mimalloc" => measure(what, &Malloc(Mimalloc), quick),
        "jemalloc" => measure(what, &Malloc(Jemalloc), quick),
        "BytesMut" => measure(what, &BytesMut, quick),
        "BytesMut/mimalloc" => measure(what, &BytesMutOnMimalloc, quick),
        "bytesbuf" => measure(what, &Bytesbuf::new(), quick),
        "ntex" => measure(what, &Ntex, quick),
        "ntex pages" => measure(what, &NtexPages, quick),
        _ => panic!("no contender is called {contender}"),
    };
    let figures: Vec<_> = found.iter().map(f64::to_string).collect();
    println!("{}", figures.join(" "));
}

fn measure<M: Maker>(what: &str, maker: &M, quick: bool) -> Vec<f64> {
    if what == WALK { walk(maker, quick) } else { vec![small(maker, quick)] }
}

fn walk<M: Maker>(maker: &M, quick: bool) -> Vec<f64> {
    let steps = if quick { STEPS / 100 } else { STEPS };
    let mut random = Random(21);
    // Writes to both arrays, so that they are resident before the first measurement.
    let mut sizes = vec![1_usize; LIVE];
    let mut held: Vec<Option<M::Buffer>> = (0..LIVE).map(|_| None).collect();
    let before = resident();
    let mut fill = |random: &mut Random, i: usize| {
        held[i] = None;
        sizes[i] = random.network_size();
        let mut buffer = maker.make(sizes[i]);
        M::touch(&mut buffer, sizes[i]);
        held[i] = Some(buffer);
    };
    for i in 0..LIVE {
        fill(&mut random, i);
    }
    let faults_before = minor_faults();
    let took = cpu(|| {
        for _ in 0..steps {
            let i = random.below(LIVE);
            fill(&mut random, i);
        }
    });
    let faults = minor_faults() - faults_before;
    let of_live = (resident() - before) / sizes.iter().sum::<usize>() as f64;
    for place in &mut held {
        *place = None;
    }
    let mib = || (resident() - before).max(0.0) / (1024.0 * 1024.0);
    let dropped = mib();
    std::thread::sleep(Duration::from_secs(1));
    let later = mib();
    Pool::global().trim();
    let steps = steps as f64;
    vec![of_live, took / steps, 1000.0 * faults / steps, dropped, later, mib()]
}

/// Returns the resident bytes of each of a million small buffers, with its handle.
fn small<M: Maker>(maker: &M, quick: bool) -> f64 {
    let count = if quick { SMALL / 100 } else { SMALL };
    let before = resident();
    let mut held: Vec<M::Buffer> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut buffer = maker.make(64);
        M::spare(&mut buffer)[0] = MaybeUninit::new(1);
        held.push(buffer);
    }
    (resident() - before) / count as f64
}

/// Returns the resident bytes of this process, without file pages.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux 4.5");
    let kib: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a figure");
    kib * 1024.0
}
