//! Reads which files of `src` import which others: whole `use` trees, paths in the code, and re-exports.

use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;

/// What one module says of others.
#[derive(Default)]
struct Module {
    file: String,
    /// Paths that the module uses itself, as written.
    used: Vec<Path>,
    /// Names that `use` brings in, with what they stand for.
    names: BTreeMap<String, Path>,
}

/// The modules of the crate by their paths from its root.
pub(crate) struct Crate(BTreeMap<Path, Module>);

/// Splits code into identifiers, numbers, `::` and single signs. Leaves out comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix("r\"").or_else(|| rest.strip_prefix("br\""));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") || rest.starts_with("br#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if let Some(inner) = raw {
            let start = rest.len() - inner.len();
            start + inner.find('"').map_or(inner.len(), |end| end + 1)
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if c == '\'' {
            // A character, or else the start of a lifetime.
            let mut inner = rest[1..].char_indices();
            match (inner.next(), inner.next()) {
                (Some((_, '\\')), Some((at, escaped))) => {
                    let after = 1 + at + escaped.len_utf8();
                    after + rest[after..].find('\'').map_or(0, |end| end + 1)
                }
                (_, Some((at, '\''))) => at + 2,
                _ => 1,
            }
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            2
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// Removes the items that only tests have: `#[cfg(test)]` and `#[cfg(all(test, ..))]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let starts = |at: usize, what: &[&str]| {
        tokens[at..].iter().map(String::as_str).take(what.len()).eq(what.iter().copied())
    };
    let is_test = |at| {
        starts(at, &["#", "[", "cfg", "(", "test", ")"])
            || starts(at, &["#", "[", "cfg", "(", "all", "(", "test"])
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !is_test(at) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0_i32;
        // An item ends with its block or its semicolon; a field or an arm with its comma, or the block around it.
        while at < tokens.len() {
            match tokens[at].as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                break;
            }
            at += 1;
            let ends = [";", "}", ","].contains(&tokens[at - 1].as_str());
            if depth == 0 && ends && !starts(at, &[";"]) {
                break;
            }
        }
    }
    kept
}

/// Reads a `use` tree up to its end; gives each leaf with the name that it gets.
fn tree(tokens: &[String], at: &mut usize, prefix: &Path, leaves: &mut Vec<(String, Path)>) {
    let mut path = prefix.clone();
    while let Some(token) = tokens.get(*at) {
        match token.as_str() {
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    tree(tokens, at, &path, leaves);
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "::" => {}
            "as" => {
                let name = tokens.get(*at + 1).cloned().unwrap_or_default();
                *at += 2;
                leaves.push((name, path));
                return;
            }
            "," | "}" | ";" => break,
            _ => path.push(token.clone()),
        }
        *at += 1;
    }
    // `use a::{self}` brings in `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if !path.is_empty() {
        leaves.push((path.last().cloned().unwrap_or_default(), path));
    }
}

impl Crate {
    /// Reads the files of `src`, as names and texts. Files of tests are left out.
    pub(crate) fn read(files: &[(String, String)]) -> Self {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            let place = file.trim_start_matches("src/").trim_end_matches(".rs");
            let path: Path = place.split('/').map(str::to_owned).collect();
            if path.iter().any(|part| part.contains("tests")) {
                continue;
            }
            let is_head = path.last().is_some_and(|last| last == "mod" || last == "lib");
            let path = path[..path.len() - usize::from(is_head)].to_vec();
            read_module(file, path, &without_tests(&tokens(text)), &mut modules);
        }
        Self(modules)
    }

    /// Returns the file in which a path of a module ends, once all re-exports are followed.
    fn file(&self, module: &Path, path: &Path, steps: usize) -> Option<&str> {
        let mut whole = match path.first()?.as_str() {
            "crate" => Path::new(),
            "self" | "super" => module.clone(),
            first => {
                let mut child = module.clone();
                child.push(first.to_owned());
                let is_name = self.0.get(module).is_some_and(|m| m.names.contains_key(first));
                if !self.0.contains_key(&child) && (!is_name || path.len() == 1) {
                    return None;
                }
                module.clone()
            }
        };
        let mut rest =
            path.iter().skip_while(|part| *part == "crate" || *part == "self").peekable();
        while rest.next_if(|part| *part == "super").is_some() {
            whole.pop();
        }
        let mut owner = whole;
        for part in rest {
            let mut child = owner.clone();
            child.push(part.clone());
            if self.0.contains_key(&child) {
                owner = child;
                continue;
            }
            // A name that the module has from elsewhere.
            let from = self.0.get(&owner)?.names.get(part).filter(|from| *from != path);
            let followed =
                from.filter(|_| steps > 0).and_then(|from| self.file(&owner, from, steps - 1));
            return followed.or_else(|| Some(self.0.get(&owner)?.file.as_str()));
        }
        Some(self.0.get(&owner)?.file.as_str())
    }

    /// Returns each file with the other files that it imports.
    pub(crate) fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, module) in &self.0 {
            let found = module.used.iter().filter_map(|used| self.file(path, used, 8));
            let found = found.filter(|file| *file != module.file);
            imports.entry(&module.file).or_default().extend(found);
        }
        imports
    }
}

fn read_module(file: &str, path: Path, tokens: &[String], modules: &mut BTreeMap<Path, Module>) {
    let mut module = Module { file: file.to_owned(), ..Module::default() };
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at].as_str();
        let is_inner = token == "mod" && tokens.get(at + 2).is_some_and(|token| token == "{");
        if is_inner {
            let (start, mut end, mut depth) = (at + 3, at + 3, 1);
            while depth > 0 && end < tokens.len() {
                depth += i32::from(tokens[end] == "{") - i32::from(tokens[end] == "}");
                end += 1;
            }
            let inner = [&path[..], &tokens[at + 1..at + 2]].concat();
            read_module(file, inner, &tokens[start..end - 1], modules);
            at = end;
        } else if token == "use" && tokens.get(at + 1).is_some_and(|token| token != "<") {
            // A re-export is for others: the module itself does not need it.
            let is_public = at > 0 && ["pub", ")"].contains(&tokens[at - 1].as_str());
            let mut leaves = Vec::new();
            at += 1;
            tree(tokens, &mut at, &Path::new(), &mut leaves);
            for (name, path) in leaves {
                if !is_public {
                    module.used.push(path.clone());
                }
                module.names.insert(name, path);
            }
        } else if ["crate", "super", "self"].contains(&token)
            && tokens.get(at + 1).is_some_and(|token| token == "::")
            // `pub(in crate::pool)` says where an item is visible.
            && tokens.get(at.wrapping_sub(1)).is_none_or(|token| token != "in")
        {
            let mut used = vec![token.to_owned()];
            while tokens.get(at + 1).is_some_and(|token| token == "::")
                && tokens
                    .get(at + 2)
                    .is_some_and(|token| !["<", "{", "*"].contains(&token.as_str()))
            {
                used.push(tokens[at + 2].clone());
                at += 2;
            }
            module.used.push(used);
            at += 1;
        } else {
            at += 1;
        }
    }
    modules.insert(path, module);
}

/// The check sees what it is meant to see.
#[test]
fn imports_are_read_through_trees_inner_modules_and_re_exports() {
    let files = [
        ("src/lib.rs", "mod low;\nmod high;\npub use high::{Top, deep::{Leaf as Renamed}};"),
        (
            "src/low/mod.rs",
            "mod a;\nmod b;\nuse crate::{Top, Renamed};\nconst S: &str = \"crate::no\";",
        ),
        (
            "src/low/a.rs",
            "// use super::c;\nuse super::{b::B, b};\n#[cfg(test)]\nmod tests { use super::super::c; }",
        ),
        (
            "src/low/b.rs",
            "mod inner { pub(in crate::high) fn f() -> super::super::c::C { '\"'; crate::Renamed } }",
        ),
        ("src/low/c.rs", "#[cfg(test)]\nuse crate::Top;\nuse std::fmt::{self, Debug};"),
        ("src/high/mod.rs", "mod deep;\npub struct Top;"),
        ("src/high/deep.rs", "pub struct Leaf;"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let read = Crate::read(&files);
    let imports = read.imports();
    let of = |file: &str| imports[file].iter().copied().collect::<Vec<_>>();
    assert_eq!(of("src/low/mod.rs"), ["src/high/deep.rs", "src/high/mod.rs"]);
    assert_eq!(of("src/low/a.rs"), ["src/low/b.rs"]);
    assert_eq!(of("src/low/b.rs"), ["src/high/deep.rs", "src/low/c.rs"]);
    assert_eq!(of("src/low/c.rs"), [""; 0]);
    assert_eq!(of("src/lib.rs"), [""; 0]);
}
