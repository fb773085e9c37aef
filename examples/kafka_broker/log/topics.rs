//! All topics: each is a directory with one directory per partition.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use super::partition::{Partition, SyncMode};
use crate::api::code::Code;
use crate::output::warn;
use crate::producers::Total;
use crate::shares::{Client, Share};

/// The longest name that Kafka allows.
const MAX_NAME: usize = 249;

/// Partitions of all topics together; each takes a descriptor for every segment.
const MAX_PARTITIONS: usize = 4096;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) directory: PathBuf,
    /// Of new topics.
    pub(crate) partitions: u32,
    /// The size of new segments.
    pub(crate) segment: u64,
    pub(crate) sync: SyncMode,
    /// Hundredths of the partitions that one client may create.
    pub(crate) share: u64,
}

#[derive(Debug)]
pub(crate) struct Topics {
    settings: Settings,
    topics: RwLock<BTreeMap<String, Topic>>,
    created: Share,
    total: Total,
    /// One caller at a time creates topics; others can use the existing topics meanwhile.
    creating: Arc<tokio::sync::Mutex<()>>,
}

type Topic = Arc<[Arc<Partition>]>;

impl Topics {
    /// Opens all topics in the directory, or begins without any.
    pub(crate) fn open(settings: Settings) -> io::Result<Self> {
        let home = settings.directory.join("topics");
        fs::create_dir_all(&home)?;
        let unfinished = settings.directory.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(unfinished)?;
        }
        let (mut topics, total) = (BTreeMap::new(), Total::default());
        for entry in fs::read_dir(home)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let partitions = partitions_in(&path);
            let Some(name) = name.filter(|name| is_valid(name) && partitions > 0) else {
                warn(format_args!("not a topic: {}", path.display()));
                continue;
            };
            let open = |n: u32| {
                let path = path.join(n.to_string());
                Partition::open(&path, settings.segment, settings.sync, &total)
            };
            topics.insert(name.to_owned(), (0..partitions).map(open).collect());
        }
        let created = Share::of(MAX_PARTITIONS as u64, settings.share);
        Ok(Self { settings, topics: RwLock::new(topics), created, total, creating: Arc::default() })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Topic>> {
        self.topics.read().expect("nothing panics while it has the topics")
    }

    pub(crate) fn get(&self, name: &str) -> Option<Topic> {
        self.read().get(name).cloned()
    }

    pub(crate) fn partition(&self, name: &str, index: i32) -> Result<Arc<Partition>, Code> {
        let topic = self.get(name);
        let partition = usize::try_from(index).ok().and_then(|n| topic.as_deref()?.get(n).cloned());
        partition.ok_or(Code::UNKNOWN_TOPIC_OR_PARTITION)
    }

    /// Names and numbers of partitions.
    pub(crate) fn all(&self) -> Vec<(String, u32)> {
        let count = |(name, topic): (&String, &Topic)| (name.clone(), topic.len() as u32);
        self.read().iter().map(count).collect()
    }

    /// Takes partitions out of service whose files are gone. Blocks on the disk.
    pub(crate) fn check_files(&self) {
        let all: Vec<Topic> = self.read().values().cloned().collect();
        all.iter().flat_map(|topic| topic.iter()).for_each(|partition| partition.check_files());
    }

    /// The number of partitions of a topic.
    pub(crate) fn describe(&self, name: &str) -> Result<u32, Code> {
        match self.get(name) {
            Some(topic) => Ok(topic.len() as u32),
            None if is_valid(name) => Err(Code::UNKNOWN_TOPIC_OR_PARTITION),
            None => Err(Code::INVALID_TOPIC),
        }
    }

    /// Creates the topics that do not exist, on a thread that may block on the disk; returns an error code for each topic
    /// that cannot be created.
    pub(crate) async fn create_missing(
        self: &Arc<Self>,
        names: impl IntoIterator<Item = &str>,
        client: Client,
    ) -> BTreeMap<String, Code> {
        let is_missing = |name: &&str| self.describe(name) == Err(Code::UNKNOWN_TOPIC_OR_PARTITION);
        let missing: Vec<_> = names.into_iter().filter(is_missing).map(str::to_owned).collect();
        if missing.is_empty() {
            return BTreeMap::new();
        }
        let (topics, turn) = (self.clone(), self.creating.clone().lock_owned().await);
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let refused =
                |name: String| topics.create_one(&name, client).err().map(|code| (name, code));
            missing.into_iter().filter_map(refused).collect()
        });
        made.await.unwrap_or_default()
    }

    /// Creates a topic, unless another caller has created it meanwhile.
    fn create_one(&self, name: &str, client: Client) -> Result<(), Code> {
        let there: usize = {
            let topics = self.read();
            if topics.contains_key(name) {
                return Ok(());
            }
            topics.values().map(|topic| topic.len()).sum()
        };
        let partitions = self.settings.partitions;
        if there + partitions as usize > MAX_PARTITIONS {
            return Err(Code::POLICY_VIOLATION);
        }
        self.created.take(client, partitions.into()).map_err(|error| {
            warn(format_args!("cannot make the topic {name}: {error}"));
            Code::POLICY_VIOLATION
        })?;
        let topic = self.create(name).map_err(|error| {
            self.created.give_back(client, partitions.into());
            warn(format_args!("cannot make the topic {name}: {error}"));
            Code::KAFKA_STORAGE_ERROR
        })?;
        let mut topics = self.topics.write().expect("nothing panics while it has the topics");
        topics.insert(name.to_owned(), topic);
        Ok(())
    }

    /// Creates the directories of a topic under another name, and then renames the topic.
    fn create(&self, name: &str) -> io::Result<Topic> {
        let Settings { directory, partitions, segment, sync, .. } = &self.settings;
        let unfinished = directory.join("unfinished").join(name);
        for n in 0..*partitions {
            fs::create_dir_all(unfinished.join(n.to_string()))?;
        }
        File::open(&unfinished)?.sync_all()?;
        let home = directory.join("topics");
        let path = home.join(name);
        fs::rename(unfinished, &path)?;
        File::open(home)?.sync_all()?;
        let open =
            |n: u32| Partition::open(&path.join(n.to_string()), *segment, *sync, &self.total);
        Ok((0..*partitions).map(open).collect())
    }
}

/// The number of partitions of a topic in this directory. If one is missing, those behind it show that it is.
fn partitions_in(directory: &std::path::Path) -> u32 {
    let number = |name: &str| name.parse().ok().filter(|n: &u32| n.to_string() == name);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let last = directories.filter_map(|entry| number(entry.file_name().to_str()?)).max();
    last.map_or(0, |last| last.saturating_add(1).min(MAX_PARTITIONS as u32))
}

/// Whether Kafka allows the name. Such a name is also a file name of its own, and no path.
fn is_valid(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directory: &std::path::Path) -> Settings {
        let (directory, sync) = (directory.to_owned(), SyncMode::Batch);
        Settings { directory, partitions: 2, segment: 2 << 20, sync, share: 50 }
    }

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "/a", "a\0", "a b", "ä", &"x".repeat(250)] {
            assert!(!is_valid(name), "{name:?}");
        }
        for name in ["events", "...", "A-1_b.c", &"x".repeat(249)] {
            assert!(is_valid(name), "{name:?}");
        }
    }

    #[test]
    fn topics_are_made_on_a_thread_that_may_wait_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let topics = Arc::new(Topics::open(settings(directory.path())).unwrap());
        // The only thread that may wait is busy, as if with a slow disk.
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        runtime.block_on(async {
            let busy = tokio::task::spawn_blocking(move || released.recv());
            let creator = topics.clone();
            let creation =
                tokio::spawn(async move { creator.create_missing(["t"], Client::Others).await });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(!creation.is_finished());
            assert_eq!(topics.describe("t"), Err(Code::UNKNOWN_TOPIC_OR_PARTITION));
            release.send(()).unwrap();
            busy.await.unwrap().unwrap();
            assert!(creation.await.unwrap().is_empty());
            assert_eq!(topics.describe("t"), Ok(2));
        });
    }

    #[test]
    fn only_directories_of_partitions_become_topics() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("topics");
        for path in ["whole/0", "whole/1", "gap/2", "empty", "a b/0", "other/lost+found"] {
            fs::create_dir_all(home.join(path)).unwrap();
        }
        fs::write(home.join("file"), "no topic").unwrap();
        fs::write(home.join("whole/README"), "no partition").unwrap();
        fs::create_dir_all(home.join("whole/+7")).unwrap();
        let topics = Topics::open(settings(directory.path())).unwrap();
        let found: Vec<_> = topics.all();
        assert_eq!(found, [("gap".to_owned(), 3), ("whole".to_owned(), 2)]);
        let is_served = |topic: &str, n| topics.partition(topic, n).unwrap().visible().is_ok();
        assert!(is_served("whole", 0) && is_served("whole", 1) && is_served("gap", 2));
        assert!(!is_served("gap", 0), "it is missing");
    }
}
