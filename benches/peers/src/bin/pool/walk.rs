//! A long walk: buffers of all sizes come and go in random order. What does the memory look like then?

use bytebuf::Pool;
use peers::Random;
use peers::makers::*;
use peers::race::{Bar, Bench, Role, cpu};
use peers::table::{Entry, Row};
use std::process::Command;
use std::time::Duration;

const LIVE: usize = 8192;
const STEPS: usize = 2_000_000;

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

/// What one walk found: resident / live; nanoseconds per step; MiB resident when all are dropped, a
/// second later, and after `trim`.
type Findings = [f64; 5];

/// Lets each walk in a process of its own.
pub(crate) fn run(bench: &mut Bench) {
    bench.section("2 million random steps with 8192 live buffers, each page touched");
    if !bench.wants("walk") {
        return;
    }
    let mut all = vec![("bytebuf", Role::Ours, walk_apart("bytebuf", bench.quick))];
    let peer = |&name: &&'static str| (name, Role::Peer, walk_apart(name, bench.quick));
    all.extend(PEERS.iter().map(peer));
    let mut row = |name: &str, unit, bars: &[Bar], what: usize, peers: bool| {
        let shown = all.iter().filter(|(_, role, _)| peers || *role == Role::Ours);
        let entry =
            |&(name, role, found): &_| Entry { name, role, value: Findings::from(found)[what] };
        let entries = shown.map(entry).collect();
        bench.table.add(Row::compared(format!("walk: {name}"), unit, bars, entries));
    };
    row("resident / live", "x", &[Bar::Most(1.15)], 0, true);
    row("time per step", "ns", &[Bar::OfBest(1.0)], 1, true);
    row("resident, all dropped", "MiB", &[], 2, true);
    row("a second later", "MiB", &[Bar::Most(2.0)], 3, true);
    row("after trim", "MiB", &[Bar::Most(0.0625)], 4, false);
}

fn walk_apart(who: &str, quick: bool) -> Findings {
    let this = std::env::current_exe().expect("this program's path");
    let mut walk = Command::new(this);
    walk.args(["--walk", who]).args(quick.then_some("--quick"));
    let output = walk.output().expect("it runs again");
    assert!(output.status.success(), "the walk of {who} failed: {output:?}");
    let text = String::from_utf8(output.stdout).expect("figures");
    let figures: Vec<f64> = text.split_whitespace().map(|f| f.parse().expect("a figure")).collect();
    figures.try_into().expect("five figures")
}

/// Walks, and prints what it found.
pub(crate) fn alone(who: &str, quick: bool) {
    let found = match who {
        "bytebuf" => walk(Ours(Pool::global()), quick),
        "glibc" => walk(Malloc(Glibc), quick),
        "mimalloc" => walk(Malloc(Mimalloc), quick),
        "jemalloc" => walk(Malloc(Jemalloc), quick),
        "BytesMut" => walk(BytesMut, quick),
        "BytesMut/mimalloc" => walk(BytesMutOnMimalloc, quick),
        "bytesbuf" => walk(Bytesbuf::new(), quick),
        "ntex" => walk(Ntex, quick),
        "ntex pages" => walk(NtexPages, quick),
        _ => panic!("nobody is called {who}"),
    };
    println!("{}", found.map(|figure| figure.to_string()).join(" "));
}

/// Even sizes, all doublings from 64 B to 64 KiB as likely, so that small ones are not lost in the sum.
fn size(random: &mut Random) -> usize {
    let doubling = 64 << random.below(10);
    (doubling + random.below(doubling)) & !1
}

fn walk<M: Maker>(maker: M, quick: bool) -> Findings {
    let steps = if quick { STEPS / 100 } else { STEPS };
    let mut random = Random(11);
    // Both arrays are resident before the first look: something of each place is written.
    let mut sizes = vec![1_usize; LIVE];
    let mut held: Vec<Option<M::Buffer>> = (0..LIVE).map(|_| None).collect();
    let before = resident();
    let mut fill = |random: &mut Random, i: usize| {
        held[i] = None;
        sizes[i] = size(random);
        let mut buffer = maker.make(sizes[i]);
        M::touch(&mut buffer, sizes[i]);
        held[i] = Some(buffer);
    };
    for i in 0..LIVE {
        fill(&mut random, i);
    }
    let took = cpu(|| {
        for _ in 0..steps {
            let i = random.below(LIVE);
            fill(&mut random, i);
        }
    });
    let of_live = (resident() - before) / sizes.iter().sum::<usize>() as f64;
    for place in &mut held {
        *place = None;
    }
    let mib = || (resident() - before).max(0.0) / (1024.0 * 1024.0);
    let dropped = mib();
    std::thread::sleep(Duration::from_secs(1));
    let later = mib();
    Pool::global().trim();
    [of_live, took / steps as f64, dropped, later, mib()]
}

/// The bytes of this process that are in memory, without those of files.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux 4.5");
    let kib: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a figure");
    kib * 1024.0
}
