use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;
use crate::files::Found;

/// A cache, and a served directory with the file `dir/f`.
struct Fixture {
    home: TempDir,
    root: Root,
    cache: FileCache,
    counters: Counters,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("served/dir")).unwrap();
        fs::write(home.path().join("served/dir/f"), "old").unwrap();
        let root = Root::new(&home.path().join("served")).unwrap();
        Self { home, root, cache: FileCache::default(), counters: Counters::new() }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("served/dir/f")
    }

    fn find(&mut self, target: &str) -> Option<usize> {
        self.cache.find(target, &self.root, &mut self.counters)
    }

    fn keep(&mut self, target: &str) -> usize {
        let path = LocalPath::from_target(target).unwrap();
        let Found::File(opened) = self.root.find(&path).unwrap() else { panic!("not a file") };
        self.cache.keep(target, path, opened)
    }

    fn content(&mut self, place: usize) -> Vec<u8> {
        let payload = self.cache.file(place).content(0..3, &mut self.counters).unwrap();
        let Payload::Bytes(bytes) = payload else { panic!("not bytes") };
        bytes.to_vec()
    }
}

#[test]
fn a_file_that_does_not_change_stays_open_and_is_compared_once_per_turn() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.find("/dir/f"), None);
    let place = fixture.keep("/dir/f");
    for turn in 1..=3 {
        fixture.cache.end_turn();
        for _ in 0..5 {
            assert_eq!(fixture.find("/dir/f"), Some(place));
        }
        assert_eq!(fixture.counters.system_calls, turn);
    }
    fixture.cache.clear();
    assert_eq!(fixture.find("/dir/f"), None);
}

#[test]
fn every_change_is_detected_in_the_next_turn() {
    type Change = fn(&Path, &Path);
    let changes: [(&str, Change); 7] = [
        ("a longer file", |file, _| fs::write(file, "longer").unwrap()),
        ("other bytes, and a time of modification that shows it", |file, _| {
            let file = File::options().write(true).open(file).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(7)).unwrap();
        }),
        ("another file of the same time and length", |file, home| {
            fs::write(home.join("new"), "new").unwrap();
            let modified = fs::metadata(file).unwrap().modified().unwrap();
            File::options()
                .write(true)
                .open(home.join("new"))
                .unwrap()
                .set_modified(modified)
                .unwrap();
            fs::rename(home.join("new"), file).unwrap();
        }),
        ("no file", |file, _| fs::remove_file(file).unwrap()),
        ("no directory", |file, home| {
            fs::rename(file.parent().unwrap(), home.join("away")).unwrap();
        }),
        ("a link to another file", |file, home| {
            fs::write(home.join("secret"), "secret").unwrap();
            fs::remove_file(file).unwrap();
            symlink("../../secret", file).unwrap();
        }),
        ("fewer permissions", |file, _| {
            let changed = || {
                let metadata = fs::metadata(file).unwrap();
                (metadata.ctime(), metadata.ctime_nsec())
            };
            let before = changed();
            // Some file systems have a clock of 10 ms.
            while changed() == before {
                fs::set_permissions(file, Permissions::from_mode(0o000)).unwrap();
            }
        }),
    ];
    for (name, change) in changes {
        let mut fixture = Fixture::new();
        fixture.keep("/dir/f");
        fixture.cache.end_turn();
        change(&fixture.file(), fixture.home.path());
        assert_eq!(fixture.find("/dir/f"), None, "{name}");
    }
}

#[test]
fn bytes_are_read_once_per_turn() {
    let mut fixture = Fixture::new();
    let place = fixture.keep("/dir/f");
    assert_eq!(fixture.content(place), b"old");
    fs::write(fixture.file(), "new").unwrap();
    assert_eq!(fixture.content(place), b"old");
    fixture.cache.end_turn();
    assert_eq!(fixture.content(place), b"new");
}

#[test]
fn a_full_cache_closes_the_oldest_file() {
    let mut fixture = Fixture::new();
    // Several targets may lead to one file.
    let targets: Vec<String> = (0..=MAX_FILES).map(|n| format!("/dir/f?{n}")).collect();
    for target in &targets {
        fixture.keep(target);
    }
    assert_eq!(fixture.find(&targets[0]), None);
    assert!(targets[1..].iter().all(|target| fixture.find(target).is_some()));
}
