use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;
use crate::files::Found;

/// A shelf, and a served directory with the file `dir/f`.
struct Bench {
    home: TempDir,
    root: Root,
    shelf: Shelf,
    tally: Tally,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("served/dir")).unwrap();
        fs::write(home.path().join("served/dir/f"), "old").unwrap();
        let root = Root::new(&home.path().join("served")).unwrap();
        Self { home, root, shelf: Shelf::default(), tally: Tally::new() }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("served/dir/f")
    }

    fn find(&mut self, target: &str) -> Option<usize> {
        self.shelf.find(target, &self.root, &mut self.tally)
    }

    fn keep(&mut self, target: &str) -> usize {
        let path = LocalPath::from_target(target).unwrap();
        let Found::File(opened) = self.root.find(&path).unwrap() else { panic!("not a file") };
        self.shelf.keep(target, path, opened)
    }

    fn content(&mut self, place: usize) -> Vec<u8> {
        let payload = self.shelf.file(place).content(0..3, &mut self.tally).unwrap();
        let Payload::Bytes(bytes) = payload else { panic!("not bytes") };
        bytes.to_vec()
    }
}

#[test]
fn a_file_that_does_not_change_stays_open_and_is_compared_once_per_turn() {
    let mut bench = Bench::new();
    assert_eq!(bench.find("/dir/f"), None);
    let place = bench.keep("/dir/f");
    for turn in 1..=3 {
        bench.shelf.end_turn();
        for _ in 0..5 {
            assert_eq!(bench.find("/dir/f"), Some(place));
        }
        assert_eq!(bench.tally.system_calls, turn);
    }
    bench.shelf.clear();
    assert_eq!(bench.find("/dir/f"), None);
}

#[test]
fn every_change_is_seen_in_the_next_turn() {
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
        let mut bench = Bench::new();
        bench.keep("/dir/f");
        bench.shelf.end_turn();
        change(&bench.file(), bench.home.path());
        assert_eq!(bench.find("/dir/f"), None, "{name}");
    }
}

#[test]
fn bytes_are_read_once_in_each_turn() {
    let mut bench = Bench::new();
    let place = bench.keep("/dir/f");
    assert_eq!(bench.content(place), b"old");
    fs::write(bench.file(), "new").unwrap();
    assert_eq!(bench.content(place), b"old");
    bench.shelf.end_turn();
    assert_eq!(bench.content(place), b"new");
}

#[test]
fn the_oldest_file_makes_room() {
    let mut bench = Bench::new();
    // Several targets may lead to one file.
    let targets: Vec<String> = (0..=FILES).map(|n| format!("/dir/f?{n}")).collect();
    for target in &targets {
        bench.keep(target);
    }
    assert_eq!(bench.find(&targets[0]), None);
    assert!(targets[1..].iter().all(|target| bench.find(target).is_some()));
}
