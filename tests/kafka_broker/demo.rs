//! The demonstration, where no client is installed.

use std::process::Command;

use crate::process::binary;
use crate::resource_baseline::ResourceBaseline;

#[test]
fn the_demonstration_needs_no_client_and_draws_a_picture() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("picture.svg");
    let output = Command::new(binary())
        .args(["--demo", "--sync", "never", "--picture"])
        .arg(&picture)
        .env("PATH", "")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rows = said.split(['\n', '\r']).filter(|line| line.ends_with(" s")).count();
    assert_eq!(rows, 12, "{said}");
    assert!(said.contains("136500 records in 3660 batches"), "{said}");
    let picture = std::fs::read_to_string(picture).unwrap();
    assert_eq!(picture.matches("<path d=\"M").count() - picture.matches("#ddd").count(), 6);
}
