//! Words that this project does not use, because the field has terms of its own for them.

use crate::{files, nothing, other, rust};

/// Words, in names too, with what to write instead.
const WORDS: &[(&str, &str)] = &[
    ("room", "space, spare capacity"),
    ("rooms", "space, spare capacity"),
    ("roomy", "with spare capacity"),
    ("border", "boundary"),
    ("borders", "boundaries"),
    ("janitor", "purger"),
    ("saboteur", "fail point"),
    ("sabotage", "fail point"),
    ("sabotaged", "fail point"),
    ("census", "snapshot"),
    ("enlist", "register"),
    ("dismiss", "unregister"),
    ("hire", "spawn"),
    ("hired", "spawned"),
    ("absorb", "append"),
    ("absorbs", "appends"),
    ("bank", "reference cache"),
    ("door", "guard"),
    ("lend", "zero-copy send in flight"),
    ("lends", "zero-copy send in flight"),
    ("lent", "zero-copy send in flight"),
    ("loan", "zero-copy send in flight"),
    ("loans", "zero-copy send in flight"),
    ("whoever", "the caller, the last handle"),
    ("nobody", "no caller, no handle"),
    ("somebody", "a caller, another thread"),
    ("anybody", "a caller, another thread"),
];

/// Phrases and actors, in comments and pages.
const PHRASES: &[(&str, &str)] = &[
    ("who", "the caller, the thread that"),
    ("he", "it"),
    ("his", "its"),
    ("him", "it"),
    ("in vain", "without a result"),
    ("but for", "except"),
    ("come home", "return to the pool"),
    ("comes home", "returns to the pool"),
    ("go home", "return to the pool"),
    ("goes home", "returns to the pool"),
    ("going home", "returning to the pool"),
    ("takes leave", "unregisters"),
];

/// Lines that may have such a word: a file, and a part of the line.
const EXCEPT: &[(&str, &str)] = &[
    // A property of CSS.
    ("examples/file_server/page.rs", "border-collapse"),
];

/// Returns the words of a line in lower case, each surrounded by spaces. A name is several words.
fn words(line: &str) -> String {
    let mut words = String::from(" ");
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(' ');
        }
        if c.is_alphabetic() {
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    let words: Vec<_> = words.split_whitespace().collect();
    format!(" {} ", words.join(" "))
}

/// Returns what of a line is prose: all of a page, or the comment.
fn prose<'a>(file: &str, line: &'a str) -> &'a str {
    let comment = match file.rsplit_once('.') {
        Some((_, "md")) => return line,
        Some((_, "rs")) => "//",
        _ => "#",
    };
    // Quoted examples in documentation are code.
    let prose = line.split_once(comment).map_or("", |(_, prose)| prose);
    if prose.contains('"') { "" } else { prose }
}

fn found(file: &str, line: &str) -> Option<String> {
    let find = |text: &str, list: &[(&str, &str)]| {
        let text = words(text);
        let (word, instead) = list.iter().find(|(word, _)| text.contains(&format!(" {word} ")))?;
        Some(format!("`{word}`: write {instead}"))
    };
    find(line, WORDS).or_else(|| find(prose(file, line), PHRASES))
}

#[test]
fn names_and_prose_use_the_terms_of_the_field() {
    let mut wrong = Vec::new();
    for (name, text) in [rust(), other(), files("ci", ".py")].concat() {
        if name.ends_with("tidy/words.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let is_allowed = EXCEPT.iter().any(|(file, part)| *file == name && line.contains(part));
            let what = found(&name, line).filter(|_| !is_allowed);
            wrong.extend(what.map(|what| format!("{name}:{}: {what}", number + 1)));
        }
    }
    nothing("words that are not the field's", wrong);
}

/// The check sees what it is meant to see.
#[test]
fn words_are_found_in_names_and_prose() {
    for (file, line) in [
        ("a.rs", "fn make_room() {}"),
        ("a.rs", "struct BorderCut;"),
        ("a.rs", "assert!(ok, \"nobody waits\");"),
        ("a.rs", "let x = 1; // who waits"),
        ("a.md", "It goes  home."),
        ("a.sh", "# in vain"),
    ] {
        assert!(found(file, line).is_some(), "{line}");
    }
    for (file, line) in [
        ("a.rs", "let headroom = who;"),
        ("a.rs", "/// assert_eq!(text, \"he\");"),
        ("a.rs", "fn bordering() {}"),
        ("a.md", "Everything that has blocks."),
    ] {
        assert_eq!(found(file, line), None, "{line}");
    }
}
