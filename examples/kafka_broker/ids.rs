//! Producer ids. The broker assigns each id once, however often it is restarted or killed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::api::code::Code;
use crate::output::warn;

/// Ids that are set aside at a time, each time by a sync. What is left of them is lost when the
/// broker ends.
const BLOCK: i64 = 1000;

#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: i64,
    /// The first id that has not been set aside: the number in the file.
    end: i64,
}

impl ProducerIds {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join("producer_ids");
        let next = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let message = format!("{} does not hold a number", path.display());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { path, state: Mutex::new(State { next, end: next }) })
    }

    pub(crate) fn next(&self) -> Result<i64, Code> {
        let mut state = self.state.lock().expect("nothing panics while it has the state");
        if state.next == state.end {
            let end = state.end + BLOCK;
            self.store(end).map_err(|error| {
                warn(format_args!("cannot set producer ids aside: {error}"));
                Code::KAFKA_STORAGE_ERROR
            })?;
            state.end = end;
        }
        state.next += 1;
        Ok(state.next - 1)
    }

    fn store(&self, end: i64) -> io::Result<()> {
        let unfinished = self.path.with_extension("new");
        let mut file = File::create(&unfinished)?;
        writeln!(file, "{end}")?;
        file.sync_all()?;
        fs::rename(unfinished, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_again_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut given = Vec::new();
        for _ in 0..3 {
            let ids = ProducerIds::open(directory.path()).unwrap();
            given.extend((0..BLOCK + 1).map(|_| ids.next().unwrap()));
        }
        assert!(given.is_sorted_by(|a, b| a < b));
        fs::write(directory.path().join("producer_ids"), "damaged").unwrap();
        assert!(ProducerIds::open(directory.path()).is_err());
    }
}
