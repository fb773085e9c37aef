//! What a process does to a segment, step by step, and what may be found after it was cut short.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytebuf::{Repair, Segment, SegmentDamaged};

use super::{CAPACITY, count, record};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Makes the file that the process finds.
    pub(crate) prepare: fn(&Path),
    /// What the process does; it says how many records are safe by then.
    pub(crate) run: fn(&Path) -> io::Result<u64>,
    /// How many records may be found after a kill, if the process had said that so many were safe.
    allowed: fn(found: u64, safe: Option<u64>) -> bool,
}

/// Five records that are flushed, except of the first step.
pub(crate) const STEPS: [Step; 8] = [
    Step {
        name: "create",
        prepare: |_| {},
        run: |path| Segment::create(path, CAPACITY).map(|_| 0),
        allowed: |found, _| found == 0,
    },
    Step {
        name: "append, publish and flush",
        prepare: five,
        run: |path| {
            let mut segment = Segment::open(path)?;
            for i in 5..55 {
                segment.append(&record(i))?;
                if i % 10 == 0 {
                    segment.publish()?;
                }
            }
            segment.flush()?;
            say(55);
            for i in 55..60 {
                segment.append(&record(i))?;
                segment.flush()?;
            }
            Ok(60)
        },
        allowed: |found, safe| found >= safe.unwrap_or(5),
    },
    Step {
        name: "append over a torn tail",
        prepare: |path| torn(path, |_| 0),
        run: |path| {
            let mut segment = Segment::open(path)?;
            // The record that is torn, so that those behind it would fit.
            segment.append(&record(5))?;
            segment.flush()?;
            Ok(6)
        },
        allowed: |found, safe| found == 6 || found == 5 && safe.is_none(),
    },
    Step {
        name: "make durable what a crash left",
        prepare: |path| drop(filled(path, 10)),
        run: |path| Segment::open(path)?.flush().map(|_| 10),
        allowed: |found, _| found == 10,
    },
    Step {
        name: "repair by skipping",
        prepare: |path| torn(path, |segment| segment.flush().unwrap()),
        run: |path| Segment::repair(path, Repair::Skip).map(|_| 9),
        allowed: |found, _| found == 9,
    },
    Step {
        name: "repair by cutting off",
        prepare: |path| torn(path, |segment| segment.flush().unwrap()),
        run: |path| {
            let mut segment = Segment::repair(path, Repair::CutOff)?;
            segment.append(&record(5))?;
            segment.flush()?;
            Ok(6)
        },
        // Nine before it, if the test has to repair.
        allowed: |found, safe| found == 6 || safe.is_none() && (found == 5 || found == 9),
    },
    Step {
        name: "close",
        prepare: five,
        run: |path| {
            let mut segment = Segment::open(path)?;
            for i in 5..8 {
                segment.append(&record(i))?;
            }
            segment.close()?;
            Ok(8)
        },
        allowed: |found, safe| found >= safe.unwrap_or(5),
    },
    Step {
        name: "recycle",
        prepare: five,
        run: |path| {
            let mut segment = Segment::recycle(path)?;
            segment.append(&record(0))?;
            segment.flush()?;
            Ok(1)
        },
        allowed: |found, safe| found == 1 || safe.is_none() && (found == 5 || found == 0),
    },
];

/// A segment of so many records, of which the first five are flushed.
fn filled(path: &Path, n: u64) -> Vec<u64> {
    let mut segment = Segment::create(path, CAPACITY).unwrap();
    let mut positions = Vec::new();
    for i in 0..n {
        if i == 5 {
            segment.flush().unwrap();
        }
        positions.push(segment.append(&record(i)).unwrap());
    }
    segment.publish().unwrap();
    if n == 5 {
        segment.flush().unwrap();
    }
    positions
}

/// Keeps the tests of this program apart: a child that one of them starts holds the locks of the others' files
/// until it runs its own program.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn five(path: &Path) {
    drop(filled(path, 5));
}

/// Ten records, of which number five is broken: torn, or damaged if all are flushed first.
fn torn(path: &Path, flush: fn(&mut Segment) -> u64) {
    let positions = filled(path, 10);
    flush(&mut Segment::open(path).unwrap());
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"broken", positions[5] + 8).unwrap();
}

pub(crate) fn say(safe: u64) {
    eprintln!("{safe}");
}

/// Holds the file to what the step allows after so many records were safe, and goes on with it.
pub(crate) fn check(step: &Step, path: &Path, safe: Option<u64>) {
    let others = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(others, usize::from(path.exists()), "nothing is left beside the file");
    if !path.exists() {
        assert!(step.name == "create" && safe.is_none(), "the file is gone");
        return;
    }
    let opened = Segment::open(path).or_else(|e| {
        let is_damage = e.get_ref().is_some_and(|source| source.is::<SegmentDamaged>());
        assert!(is_damage && step.name.starts_with("repair") && safe.is_none(), "{e}");
        Segment::repair(path, Repair::Skip)
    });
    let mut segment = opened.expect("it is whole, or is repaired");
    assert_eq!(segment.capacity(), CAPACITY);
    let all =
        |segment: &Segment| segment.records(segment.start()).map(Result::unwrap).count() as u64;
    // A record in the middle is missing where it was damaged.
    let found = if step.name.starts_with("repair") { all(&segment) } else { count(&segment) };
    assert!((step.allowed)(found, safe), "{found} records, {safe:?} were safe");
    segment.append(b"more").unwrap();
    segment.flush().unwrap();
    drop(segment);
    assert_eq!(all(&Segment::open(path).unwrap()), found + 1);
}
