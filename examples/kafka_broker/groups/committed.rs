//! The offsets that groups have committed, in a log of their own: the last record for a partition
//! counts. When the log is full, a new one that holds only those takes its place.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytebuf::{Segment, SegmentFull};
use bytes::BufMut;
use tokio::sync::watch;

use crate::api::code::Code;
use crate::api::offsets::{Committed as Commit, Fetched};
use crate::log::presence::Expected;
use crate::output::warn;
use crate::shares::{Client, Share};
use crate::sync::Durable;
use crate::wire::{Malformed, Reader, Write};

/// Kafka's limit for the metadata of an offset.
const MAX_METADATA: usize = 4096;

/// Bytes of all committed offsets in memory: some 100,000 with names of usual lengths.
const MAX_BYTES: usize = 16 << 20;

/// What an offset takes besides its names and its metadata.
const ENTRY: usize = 128;

/// The least size of the log.
const LOG: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct Committed {
    path: PathBuf,
    state: Mutex<State>,
    /// Of the bytes of all offsets.
    share: Share,
    /// How many commits have been synced, or that the disk has failed.
    synced: watch::Sender<Result<u64, Code>>,
}

#[derive(Debug)]
struct State {
    log: Segment,
    offsets: BTreeMap<Key, Value>,
    /// The bytes of `offsets`.
    held: usize,
    commits: u64,
    /// The least length of the file of the log.
    reserved: u64,
    /// Whether the log is gone, and a new one could not be written.
    is_lost: bool,
}

/// Group, topic, partition.
type Key = (String, String, i32);

#[derive(Debug, Clone)]
struct Value {
    offset: i64,
    metadata: String,
    /// The client whose share it takes; `None` if it is from an earlier start.
    owner: Option<Client>,
}

impl Committed {
    /// Opens the log in a directory, which has topics or not. It is there when the first topic is, so a missing one was
    /// removed. A client may commit a share of so many hundredths.
    pub(crate) fn open(directory: &Path, has_topics: bool, percent: u64) -> io::Result<Arc<Self>> {
        let path = directory.join("offsets.log");
        let mut offsets = BTreeMap::new();
        let log = match read(&path, &mut offsets) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_topics => {
                rewrite(&path, &offsets)
            }
            read => read,
        };
        let log = log.map_err(|error| {
            let message = format!("offsets.log, with the committed offsets: {error}");
            io::Error::new(error.kind(), message)
        })?;
        let held = offsets.iter().map(|(key, value)| bytes(key, value)).sum();
        let reserved = log.end();
        let state = Mutex::new(State { log, offsets, held, commits: 0, reserved, is_lost: false });
        let share = Share::of(MAX_BYTES as u64, percent);
        Ok(Arc::new(Self { path, state, share, synced: watch::Sender::new(Ok(0)) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it has the state")
    }

    /// Writes an offset to the log; returns the number of this commit, for
    /// [`synced`](Self::synced).
    pub(crate) fn commit(
        &self,
        group: &str,
        topic: &str,
        committed: Commit<'_>,
        client: Client,
    ) -> Result<u64, Code> {
        if committed.metadata.len() > MAX_METADATA {
            return Err(Code::OFFSET_METADATA_TOO_LARGE);
        }
        let key = (group.to_owned(), topic.to_owned(), committed.partition);
        let metadata = committed.metadata.to_owned();
        let value = Value { offset: committed.offset, metadata, owner: Some(client) };
        let mut state = self.state();
        if state.is_lost {
            return Err(Code::KAFKA_STORAGE_ERROR);
        }
        let old = state.offsets.get(&key).map(|old| (bytes(&key, old), old.owner));
        let (replaced, owner) = old.unwrap_or_default();
        let added = bytes(&key, &value);
        let held = state.held - replaced + added;
        if held > MAX_BYTES {
            return Err(Code::INVALID_COMMIT_OFFSET_SIZE);
        }
        // What the client replaces of its own does not count twice.
        let own = if owner == Some(client) { replaced } else { 0 };
        if let Err(error) = self.share.replace(client, own as u64, added as u64) {
            warn(format_args!("cannot keep offsets: {error}"));
            return Err(Code::INVALID_COMMIT_OFFSET_SIZE);
        }
        match self.write(&mut state, key, value) {
            Ok(commit) => {
                state.held = held;
                if let Some(other) = owner.filter(|owner| *owner != client) {
                    self.share.give_back(other, replaced as u64);
                }
                Ok(commit)
            }
            Err(error) => {
                let undone = self.share.replace(client, added as u64, own as u64);
                debug_assert!(undone.is_ok(), "it was so before");
                warn(format_args!("cannot keep offsets: {error}"));
                Err(Code::KAFKA_STORAGE_ERROR)
            }
        }
    }

    fn write(&self, state: &mut State, key: Key, value: Value) -> io::Result<u64> {
        let record = encode(&key, &value);
        let full = |error: &io::Error| error.get_ref().is_some_and(|e| e.is::<SegmentFull>());
        match state.log.append(&record).and_then(|_| state.log.publish()) {
            Err(error) if full(&error) => {
                let mut offsets = state.offsets.clone();
                offsets.insert(key, value);
                state.log = rewrite(&self.path, &offsets)?;
                state.offsets = offsets;
            }
            Err(error) => return Err(error),
            Ok(_) => drop(state.offsets.insert(key, value)),
        }
        state.reserved = state.log.capacity();
        state.commits += 1;
        Ok(state.commits)
    }

    /// Writes a new log of all offsets if another program has deleted, moved or cut this one. Blocks on the disk.
    pub(crate) fn check_file(&self) {
        let expected =
            |state: &State| Expected::open(self.path.clone(), &state.log, state.reserved);
        let seen = expected(&self.state());
        let is_there = seen.check().is_ok();
        let mut state = self.state();
        // Again with the lock, because a commit may have put a new log in the place of a full one meanwhile.
        let gone = if is_there { None } else { expected(&state).check().err() };
        let Some(gone) = gone else {
            state.is_lost = false;
            return;
        };
        match rewrite(&self.path, &state.offsets) {
            Ok(log) => {
                warn(format_args!("{gone}; the broker has written all offsets to a new one"));
                (state.reserved, state.is_lost) = (log.end(), false);
                state.log = log;
            }
            Err(error) if !state.is_lost => {
                warn(format_args!("{gone}; no offsets are committed: {error}"));
                state.is_lost = true;
            }
            Err(_) => {}
        }
    }

    /// Waits until a commit has been synced.
    pub(crate) async fn synced(&self, commit: u64) -> Result<(), Code> {
        let mut synced = self.synced.subscribe();
        let reached = synced.wait_for(|synced| !synced.is_ok_and(|synced| synced < commit)).await;
        reached.map_or(Err(Code::KAFKA_STORAGE_ERROR), |synced| synced.map(drop))
    }

    /// The offsets of the partitions that are asked for, or of all that the group has committed.
    pub(crate) fn fetch(
        &self,
        group: &str,
        topics: Option<&[(&str, Vec<i32>)]>,
    ) -> Vec<(String, Vec<Fetched>)> {
        let state = self.state();
        let fetched = |partition, value: Option<&Value>| {
            let offset = value.map_or(-1, |value| value.offset);
            let metadata = value.map_or_else(String::new, |value| value.metadata.clone());
            Fetched { partition, offset, metadata }
        };
        if let Some(topics) = topics {
            // Each partition once, so that the response is bounded by the request and by what is kept.
            let (mut seen, mut found) = (HashSet::<(&str, i32)>::new(), Vec::new());
            for (topic, partitions) in topics {
                let mut key = (group.to_owned(), (*topic).to_owned(), 0);
                let mut all = Vec::new();
                for &partition in partitions {
                    if seen.insert((topic, partition)) {
                        key.2 = partition;
                        all.push(fetched(partition, state.offsets.get(&key)));
                    }
                }
                found.push((key.1, all));
            }
            return found;
        }
        let mut all = BTreeMap::<String, Vec<Fetched>>::new();
        let first = (group.to_owned(), String::new(), i32::MIN);
        let of_group = state.offsets.range(first..).take_while(|((g, ..), _)| g == group);
        for ((_, topic, partition), value) in of_group {
            all.entry(topic.clone()).or_default().push(fetched(*partition, Some(value)));
        }
        all.into_iter().collect()
    }
}

impl Durable for Committed {
    fn sync(&self) {
        // The lock is not held while the disk works, as commits wait for it. If a new log takes the place of this one meanwhile,
        // it has been synced with all offsets.
        let (syncer, commits) = {
            let state = self.state();
            (state.log.syncer(), state.commits)
        };
        let synced = syncer.sync().map(|_| commits).map_err(|error| {
            warn(format_args!("cannot sync offsets: {error}"));
            Code::KAFKA_STORAGE_ERROR
        });
        let _old = self.synced.send_replace(synced);
    }
}

/// Opens a log and reads its offsets.
fn read(path: &Path, offsets: &mut BTreeMap<Key, Value>) -> io::Result<Segment> {
    let log = Segment::open(path)?;
    for record in log.records(log.start()) {
        let record = record?;
        let (key, value) = decode(record.payload())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        offsets.insert(key, value);
    }
    Ok(log)
}

/// Writes a log of these offsets and puts it in the place of the one before.
fn rewrite(path: &Path, offsets: &BTreeMap<Key, Value>) -> io::Result<Segment> {
    let unfinished = path.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let records: Vec<_> = offsets.iter().map(|(key, value)| encode(key, value)).collect();
    // Each record takes some bytes of framing too; what is left is for the commits to come.
    let live: usize = records.iter().map(|record| record.len() + 64).sum();
    let mut log = Segment::create(&unfinished, LOG.max(4 * live as u64))?;
    for record in records {
        log.append(&record)?;
    }
    log.flush()?;
    std::fs::rename(&unfinished, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(log)
}

/// The bytes that an offset takes in memory, about.
fn bytes((group, topic, _): &Key, value: &Value) -> usize {
    ENTRY + group.len() + topic.len() + value.metadata.len()
}

fn encode((group, topic, partition): &Key, value: &Value) -> Vec<u8> {
    let mut record = Vec::new();
    record.put_string(group);
    record.put_string(topic);
    record.put_i32(*partition);
    record.put_i64(value.offset);
    record.put_string(&value.metadata);
    record
}

fn decode(record: &[u8]) -> Result<(Key, Value), Malformed> {
    let mut r = Reader::new(record);
    let key = (r.string()?.to_owned(), r.string()?.to_owned(), r.i32()?);
    let value = Value { offset: r.i64()?, metadata: r.string()?.to_owned(), owner: None };
    r.end()?;
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_all_offsets_are_bounded_and_those_of_a_partition_can_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let committed = Committed::open(directory.path(), false, 100).unwrap();
        // So that each takes 4096 bytes.
        let long = "x".repeat(4096 - ENTRY - "group".len() - "topic".len());
        let commit = |committed: &Committed, partition, metadata| {
            committed.commit(
                "group",
                "topic",
                Commit { partition, offset: 7, metadata },
                Client::Others,
            )
        };
        let full = (0..5000).find_map(|n| commit(&committed, n, &long).err().map(|code| (n, code)));
        let (count, code) = full.unwrap();
        assert_eq!(code, Code::INVALID_COMMIT_OFFSET_SIZE);
        assert_eq!(count as usize, MAX_BYTES / 4096);
        // A partition that has an offset keeps its place, and one that gives bytes back makes space.
        assert!(commit(&committed, 0, &long).is_ok());
        assert!(commit(&committed, 1, "").is_ok());
        assert!(commit(&committed, count, "").is_ok());
        assert_eq!(commit(&committed, count + 1, &long), Err(Code::INVALID_COMMIT_OFFSET_SIZE));
        // It is the same after a restart.
        drop(committed);
        let committed = Committed::open(directory.path(), false, 100).unwrap();
        assert_eq!(commit(&committed, count + 1, &long), Err(Code::INVALID_COMMIT_OFFSET_SIZE));
        assert!(commit(&committed, 0, &long).is_ok());
        let found = committed.fetch("group", None);
        assert_eq!(found[0].1.len(), count as usize + 1);
    }

    #[test]
    fn a_client_that_has_used_its_share_leaves_that_of_others() {
        let directory = tempfile::tempdir().unwrap();
        let committed = Committed::open(directory.path(), false, 50).unwrap();
        let long = "x".repeat(4096 - ENTRY - "group".len() - "topic".len());
        let commit = |partition, metadata, client| {
            committed.commit("group", "topic", Commit { partition, offset: 7, metadata }, client)
        };
        let [greedy, other] = [Client::V4(1), Client::V4(2)];
        let half = (MAX_BYTES / 4096 / 2) as i32;
        for partition in 0..half {
            assert!(commit(partition, &long, greedy).is_ok());
        }
        assert_eq!(commit(half, "", greedy), Err(Code::INVALID_COMMIT_OFFSET_SIZE));
        assert!(commit(0, &long, greedy).is_ok(), "what it replaces does not count twice");
        assert!(commit(half, &long, other).is_ok());
        // The offset of a partition counts for the last client that committed it.
        assert!(commit(0, &long, other).is_ok());
        assert!(commit(half + 1, &long, greedy).is_ok());
        assert_eq!(commit(half + 2, "", greedy), Err(Code::INVALID_COMMIT_OFFSET_SIZE));
    }

    #[test]
    fn a_log_that_is_deleted_or_cut_is_written_again_with_all_offsets() {
        let directory = tempfile::tempdir().unwrap();
        let (home, away) = (directory.path().join("home"), directory.path().join("away"));
        std::fs::create_dir(&home).unwrap();
        let path = home.join("offsets.log");
        let committed = Committed::open(&home, false, 100).unwrap();
        let commit = |offset| {
            let commit = Commit { partition: offset as i32, offset, metadata: "" };
            committed.commit("group", "topic", commit, Client::Others)
        };
        assert!(commit(0).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(commit(1).is_ok(), "it is not known yet");
        committed.check_file();
        assert!(commit(2).is_ok());
        std::fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
        assert!(commit(3).is_ok(), "behind the cut");
        committed.check_file();
        std::fs::rename(&home, &away).unwrap();
        committed.check_file();
        assert_eq!(commit(4), Err(Code::KAFKA_STORAGE_ERROR), "no start would find it");
        std::fs::rename(&away, &home).unwrap();
        committed.check_file();
        assert!(commit(5).is_ok());
        drop(committed);
        let committed = Committed::open(&home, true, 100).unwrap();
        let found = committed.fetch("group", None);
        let offsets: Vec<_> = found[0].1.iter().map(|fetched| fetched.offset).collect();
        assert_eq!(offsets, [0, 1, 2, 3, 5]);
    }

    #[test]
    fn a_missing_log_is_not_begun_again_beside_topics() {
        let directory = tempfile::tempdir().unwrap();
        drop(Committed::open(directory.path(), false, 100).unwrap());
        assert!(Committed::open(directory.path(), true, 100).is_ok());
        std::fs::remove_file(directory.path().join("offsets.log")).unwrap();
        let error = Committed::open(directory.path(), true, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("offsets.log"), "{error}");
    }
}
