//! A process that works on a segment is killed, at random moments and at each of its system calls, or finds the disk
//! full; what was flushed is there each time, and nothing else is.
//!
//! The kills at system calls need `strace`: `ci/segment_crash.sh` installs it and runs them. A full disk needs the right
//! to mount one.

#![cfg(unix)]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use resource_baseline::ResourceBaseline;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bytebuf::Segment;

#[path = "segment_crash/full_disk.rs"]
mod full_disk;
#[path = "segment_crash/kill.rs"]
mod kill;
#[path = "segment_crash/steps.rs"]
mod steps;

const CAPACITY: u64 = 8 << 20;
const FILE: &str = "BYTEBUF_CRASH_FILE";

/// Record number `i`: no two are alike, and lengths go from nothing to more than a buffer.
fn record(i: u64) -> Vec<u8> {
    let len = match i % 50 {
        0 => 0,
        1 => 300_000,
        n => n * n % 977,
    };
    let mut record = vec![i as u8; len as usize];
    let stamp = i.to_le_bytes();
    let stamped = record.len().min(8);
    record[..stamped].copy_from_slice(&stamp[..stamped]);
    record
}

/// How many records there are; all of them must be those that were appended.
fn count(segment: &Segment) -> u64 {
    let mut n = 0;
    for found in segment.records(segment.start()) {
        let found = found.expect("a published record is valid");
        assert!(found.payload()[..] == record(n)[..], "record {n} is not what was appended");
        n += 1;
    }
    n
}

/// What the process does that is killed.
fn append_until_killed(path: &Path) {
    let mut segment = Segment::open(path).expect("it was a segment");
    let mut n = count(&segment);
    let mut out = std::io::stderr().lock();
    loop {
        for _ in 0..n % 7 {
            if segment.append(&record(n)).is_err() {
                return;
            }
            n += 1;
        }
        if segment.append(&record(n)).is_err() {
            return;
        }
        n += 1;
        segment.flush().expect("the disk takes it");
        writeln!(out, "{n}").expect("the parent listens");
    }
}

/// Lets a process append until it has confirmed so many flushes; gives the last count it confirmed.
fn run_and_kill(path: &Path, flushes: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut confirmed = 0;
    for _ in 0..flushes {
        match lines.next() {
            Some(line) => confirmed = line.unwrap().parse().expect("a count"),
            None => break,
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Whole lines that were still on their way count as confirmed, too.
    lines.map_while(Result::ok).filter_map(|line| line.parse().ok()).last().unwrap_or(confirmed)
}

const TEST: &str = "a_killed_writer_keeps_all_flushed_records_and_adds_none";

/// The test runs itself, by its own name, as the process that it kills.
#[test]
fn a_killed_writer_keeps_all_flushed_records_and_adds_none() {
    let _alone = steps::alone();
    let _baseline = ResourceBaseline::take();
    if let Some(path) = std::env::var_os(FILE) {
        return append_until_killed(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    drop(Segment::create(&path, CAPACITY).unwrap());
    let (mut before, mut recycled) = (0, 0);
    for _ in 0..300 {
        let chance = RandomState::new().build_hasher().finish();
        let confirmed = run_and_kill(&path, chance % 6);
        let segment = Segment::open(&path).unwrap();
        let found = count(&segment);
        assert!(found >= confirmed.max(before), "{confirmed} were confirmed, {found} are left");
        before = found;
        if segment.end() > CAPACITY / 2 {
            drop(segment);
            drop(Segment::recycle(&path).unwrap());
            (before, recycled) = (0, recycled + 1);
        }
    }
    assert!(recycled > 0 || before > 0, "nothing was ever appended");
}
