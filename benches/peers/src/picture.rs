//! The rows as a picture: our figure against the best peer's, one line each, the best first.

use crate::table::{Row, Table};
use std::fmt::Write;

const LINE: usize = 20;
const LABELS: usize = 300;
const WIDTH: f64 = 420.0;
/// Space for the figures behind the longest bar.
const NOTES: usize = 280;
/// What the width stands for, in times of the best peer. Longer bars are broken off there.
const SPAN: f64 = 1.5;

const LEGEND: &str =
    "our share of the best peer's figure (dotted); red: slower or larger than it; stroke: the bar";

/// Returns an SVG of all rows that have peers.
pub fn svg(table: &Table) -> String {
    let rows: Vec<&Row> = table.rows.iter().filter(|row| row.best_peer().is_some()).collect();
    let sections: Vec<&[&Row]> = rows.chunk_by(|a, b| a.section == b.section).collect();
    let width = LABELS + WIDTH as usize + NOTES;
    let height = (rows.len() + 2 * sections.len() + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LABELS}\" y=\"14\">{LEGEND}</text>\n"
    );
    let x = |times: f64| LABELS as f64 + times.min(SPAN) / SPAN * WIDTH;
    let mut y = LINE;
    for section in sections {
        let title = escape(section[0].section);
        y += LINE;
        let _ = writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
        y += LINE;
        let mut rows = section.to_vec();
        rows.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        for row in rows {
            line(&mut svg, row, y, x);
            y += LINE;
        }
    }
    let (best, bottom) = (x(1.0), y);
    let _ = writeln!(
        svg,
        "<path d=\"M{best} {LINE} V{bottom}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>"
    );
    svg
}

fn ratio(row: &Row) -> f64 {
    row.ours() / row.best_peer().expect("only rows with peers are drawn").value
}

/// Draws a row with its baseline at `y`; `x` is where so many times the best peer's figure are.
fn line(svg: &mut String, row: &Row, y: usize, x: impl Fn(f64) -> f64) {
    let best = row.best_peer().expect("only rows with peers are drawn");
    let ratio = ratio(row);
    let colour = if ratio > 1.0 { "#c0504d" } else { "#2e7d5b" };
    let (top, end) = (y - 11, x(ratio));
    let (label, length) = (escape(&row.name), end - LABELS as f64);
    let _ = writeln!(
        svg,
        "<text x=\"{LABELS}\" dx=\"-8\" y=\"{y}\" text-anchor=\"end\">{label}</text>\n\
         <rect x=\"{LABELS}\" y=\"{top}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>"
    );
    if ratio > SPAN {
        let (from, gap) = (end - 16.0, top - 1);
        let _ = writeln!(
            svg,
            "<path d=\"M{from:.1} {gap} l-6 16\" stroke=\"white\" stroke-width=\"4\"/>"
        );
    }
    let limit = row.limit_of_all().map(|limit| x(limit / best.value));
    if let Some(limit) = limit {
        let _ = writeln!(
            svg,
            "<path d=\"M{limit:.1} {} v18\" stroke=\"black\" stroke-width=\"2\"/>",
            top - 2
        );
    }
    let (ours, theirs, name, unit) = (row.ours(), best.value, best.name, row.unit);
    let note = format!("{ours:.2} {unit}; {name} {theirs:.2} {unit}: {ratio:.2}");
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{y}\" font-size=\"10\">{}</text>",
        end.max(x(1.0)).max(limit.unwrap_or(0.0)) + 6.0,
        escape(&note)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
