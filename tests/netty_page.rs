//! `docs/netty.md` names every method of Netty's buffers.

const METHODS: &str = include_str!("data/netty/methods.txt");
const PAGE: &str = include_str!("../docs/netty.md");

/// The part of the page on one class or package.
fn section(class: &str) -> &'static str {
    let is_about = |section: &&str| {
        section.lines().take(1).any(|head| head.split(" ").any(|word| word == class))
    };
    let mut sections = PAGE.split("\n## ").skip(1);
    sections.find(is_about).unwrap_or_else(|| panic!("no section on {class}"))
}

#[test]
fn the_page_answers_for_every_method_of_netty() {
    let mut missing = Vec::new();
    let mut class = "";
    for line in METHODS.lines() {
        match line.strip_prefix("# ") {
            Some(name) => class = name,
            None if section(class).contains(&format!("`{line}`")) => {}
            None => missing.push(format!("{class}.{line}")),
        }
    }
    assert!(!class.is_empty());
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn no_row_is_left_open() {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let open = rows.filter(|row| {
        let answer = row.split(" | ").nth(1).unwrap_or_default().trim_end_matches(" |");
        answer.trim().is_empty() || answer.contains("not yet")
    });
    assert_eq!(open.collect::<Vec<_>>(), Vec::<&str>::new());
}
