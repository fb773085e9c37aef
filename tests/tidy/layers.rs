//! Imports point downward between layers, and in no circle within one.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Crate;
use crate::{files, nothing};

/// The layers of `src`, lowest first. A file imports from its own layer and from lower ones.
const LAYERS: [&str; 11] = [
    "test_data",
    "test_io",
    "test_runtime",
    "sync",
    "sys",
    "memory",
    "pool",
    "buf",
    "io",
    "interop",
    "testing",
];

/// The circles that are left: a folder, its files and folders that import each other, and why.
///
/// The list can only shrink: a circle that is larger fails, and so does one that has become smaller or is gone.
const CIRCLES: [(&str, &[&str], &str); 1] = [(
    "buf",
    &["byte_buf", "byte_view"],
    "a buffer freezes into a view; a unique view becomes a buffer",
)];

#[test]
fn imports_point_downward() {
    let sources = files("src", ".rs");
    let read = Crate::read(&sources);
    let layer = |file: &str| {
        let name = file.trim_start_matches("src/").split(['/', '.']).next();
        LAYERS.iter().position(|layer| Some(*layer) == name)
    };
    let mut upward = Vec::new();
    for (file, imported) in read.imports() {
        let Some(own) = layer(file) else { continue };
        let higher = imported.into_iter().filter(|used| layer(used).is_some_and(|used| used > own));
        upward.extend(higher.map(|used| format!("{file} imports {used}")));
    }
    nothing("a lower layer imports a higher one", upward);
}

/// Returns the files and folders of a folder with those beside them that they import.
fn units<'a>(
    folder: &str,
    imports: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let unit = |file: &'a str| file.strip_prefix(folder)?.strip_prefix('/')?.split('/').next();
    let mut units: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (file, imported) in imports {
        if let Some(own) = unit(file) {
            let others =
                imported.iter().filter_map(|used| unit(used)).filter(|other| *other != own);
            units.entry(own).or_default().extend(others);
        }
    }
    units
}

/// Returns all that is reached from a unit.
fn reached<'a>(from: &str, units: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(unit) = open.pop() {
        for next in units.get(unit).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached
}

/// Each file of a folder can be read with those below it alone. What a folder's `mod.rs` re-exports counts as an import
/// of the file that has it.
#[test]
fn files_of_a_layer_do_not_import_in_circles() {
    let sources = files("src", ".rs");
    let read = Crate::read(&sources);
    let imports = read.imports();
    assert!(imports.values().any(|imports| imports.len() > 3), "the imports were not found");
    let folders: BTreeSet<_> =
        imports.keys().filter_map(|file| Some(file.rsplit_once('/')?.0)).collect();
    let mut found = BTreeSet::new();
    assert!(CIRCLES.iter().all(|(.., why)| !why.is_empty()), "a circle has a reason");
    for folder in folders.into_iter().filter(|folder| *folder != "src") {
        let units = units(folder, &imports);
        for unit in units.keys() {
            let below = reached(unit, &units);
            let circle = below.iter().filter(|other| reached(other, &units).contains(unit));
            let circle: Vec<_> = circle.copied().collect();
            if circle.len() > 1 {
                found.insert((folder.trim_start_matches("src/").to_owned(), circle));
            }
        }
    }
    let known: BTreeSet<_> =
        CIRCLES.iter().map(|(folder, units, _)| ((*folder).to_owned(), units.to_vec())).collect();
    let show = |(folder, units): &(String, Vec<&str>)| format!("{folder}: {}", units.join(", "));
    nothing("imports in a circle", found.difference(&known).map(show));
    nothing(
        "circles that are smaller or gone: shrink the list",
        known.difference(&found).map(show),
    );
}
