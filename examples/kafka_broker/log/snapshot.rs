//! The state of the producers at the start of a segment, in a file beside it: with it, opening a log reads only the last segment.
//!
//! A missing or damaged snapshot costs only time: the earlier segments are read instead. So snapshots are not synced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::producers::{Producers, Total};

fn path(directory: &Path, base: i64) -> PathBuf {
    directory.join(format!("{base:020}.producers"))
}

/// Writes the encoded state before the offset `base`; none is left behind that is of another state.
pub(super) fn write(directory: &Path, base: i64, producers: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(format!("{base:020}.unfinished"));
    let check = crc32c::crc32c(producers).to_be_bytes();
    let written = fs::write(&unfinished, [&check[..], producers].concat())
        .and_then(|()| fs::rename(&unfinished, path(directory, base)));
    if written.is_ok() {
        return Ok(());
    }
    let _ = fs::remove_file(unfinished);
    remove(directory, base)
}

/// The state before the offset `base`, if it is known.
pub(super) fn read(directory: &Path, base: i64, total: &Total) -> Option<Producers> {
    if base == 0 {
        return Some(Producers::new(total.clone()));
    }
    let bytes = fs::read(path(directory, base)).ok()?;
    let (check, bytes) = bytes.split_first_chunk()?;
    (u32::from_be_bytes(*check) == crc32c::crc32c(bytes))
        .then(|| Producers::decode(bytes, total.clone()))?
}

pub(super) fn remove(directory: &Path, base: i64) -> io::Result<()> {
    match fs::remove_file(path(directory, base)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
