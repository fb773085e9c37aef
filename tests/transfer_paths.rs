//! Runs the comparison on a small file: each method must deliver the file and appear in the results.
#![cfg(target_os = "linux")]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use resource_baseline::ResourceBaseline;
use std::process::Command;

#[path = "support/example.rs"]
mod example;

const METHODS: [&str; 5] =
    ["read + write", "mmap + write", "mmap + MSG_ZEROCOPY", "sendfile", "splice"];

#[test]
fn each_method_delivers_the_file_and_is_shown() {
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
    for method in METHODS {
        assert!(table.lines().any(|line| line.starts_with(method)), "{method} in {table}");
        assert!(picture.contains(method), "{method} in {picture}");
    }
    let rest = table.split(" of ").nth(1).unwrap();
    let zero_copy = rest.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(zero_copy > 0, "no zero-copy send: {table}");
    let output = run(directory.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot create"));
}
