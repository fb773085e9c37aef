//! Length, unfinished code, sleeps, paths and safety comments of the source.

use std::collections::BTreeSet;

use crate::{files, lines_with, nothing, other, rust};

/// The most lines that a file has.
const LONGEST: usize = 700;

/// The marks of unfinished code; in two halves, as this file is read too.
const UNFINISHED: [[&str; 2]; 6] = [
    ["TO", "DO"],
    ["FIX", "ME"],
    ["XX", "X"],
    ["todo", "!("],
    ["unimplemented", "!("],
    ["#[ign", "ore"],
];

/// How a path outside the project begins, in halves as above.
const ELSEWHERE: [[&str; 2]; 5] =
    [["../sha", "red"], ["/wo", "rk/"], ["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"]];

#[test]
fn no_file_is_too_long_to_read() {
    let long = rust().into_iter().filter(|(_, text)| text.lines().count() > LONGEST);
    nothing("longer than a sitting", long.map(|(name, _)| name));
}

#[test]
fn nothing_is_left_unfinished() {
    nothing("unfinished", lines_with(&rust(), &UNFINISHED.map(|halves| halves.concat())));
}

#[test]
fn tests_wait_for_events() {
    let asleep = ["thread::sl", "tokio::time::sl"].map(|start| format!("{start}eep("));
    let mut tests = files("tests", ".rs");
    // The program of a tutorial waits before it accepts again, as a server does.
    tests.retain(|(name, _)| name != "tests/first_server/program.rs");
    nothing("sleeps", lines_with(&tests, &asleep));
}

#[test]
fn no_path_names_a_place_outside_the_project() {
    // In the middle of a longer path they are names like others.
    let starts = ["\"", "'", "`", " ", "(", "="].map(str::to_owned);
    let words: Vec<_> = ELSEWHERE.map(|halves| halves.concat()).into();
    let words: Vec<_> = starts
        .iter()
        .flat_map(|start| words.iter().map(move |word| format!("{start}{word}")))
        .collect();
    nothing("paths outside", lines_with(&[rust(), other()].concat(), &words));
}

#[test]
fn every_unsafe_block_has_a_safety_comment() {
    let mut bare = Vec::new();
    for (name, text) in files("src", ".rs") {
        let blocks = text.matches("unsafe {").count() + text.matches("unsafe impl").count();
        let proofs = text.matches("// SAFETY:").count();
        if proofs < blocks {
            bare.push(format!("{name}: {blocks} unsafe blocks, {proofs} SAFETY comments"));
        }
    }
    nothing("unsafe without a proof", bare);
}

/// A SAFETY comment that cites `W1` means one rule.
#[test]
fn each_rule_is_stated_in_one_file() {
    let mut homes = BTreeSet::new();
    let mut twice = Vec::new();
    for (name, text) in files("src", ".rs") {
        let named =
            text.lines().filter_map(|line| line.strip_prefix("//! * **")?.split("**").next());
        twice.extend(
            named
                .filter(|rule| !homes.insert(rule.to_string()))
                .map(|rule| format!("{name}: {rule}")),
        );
    }
    assert!(homes.contains("W1"), "the rules were not found");
    nothing("rules whose name another has", twice);
}
