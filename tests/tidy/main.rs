//! Rules of the source and the pages that the compiler does not check.
//!
//! `source.rs`: length, unfinished code, paths, safety comments. `layers.rs`: the direction of imports, which `imports.rs`
//! reads. `pages.rs`: links, tables and pictures. `words.rs`: words that have better ones.

mod imports;
mod layers;
mod pages;
mod source;
mod words;

use std::fs;
use std::path::Path;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the project whose name ends so, with their text.
pub(crate) fn files(folder: &str, end: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry of a folder").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "corpus", "data", ".git"].contains(&name.as_str()) {
                folders.push(path);
            } else if name.ends_with(end) && path.is_file() {
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                found.push((relative(&path), text));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/")
}

pub(crate) fn rust() -> Vec<(String, String)> {
    let folders = ["src", "tests", "benches", "examples", "fuzz"];
    let found: Vec<_> = folders.iter().flat_map(|folder| files(folder, ".rs")).collect();
    assert!(found.len() > 50, "the project was not found");
    found
}

/// What people and machines read beside the source.
pub(crate) fn other() -> Vec<(String, String)> {
    let ends = [".md", ".toml", ".sh", ".yml", "run"];
    ends.iter().flat_map(|end| files(".", end)).collect()
}

/// Fails with all that was found, a line each.
pub(crate) fn nothing(what: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<_> = found.into_iter().collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// The lines that have any of the words, as `file:line: text`.
pub(crate) fn lines_with(files: &[(String, String)], words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    found
}
