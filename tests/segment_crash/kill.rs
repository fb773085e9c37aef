//! A process is killed at each system call of each step.
//!
//! The kill comes in front of the call, so the calls before it have been made and none after it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::FILE;
use super::resource_baseline::ResourceBaseline;
use super::steps::{STEPS, alone, check, say};

/// The calls that working on a file makes.
const CALLS: &str = "openat ioctl flock statx lseek pread64 pwrite64 fallocate ftruncate fdatasync fsync \
    linkat renameat2 unlink close";

/// The step that the process does.
const STEP: &str = "BYTEBUF_CRASH_STEP";

/// Set by the script, which has seen that `strace` works.
const STRACE: &str = "BYTEBUF_CRASH_STRACE";

const TEST: &str = "kill::a_kill_at_any_system_call_keeps_flushed_records_and_a_usable_file";

/// Where syncing costs nothing, if there is such a place: it is done thousands of times.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Runs this test in a process that does a step, or nothing if there is none of that name.
fn traced(step: &str, path: &Path, calls: &str, options: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={calls}")]).args(options);
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", TEST, "--nocapture", "--test-threads=1"]);
    strace.env(FILE, path).env(STEP, step).stdout(Stdio::null()).output().unwrap()
}

/// Runs a step in a process that is killed in front of call number `turn` of one kind. Returns whether it was, and
/// what it said was safe.
fn kill(step: &str, path: &Path, call: &str, turn: usize) -> (bool, Option<u64>) {
    let inject = format!("inject={call}:signal=KILL:when={turn}");
    let output = traced(step, path, call, &["-o", "/dev/null", "-e", &inject]);
    let said = String::from_utf8_lossy(&output.stderr);
    let safe = said.lines().filter_map(|line| line.parse().ok()).next_back();
    assert!(!said.contains("panicked"), "{step}: {said}");
    (!output.status.success(), safe)
}

/// The test runs itself, by its own name, as the process that it kills.
#[test]
fn a_kill_at_any_system_call_keeps_flushed_records_and_a_usable_file() {
    if let Ok(name) = std::env::var(STEP) {
        let path = std::env::var_os(FILE).unwrap();
        if let Some(step) = STEPS.iter().find(|step| step.name == name) {
            say((step.run)(Path::new(&path)).expect("nothing but a kill stops it"));
        }
        return;
    }
    let _alone = alone();
    let _baseline = ResourceBaseline::take();
    if std::env::var_os(STRACE).is_none() {
        println!("SKIPPED: run ci/segment_crash.sh, which sees to strace");
        return;
    }
    // The calls that a process makes anyway, at its start for the most part.
    let dir = folder();
    let trace = dir.path().join("trace");
    let calls = CALLS.replace(' ', ",");
    traced("nothing", &dir.path().join("none"), &calls, &["-o", trace.to_str().unwrap()]);
    let trace = std::fs::read_to_string(trace).unwrap();
    let at_start =
        |call: &str| trace.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    assert!(at_start("openat") > 2, "{trace}");

    let mut all = 0;
    for step in &STEPS {
        let mut kills = 0;
        for call in CALLS.split_whitespace() {
            // Two of them earlier, since their number varies.
            for turn in at_start(call).saturating_sub(2).max(1).. {
                let dir = folder();
                let path = dir.path().join("log");
                (step.prepare)(&path);
                let (is_killed, safe) = kill(step.name, &path, call, turn);
                check(step, &path, safe);
                if !is_killed {
                    assert!(safe.is_some(), "{} ends by saying what is safe", step.name);
                    break;
                }
                kills += 1;
            }
        }
        println!("{:32} {kills:4} kills", step.name);
        all += kills;
    }
    println!("{all} kills in all");
    assert!(all > 120, "only {all} kills");
}
