//! The rows as a picture: our time against the best peer's, one line each.

use crate::table::{Row, Table, Verdict};
use std::fmt::Write;

const LINE: usize = 20;
const LABELS: usize = 300;
const WIDTH: f64 = 420.0;
/// Room for the figures behind the longest bar.
const NOTES: usize = 260;
/// What the width stands for, in times of the best peer. Longer bars are broken off there.
const SPAN: f64 = 1.5;

const LEGEND: &str = "our time; dotted: the best peer's; stroke: what it may be; red: over that";

/// An SVG of all rows that have peers.
pub fn svg(table: &Table) -> String {
    let rows: Vec<&Row> = table.rows.iter().filter(|row| row.best_peer().is_some()).collect();
    let sections = 1 + rows.windows(2).filter(|pair| pair[0].section != pair[1].section).count();
    let width = LABELS + WIDTH as usize + NOTES;
    let height = (rows.len() + 2 * sections + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LABELS}\" y=\"14\">{LEGEND}</text>\n"
    );
    let x = |times: f64| LABELS as f64 + times.min(SPAN) / SPAN * WIDTH;
    let mut y = LINE;
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = row.section;
            let title = escape(section);
            y += LINE;
            let _ = writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
            y += LINE;
        }
        line(&mut svg, row, y, x);
        y += LINE;
    }
    let (best, bottom) = (x(1.0), y);
    let _ = writeln!(
        svg,
        "<path d=\"M{best} {LINE} V{bottom}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>"
    );
    svg
}

/// A row with its baseline at `y`; `x` is where so many times the best peer's time are.
fn line(svg: &mut String, row: &Row, y: usize, x: impl Fn(f64) -> f64) {
    let best = row.best_peer().expect("only rows with peers are drawn");
    let ratio = row.ours() / best.value;
    let colour = if row.verdict() == Some(Verdict::Miss) { "#c0504d" } else { "#2e7d5b" };
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
    let note = format!("{:.2} against {:.2} {} = {ratio:.2}", row.ours(), best.value, best.name);
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
