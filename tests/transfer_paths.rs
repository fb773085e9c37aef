//! Runs the comparison on a small file: every path must deliver it, and be shown.
#![cfg(target_os = "linux")]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use resource_baseline::ResourceBaseline;
use std::process::Command;

#[path = "support/example.rs"]
mod example;

const PATHS: [&str; 5] =
    ["read + write", "mmap + write", "mmap + MSG_ZEROCOPY", "sendfile", "splice"];

#[test]
fn every_path_delivers_and_is_shown() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("paths.svg");
    let run = |picture: &std::path::Path| {
        Command::new(example::build("transfer_paths"))
            .args(["--size", "3", "--rounds", "2", "--picture"])
            .arg(picture)
            .output()
            .unwrap()
    };
    let output = run(&picture);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "progress is for terminals: {output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let picture = std::fs::read_to_string(picture).unwrap();
    for path in PATHS {
        assert!(table.lines().any(|line| line.starts_with(path)), "{path} in {table}");
        assert!(picture.contains(path), "{path} in {picture}");
    }
    let told = table.lines().find_map(|line| line.strip_prefix("of ")?.split(' ').next());
    assert!(told.unwrap().parse::<u64>().unwrap() > 0, "nothing was lent: {table}");
    let output = run(directory.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write"));
}
