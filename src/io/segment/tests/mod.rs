use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::format::START;
use super::framing::{FRAME, MAX_PAYLOAD};
use super::*;

mod append;
mod cut;
mod framed;
mod lost;
mod recover;

const EIO: i32 = 5;
const EINTR: i32 = 4;
const ENOSPC: i32 = 28;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    (dir, path)
}

/// Record number `i`, of a length of its own.
fn record(i: usize) -> Vec<u8> {
    let len = (i * 7919) % 400;
    (0..len).map(|at| (at * 3 + i) as u8).collect()
}

fn payloads<F: Framing>(reader: &SegmentReader<F>) -> Vec<Vec<u8>> {
    let records = reader.records(reader.start());
    records.map(|record| record.unwrap().payload().to_vec()).collect()
}

/// A closed segment of `n` records, and their positions with the end.
fn closed(path: &Path, n: usize) -> Vec<u64> {
    let mut segment = Segment::create(path, 1 << 16).unwrap();
    let mut positions: Vec<_> = (0..n).map(|i| segment.append(&record(i)).unwrap()).collect();
    positions.push(segment.flush().unwrap());
    positions
}

/// Changes the file as another program would.
fn change(path: &Path, at: u64, change: impl FnOnce(&mut [u8]), len: usize) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, at).unwrap();
    change(&mut bytes);
    file.write_all_at(&bytes, at).unwrap();
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    change(path, at, |found| found.copy_from_slice(bytes), bytes.len());
}

fn source<E: std::error::Error + Copy + 'static>(error: &io::Error) -> E {
    *error.get_ref().and_then(|source| source.downcast_ref()).unwrap_or_else(|| panic!("{error:?}"))
}

/// Where an opener finds the first damage.
fn damage(path: &Path) -> (u64, u64) {
    let error = Segment::open(path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let damaged: SegmentDamaged = source(&error);
    (damaged.offset(), damaged.length())
}
