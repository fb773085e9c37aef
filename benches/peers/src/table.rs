//! Results: rows, their bars, and the table of them.

use crate::picture::{Group, Line, Picture};
use crate::race::{Bar, Role};
use std::fmt::Write;

/// The cost of one contender.
#[derive(Clone)]
pub struct Entry {
    pub name: &'static str,
    pub role: Role,
    pub value: f64,
    /// Per unit, if they were counted.
    pub instructions: Option<f64>,
}

impl Entry {
    pub fn new(name: &'static str, role: Role, value: f64) -> Self {
        Self { name, role, value, instructions: None }
    }

    fn instructions(&self) -> String {
        self.instructions.map_or(String::new(), |count| format!("{count:.0}"))
    }
}

/// One workload.
pub struct Row {
    pub section: &'static str,
    pub name: String,
    pub unit: &'static str,
    pub entries: Vec<Entry>,
    bars: Vec<Bar>,
}

/// The relative difference that counts as a tie: two runs of the same code differ by it.
const NOISE: f64 = 0.03;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Within the noise of the bar.
    Tie,
    Miss,
}

impl Row {
    pub fn compared(name: String, unit: &'static str, bars: &[Bar], entries: Vec<Entry>) -> Self {
        Self { section: "", name, unit, entries, bars: bars.to_vec() }
    }

    /// A figure of ours that no peer has.
    pub fn alone(name: impl Into<String>, unit: &'static str, bar: Bar, value: f64) -> Self {
        let ours = Entry::new("bytebuf", Role::Ours, value);
        Self::compared(name.into(), unit, &[bar], vec![ours])
    }

    pub fn ours(&self) -> f64 {
        self.our_entry().value
    }

    fn our_entry(&self) -> &Entry {
        self.entries.iter().find(|e| e.role == Role::Ours).expect("each row has an entry of ours")
    }

    pub fn best_peer(&self) -> Option<&Entry> {
        let peers = self.entries.iter().filter(|e| e.role == Role::Peer);
        peers.min_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// The highest value that reaches the bar (the lowest, for `Bar::Least`).
    pub fn limit(&self, bar: Bar) -> f64 {
        match bar {
            Bar::Most(limit) | Bar::Least(limit) => limit,
            Bar::OfBest(times) => self.best_peer().map_or(f64::INFINITY, |e| e.value) * times,
            Bar::Of(names, times) => {
                let named = self.entries.iter().filter(|e| names.contains(&e.name));
                named.map(|e| e.value).fold(f64::INFINITY, f64::min) * times
            }
        }
    }

    /// The highest value that reaches all bars that are limits from above.
    fn limit_of_all(&self) -> Option<f64> {
        let above = self.bars.iter().filter(|bar| !matches!(bar, Bar::Least(_)));
        above.map(|&bar| self.limit(bar)).min_by(f64::total_cmp)
    }

    pub fn verdict(&self) -> Option<Verdict> {
        let judge = |&bar: &Bar| {
            let (ours, limit) = (self.ours(), self.limit(bar));
            let over = if matches!(bar, Bar::Least(_)) { limit / ours } else { ours / limit };
            match over {
                ..=1.0 => Verdict::Pass,
                over if over <= 1.0 + NOISE => Verdict::Tie,
                _ => Verdict::Miss,
            }
        };
        let verdicts = self.bars.iter().map(judge);
        verdicts.max_by_key(|&verdict| verdict as u8)
    }

    fn bar_text(&self) -> String {
        let text = |&bar: &Bar| match bar {
            Bar::OfBest(times) => format!("≤ {times} × best peer"),
            Bar::Of(names, times) => format!("≤ {times:.3} × {}", names.join(", ")),
            Bar::Most(most) => format!("≤ {most} {}", self.unit),
            Bar::Least(least) => format!("≥ {least} {}", self.unit),
        };
        self.bars.iter().map(text).collect::<Vec<_>>().join("; ")
    }

    /// Returns the row as a line of the picture, if it has peers.
    fn picture_line(&self) -> Option<Line> {
        let (ours, unit, best) = (self.ours(), self.unit, self.best_peer()?);
        let ratio = ours / best.value;
        Some(Line {
            label: self.name.clone(),
            ratio,
            good: ratio <= 1.0,
            limit: self.limit_of_all().map(|limit| limit / best.value),
            note: format!("{ours:.2} {unit}; {} {:.2} {unit}: {ratio:.2}", best.name, best.value),
        })
    }

    fn line(&self) -> String {
        let ours = self.ours();
        let (peer, ratio, peers_count) = match self.best_peer() {
            Some(best) => (
                format!("{:.2} {}", best.value, best.name),
                format!("{:.2}", ours / best.value),
                best.instructions(),
            ),
            None => Default::default(),
        };
        let count = self.our_entry().instructions();
        let counts =
            if count.is_empty() { String::new() } else { format!("{count} / {peers_count}") };
        let floor = self.entries.iter().find(|e| e.role == Role::Floor);
        let floor = floor.map_or(String::new(), |e| format!("{:.2}", e.value));
        let verdict = match self.verdict() {
            Some(Verdict::Pass) => "pass",
            Some(Verdict::Tie) => "tie",
            Some(Verdict::Miss) => "**miss**",
            None => "",
        };
        let (name, unit, bar) = (&self.name, self.unit, self.bar_text());
        format!(
            "| {name} | {ours:.2} {unit} | {peer} | {ratio} | {bar} | {floor} | {counts} | {verdict} |"
        )
    }
}

/// All rows.
pub struct Table {
    title: &'static str,
    pub section: &'static str,
    pub rows: Vec<Row>,
}

const HEAD: &str = "\
| workload | bytebuf | best peer | ratio | bar | floor | instructions, ours / that peer's | |
|---|---:|---:|---:|---|---:|---:|---|";

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, section: "", rows: Vec::new() }
    }

    /// Adds a row, and prints it.
    pub fn add(&mut self, row: Row) {
        if self.rows.last().is_none_or(|last| last.section != self.section) {
            println!("\n## {}\n\n{HEAD}", self.section);
        }
        println!("{}", row.line());
        self.rows.push(Row { section: self.section, ..row });
    }

    /// Returns the table as Markdown, with the cost of each contender.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        let mut section = "";
        for row in &self.rows {
            if row.section != section {
                section = row.section;
                let _ = write!(text, "\n## {section}\n\n{HEAD}\n");
            }
            text += &row.line();
            text.push('\n');
        }
        text += "\n## All contenders, the best first; in parentheses, instructions\n\n";
        for row in &self.rows {
            let mut entries: Vec<&Entry> = row.entries.iter().collect();
            entries.sort_by(|a, b| a.value.total_cmp(&b.value));
            let all = entries.into_iter().map(|e| match e.instructions {
                Some(count) => format!("{} {:.2} ({count:.0})", e.name, e.value),
                None => format!("{} {:.2}", e.name, e.value),
            });
            let all = all.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "- {}, {}: {all}", row.name, row.unit);
        }
        text
    }

    /// Returns an SVG of all rows that have peers, the best of each section first.
    pub fn picture(&self) -> String {
        let sections = self.rows.chunk_by(|a, b| a.section == b.section);
        let groups = sections.map(|rows| {
            let mut lines: Vec<Line> = rows.iter().filter_map(Row::picture_line).collect();
            lines.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
            Group { title: rows[0].section.into(), lines }
        });
        let title = format!("{} beside other crates and allocators", self.title);
        let picture = Picture {
            title: &title,
            meaning: "Each bar: the figure of bytebuf divided by that of its best peer. Shorter is better. At the right: bytebuf; that peer: the ratio.",
            better: "bytebuf takes less",
            worse: "bytebuf takes more",
            equal: 0.03,
            labels: 300,
            notes: 280,
            span: 1.5,
        };
        picture.draw(&groups.filter(|group| !group.lines.is_empty()).collect::<Vec<_>>())
    }

    /// Returns the number of rows that have a bar, and of those that miss it.
    pub fn score(&self) -> (usize, usize) {
        let verdicts = || self.rows.iter().filter_map(Row::verdict);
        (verdicts().count(), verdicts().filter(|&v| v == Verdict::Miss).count())
    }
}
