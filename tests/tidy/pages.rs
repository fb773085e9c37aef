//! Links, tables and pictures of the pages agree with the project.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{files, nothing, root};

/// The files in which unsafe code is allowed are those that CONTRIBUTING.md lists.
#[test]
fn contributing_lists_the_unsafe_files() {
    let allowed = |text: &str| {
        let head = text.lines().take_while(|line| !line.starts_with("use "));
        head.flat_map(str::split_whitespace).collect::<String>().contains("allow(unsafe_code")
    };
    let have: BTreeSet<String> = files("src", ".rs")
        .into_iter()
        .filter(|(_, text)| allowed(text))
        .map(|(name, _)| name)
        .collect();
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let listed: BTreeSet<String> = page
        .lines()
        .skip_while(|line| !line.starts_with("## Where unsafe code is"))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(|name| format!("src/{name}"))
        .collect();
    nothing("not in CONTRIBUTING.md", have.difference(&listed).cloned());
    nothing("listed, but safe or gone", listed.difference(&have).cloned());
}

#[test]
fn links_of_pages_exist() {
    let mut dead = Vec::new();
    for (name, text) in files(".", ".md") {
        let folder = root().join(&name).parent().map(Path::to_path_buf).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") || !(file.contains('.') || file.is_empty()) {
                continue;
            }
            let target = if file.is_empty() { root().join(&name) } else { folder.join(file) };
            let has_heading = |text: &str| text.lines().any(|line| anchor(line) == heading);
            let leads = if heading.is_empty() {
                target.exists()
            } else {
                fs::read_to_string(target).is_ok_and(|text| has_heading(&text))
            };
            if !leads {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    nothing("dead links", dead);
}

/// Returns the anchor that GitHub gives to a heading; empty for another line.
fn anchor(line: &str) -> String {
    let Some((_, title)) = line.split_once("# ").filter(|_| line.starts_with('#')) else {
        return String::new();
    };
    let letters = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The front pages list every feature, and the README how to run every example.
#[test]
fn features_and_examples_are_listed() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[features]\n").nth(1).expect("features");
    let names = section.lines().take_while(|line| !line.starts_with('['));
    let names = names.filter_map(|line| line.split_once(" = ").filter(|_| !line.starts_with('#')));
    let features: Vec<_> = names.map(|(name, _)| name).filter(|name| *name != "default").collect();
    assert!(features.len() > 5, "the features were not found");
    let mut lost = Vec::new();
    for page in ["README.md", "src/lib.rs"] {
        let text = read(page);
        let lacks = features.iter().filter(|name| !text.contains(&format!("`{name}`")));
        lost.extend(lacks.map(|name| format!("{page}: feature {name}")));
    }
    let readme = read("README.md");
    let lacks = programs("examples", &[]).into_iter().filter(|name| {
        !readme.lines().any(|line| line.starts_with("cargo run") && line.contains(name.as_str()))
    });
    lost.extend(lacks.map(|name| format!("README.md: example {name}")));
    nothing("not listed", lost);
}

/// The page names the suites of `ci/drop-in.sh`, with the numbers of tests that pass there.
#[test]
fn suites_of_other_crates_are_listed_with_their_tests() {
    let script = fs::read_to_string(root().join("ci/drop-in.sh")).expect("ci/drop-in.sh");
    let page = fs::read_to_string(root().join("docs/from-bytes.md")).expect("from-bytes.md");
    let table = script.split("<<'TABLE'\n").nth(1).and_then(|rest| rest.split("\nTABLE").next());
    let table = table.expect("the table of suites");
    let mut lost = Vec::new();
    for row in table.lines() {
        let words: Vec<_> = row.split_whitespace().collect();
        let (name, passed) = (words[0], words[2]);
        let listed = page.lines().any(|line| {
            line.strip_prefix(&format!("| {name}")).is_some_and(|rest| {
                rest.starts_with([' ', ',']) && rest.ends_with(&format!("| {passed} |"))
            })
        });
        if !listed {
            lost.push(format!("{name}: {passed}"));
        }
    }
    assert!(table.lines().count() > 20, "the suites were not found");
    nothing("not in docs/from-bytes.md", lost);
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("docs/README.md");
    let pages = files("docs", ".md").into_iter().map(|(name, _)| PathBuf::from(name));
    let names = pages.filter_map(|page| Some(page.file_name()?.to_str()?.to_owned()));
    let lost = names.filter(|name| name != "README.md" && !index.contains(&format!("]({name})")));
    nothing("not in docs/README.md", lost);
}

/// Pages show whole files, which other tests compile and run.
#[test]
fn pages_show_files_as_they_stand() {
    let shown = [
        ("docs/first-server.md", "tests/first_server/program.rs"),
        ("docs/testing.md", "examples/parser/message.rs"),
        ("docs/testing.md", "examples/parser/tests.rs"),
        ("docs/testing.md", "fuzz/fuzz_targets/parser.rs"),
    ];
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let differ = shown.into_iter().filter(|(page, file)| {
        let (text, end) = (read(file), "```\n");
        !read(page).contains(&format!("{text}{end}"))
    });
    nothing("copy the file to the page", differ.map(|(page, file)| format!("{file} to {page}")));
}

/// A code block reads the same on GitHub, which shows the lines that rustdoc hides.
#[test]
fn pages_have_no_hidden_lines() {
    let mut hidden = Vec::new();
    for (name, text) in files("docs", ".md") {
        let mut rust = false;
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.strip_prefix("```") {
                rust = language.starts_with("rust");
            } else if rust && (line == "#" || line.starts_with("# ")) {
                hidden.push(format!("{name}:{}", number + 1));
            }
        }
    }
    nothing("hidden lines", hidden);
}

#[test]
fn tests_that_pages_name_exist() {
    let mut lost = Vec::new();
    for (name, text) in files("docs", ".md") {
        let named = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::"));
        for (file, test) in named {
            let file = format!("{file}.rs");
            let source = fs::read_to_string(root().join(&file)).unwrap_or_default();
            if ![format!("fn {test}("), format!("fn {test}<")].iter().any(|f| source.contains(f)) {
                lost.push(format!("{name}: {file}::{test}"));
            }
        }
    }
    nothing("no such test", lost);
}

/// Each test proves one guarantee: a page that means it too cites the number of the guarantee.
#[test]
fn no_test_is_named_twice() {
    let mut named = BTreeSet::new();
    let mut twice = Vec::new();
    for page in ["docs/safety.md", "docs/known-bugs.md"] {
        let text = fs::read_to_string(root().join(page)).expect(page);
        let mut here: Vec<_> =
            text.split('`').skip(1).step_by(2).filter(|code| code.contains(".rs::")).collect();
        here.dedup();
        twice.extend(
            here.iter().filter(|test| named.contains(**test)).map(|t| format!("{page}: {t}")),
        );
        named.extend(here.into_iter().map(str::to_owned));
    }
    assert!(named.len() > 100, "the tests were not found");
    nothing("named on two pages", twice);
}

/// Guarantees that `known-bugs.md` cites exist.
#[test]
fn cited_guarantees_exist() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let page = read("docs/safety.md");
    let numbers: Vec<usize> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    let have: BTreeSet<_> = numbers.iter().copied().collect();
    assert_eq!(have.len(), numbers.len(), "a number is used twice");
    let bugs = read("docs/known-bugs.md");
    let cited = bugs.split("guarantee").skip(1).flat_map(|rest| {
        let rest = rest.split([';', '|', '`']).next().unwrap_or_default();
        rest.split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse::<usize>().ok())
            .collect::<Vec<_>>()
    });
    nothing("no such guarantee", cited.filter(|n| !have.contains(n)).map(|n| n.to_string()));
}

/// Every check has a row in CONTRIBUTING.md.
#[test]
fn every_check_is_described() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let lost = files("ci", ".sh").into_iter().map(|(name, _)| name).filter(|name| {
        let helper = name == "ci/lib.sh" || name.matches('/').count() > 1;
        !helper && name != "ci/test.sh" && !page.contains(&format!("`{name}`"))
    });
    nothing("not in the table of checks", lost.collect::<Vec<_>>());
}

/// A check that does more in full is run in full every night, and the page says what its short form leaves out.
#[test]
fn short_forms_are_described() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let (page, workflow) = (read("docs/verification.md"), read(".github/workflows/ci.yml"));
    let nightly: Vec<_> = workflow
        .lines()
        .filter_map(|line| line.trim().strip_prefix("check: [")?.strip_suffix(']'))
        .flat_map(|names| names.split(", "))
        .collect();
    let mut lost = Vec::new();
    for (file, text) in files("ci", ".sh") {
        let name = file.trim_start_matches("ci/").trim_end_matches(".sh");
        // `lib.sh` defines `short`; without it other scripts only install their tool.
        let mut code = text.lines().filter(|line| !line.starts_with('#') && !line.contains("skip"));
        let is_word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|w| w == "short");
        if name == "lib" || name.contains('/') || !code.any(is_word) {
            continue;
        }
        let mut rows = page.lines().filter(|line| line.starts_with("| `"));
        if !rows.any(|row| {
            row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{name}`")))
        }) {
            lost.push(format!("{name}: no row in docs/verification.md"));
        }
        if !nightly.contains(&name) {
            lost.push(format!("{name}: not in the nightly part of ci.yml"));
        }
    }
    assert!(nightly.len() > 10, "the nightly checks were not found");
    nothing("short forms", lost);
}

/// CONTRIBUTING.md lists each file that states rules, with exactly those rules.
#[test]
fn contributing_lists_the_invariants() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let mut wrong = Vec::new();
    for (name, text) in files("src", ".rs") {
        let rules: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("//! * **")?.split("**").next())
            .filter(|rule| rule.len() <= 3)
            .collect();
        let (Some(first), Some(last)) = (rules.first(), rules.last()) else { continue };
        let range = if first == last { (*first).to_owned() } else { format!("{first}–{last}") };
        let row = format!("| {range} | `{}` |", name.trim_start_matches("src/"));
        if !page.contains(&row) {
            wrong.push(row);
        }
    }
    nothing("not in CONTRIBUTING.md", wrong);
}

/// A fuzz target is built, has something to begin with, and a row in the table of results.
#[test]
fn every_fuzz_target_has_a_binary_a_corpus_and_a_row() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let (manifest, page) = (read("fuzz/Cargo.toml"), read("docs/verification.md"));
    let targets = files("fuzz/fuzz_targets", ".rs");
    assert!(targets.len() >= 10, "the targets were not found");
    let mut lacks = Vec::new();
    for (file, _) in targets {
        let path = PathBuf::from(file);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let corpus = fs::read_dir(root().join("fuzz/corpus").join(&name));
        let whole = [
            ("binary", manifest.contains(&format!("name = \"{name}\""))),
            ("corpus", corpus.is_ok_and(|entries| entries.count() > 0)),
            ("row of results", page.contains(&format!("| `{name}` |"))),
        ];
        lacks.extend(
            whole.iter().filter(|(_, has)| !has).map(|(what, _)| format!("{name}: {what}")),
        );
    }
    nothing("a fuzz target lacks", lacks);
}

/// A name or a figure that was not escaped makes a browser refuse the whole picture.
#[test]
fn pictures_have_only_the_tags_that_we_draw() {
    const TAGS: [&str; 7] = ["svg ", "/svg>", "rect ", "text ", "/text>", "path ", "line "];
    let pictures = files("docs/figures", ".svg");
    assert!(pictures.len() >= 3, "the pictures were not found");
    let mut wrong = Vec::new();
    for (name, text) in pictures {
        let tags = text.split('<').skip(1);
        let foreign = tags.filter(|tag| !TAGS.iter().any(|known| tag.starts_with(known)));
        wrong.extend(foreign.map(|tag| format!("{name}: <{:.20}", tag.replace('\n', " "))));
        if text.matches("<text ").count() != text.matches("</text>").count() {
            wrong.push(format!("{name}: a text without an end"));
        }
    }
    nothing("not a picture", wrong);
}

/// Returns the programs of a folder: its files, its folders with a `main.rs`, and packages of its own.
fn programs(folder: &str, ends: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect(folder);
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.expect("an entry of a folder").path();
            let name = path.file_name()?.to_str()?.to_owned();
            if path.join("main.rs").exists() || path.join("Cargo.toml").exists() {
                return Some(name);
            }
            ends.iter().any(|end| name.ends_with(end)).then(|| name.replace(".rs", ""))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "the programs of {folder} were not found");
    found
}

/// Each test program and each benchmark has a row, and each row has a program.
#[test]
fn every_program_has_a_row() {
    let mut wrong = Vec::new();
    for (folder, ends) in [("tests", &[".rs"][..]), ("benches", &[".rs", ".sh"])] {
        let page = fs::read_to_string(root().join(folder).join("README.md")).expect("README.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| program |")).skip(2);
        let rows: BTreeSet<_> =
            rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
        let programs = programs(folder, ends);
        // `instructions.sh` runs `instructions.rs`: one row.
        let is_script_of = |name: &str, rows: &BTreeSet<&str>| {
            name.strip_suffix(".sh").is_some_and(|program| rows.contains(program))
        };
        let lacks = programs
            .iter()
            .filter(|program| !rows.contains(program.as_str()) && !is_script_of(program, &rows));
        wrong.extend(lacks.map(|program| format!("{folder}/{program} has no row")));
        let gone = rows.iter().filter(|row| !programs.iter().any(|program| program == *row));
        wrong.extend(gone.map(|row| format!("{folder}/{row} does not exist")));
    }
    nothing("the tables of tests/README.md or benches/README.md", wrong);
}
