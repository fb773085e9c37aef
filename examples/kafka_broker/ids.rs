//! Producer ids. The broker assigns each id once, however often it is restarted or killed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::api::code::Code;
use crate::output::warn;

/// Ids that one sync reserves: so many that a client which asks for ids all the time does not delay the others. Reserved ids that
/// were not assigned when the broker ends are never assigned.
const BLOCK: i64 = 1 << 20;

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
    /// Opens the file in a directory, which has topics or not. It is there when the first topic is, so a missing one
    /// was removed.
    pub(crate) fn open(directory: &Path, has_topics: bool) -> io::Result<Self> {
        let path = directory.join("producer_ids");
        let damaged = |what: &str| {
            let message = format!("{what}; it holds a number that is larger than each producer id");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let next = match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(next @ 0..) => next,
                _ => return Err(damaged("producer_ids is damaged")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && has_topics => {
                return Err(damaged("producer_ids is missing"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("producer_ids: {error}")));
            }
        };
        let ids = Self { path, state: Mutex::new(State { next, end: next }) };
        if next == 0 {
            ids.store(0)?;
        }
        Ok(ids)
    }

    pub(crate) fn next(&self) -> Result<i64, Code> {
        let mut state = self.state.lock().expect("nothing panics while it has the state");
        if state.next == state.end {
            let end = state.end.checked_add(BLOCK).ok_or_else(|| {
                warn(format_args!("all producer ids are used up"));
                Code::KAFKA_STORAGE_ERROR
            })?;
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

    fn open(directory: &tempfile::TempDir, has_topics: bool) -> io::Result<ProducerIds> {
        ProducerIds::open(directory.path(), has_topics)
    }

    #[test]
    fn no_id_is_given_again_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut given = Vec::new();
        for _ in 0..3 {
            let ids = open(&directory, !given.is_empty()).unwrap();
            given.extend((0..BLOCK + 1).map(|_| ids.next().unwrap()));
        }
        assert!(given.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_file_that_may_give_ids_again_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("producer_ids");
        drop(open(&directory, false).unwrap());
        assert!(open(&directory, true).is_ok(), "it is there before any topic is");
        for damaged in [&b""[..], b"-5", b"9223372036854775808", b"\xff\xfe", b"1 2"] {
            fs::write(&path, damaged).unwrap();
            let error = open(&directory, true).unwrap_err().to_string();
            assert!(error.contains("producer_ids"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(open(&directory, true).is_err(), "it was removed");
    }

    #[test]
    fn ids_that_are_used_up_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("producer_ids");
        fs::write(&path, (i64::MAX - BLOCK).to_string()).unwrap();
        let ids = open(&directory, true).unwrap();
        let given: Vec<_> = (0..BLOCK).map(|_| ids.next()).collect();
        assert!(given.iter().all(Result::is_ok));
        assert_eq!(ids.next(), Err(Code::KAFKA_STORAGE_ERROR));
    }
}
