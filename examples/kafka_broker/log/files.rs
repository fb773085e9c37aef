//! The files in the directory of a log: segments, and the mark of the last segment.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytebuf::Segment;

use super::framing::Batches;

/// The path of the segment whose first record has the offset `base`.
pub(super) fn path(directory: &Path, base: i64) -> PathBuf {
    directory.join(format!("{base:020}.log"))
}

/// The files in the directory of a log.
pub(super) struct Found {
    /// The bases of the segments, in order.
    pub(super) bases: Vec<i64>,
    /// The base of the last segment, from the name of the mark.
    pub(super) newest: Option<i64>,
}

/// Finds the segments in a directory. Removes files of unfinished segments.
pub(super) fn find(directory: &Path) -> io::Result<Found> {
    let mut found = Found { bases: Vec::new(), newest: None };
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some((base, end)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        // Another spelling of a number is not a name that `path` gives.
        let Ok(base) = base.parse::<i64>() else { continue };
        if path(directory, base).with_extension(end) != directory.join(&name) {
            continue;
        }
        match end {
            "log" => found.bases.push(base),
            NEWEST => found.newest = found.newest.max(Some(base)),
            "new" | "unfinished" => fs::remove_file(directory.join(name))?,
            _ => {}
        }
    }
    found.bases.sort_unstable();
    Ok(found)
}

/// The extension of the empty file that marks the last segment.
const NEWEST: &str = "newest";

/// Marks the last segment, which is durable in its directory. A crash may undo this; opening the log repeats it.
pub(super) fn mark_newest(directory: &Path, base: i64, before: Option<i64>) -> io::Result<()> {
    let mark = |base| path(directory, base).with_extension(NEWEST);
    match before.map(|before| fs::rename(mark(before), mark(base))) {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::create(mark(base)).map(drop),
    }
}

/// Creates a segment under another name, and then renames it.
pub(super) fn create(directory: &Path, base: i64, capacity: u64) -> io::Result<Segment<Batches>> {
    let path = path(directory, base);
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let segment = Segment::create_with(&unfinished, capacity, Batches)?;
    fs::rename(unfinished, path)?;
    File::open(directory)?.sync_all()?;
    Ok(segment)
}
