//! Files that other programs may delete, move, replace or cut while the broker uses them. The broker looks at times, so that it does
//! not acknowledge records for long that no start would find again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bytebuf::{FileRegion, Framing, SegmentReader};

/// A file that has to be there.
#[derive(Debug)]
pub(crate) struct Expected {
    path: PathBuf,
    /// The open file, and the least length that it has.
    open: Option<(FileRegion, u64)>,
}

impl Expected {
    pub(crate) fn closed(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// A segment that is open. The writer reserves its space before it appends; a file that was cut is shorter until it is full,
    /// even if records have been appended behind the cut.
    pub(crate) fn open(path: PathBuf, segment: &SegmentReader<impl Framing>, length: u64) -> Self {
        let start = segment.start();
        let open = segment.region(start..start).ok();
        Self { path, open: open.map(|region| (region, length)) }
    }

    /// Returns an error if it is not there any more. An error of the disk says nothing about that.
    ///
    /// # Cost
    ///
    /// One or two system calls, which may wait for the disk.
    pub(crate) fn check(&self) -> io::Result<()> {
        let gone = |what: &str| {
            let message = format!("{}: {what}", self.path.display());
            Err(io::Error::new(io::ErrorKind::NotFound, message))
        };
        let named = match fs::metadata(&self.path) {
            Ok(named) => named,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => gone("it is gone"),
                    _ => Ok(()),
                };
            }
        };
        let Some((region, length)) = &self.open else { return Ok(()) };
        let Ok(open) = region.file().metadata() else { return Ok(()) };
        if (named.dev(), named.ino()) != (open.dev(), open.ino()) {
            return gone("another file is in its place");
        }
        if open.len() < *length {
            return gone("it was cut");
        }
        Ok(())
    }
}
