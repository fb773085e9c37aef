//! The disk is full at each step, except for a few pages.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use bytebuf::SegmentReader;
use tempfile::TempDir;

use super::resource_baseline::ResourceBaseline;
use super::steps::{STEPS, alone, check};

/// A small file system, if this process may mount one.
struct Disk(TempDir);

const PAGE: u64 = 4096;

impl Disk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }

    /// Takes all but a few pages.
    fn fill(&self, pages: u64) -> File {
        let mut other = File::create(self.0.path().join("other")).unwrap();
        let mut len = 0;
        while other.write_all(&[1; PAGE as usize]).is_ok() {
            len += PAGE;
        }
        other.set_len(len - pages * PAGE).unwrap();
        other
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Deallocates the blocks behind the contents, as a tool that copies files may.
fn make_sparse(path: &Path) {
    let Ok(reader) = SegmentReader::open(path) else { return };
    let recovered = reader.recovered();
    let end = recovered.torn.as_ref().map_or(recovered.end, |torn| torn.end);
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(end).unwrap();
    file.set_len(reader.capacity()).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_loses_no_flushed_record() {
    let _alone = alone();
    let _baseline = ResourceBaseline::take();
    let Some(disk) = Disk::mount() else {
        println!("SKIPPED: no file system can be mounted here");
        return;
    };
    let mut failures = 0;
    for step in &STEPS {
        for pages in [0, 1, 2, 4, 16, 64, 256, 1024] {
            let folder = disk.0.path().join("folder");
            fs::create_dir(&folder).unwrap();
            let path = folder.join("log");
            (step.prepare)(&path);
            make_sparse(&path);
            let other = disk.fill(pages);
            let safe = match (step.run)(&path) {
                Ok(safe) => Some(safe),
                Err(e) => {
                    failures += 1;
                    assert_eq!(e.kind(), ErrorKind::StorageFull, "{}: {e}", step.name);
                    // Opening needs no space.
                    assert!(!path.exists() || SegmentReader::open(&path).is_ok());
                    None
                }
            };
            // There is space again.
            other.set_len(0).unwrap();
            check(step, &path, safe);
            fs::remove_dir_all(folder).unwrap();
        }
    }
    assert!(failures > STEPS.len(), "only {failures} steps failed");
}
