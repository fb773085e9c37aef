//! The rows as a picture: our time against the best peer's, one line each.

use crate::table::{Row, Table, Verdict};
use std::fmt::Write;

const LINE: usize = 20;
const LABELS: usize = 300;
const WIDTH: f64 = 420.0;
/// What the width stands for, in times of the best peer.
const SPAN: f64 = 1.5;

/// An SVG of all rows that have peers.
pub fn svg(table: &Table) -> String {
    let rows: Vec<&Row> = table.rows.iter().filter(|row| row.best_peer().is_some()).collect();
    let sections = 1 + rows.windows(2).filter(|pair| pair[0].section != pair[1].section).count();
    let height = (rows.len() + 2 * sections + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"860\" height=\"{height}\" fill=\"white\"/>\n"
    );
    let x = |times: f64| LABELS as f64 + times.min(SPAN) / SPAN * WIDTH;
    let mut y = LINE;
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = row.section;
            y += LINE;
            let _ = writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{section}</text>");
            y += LINE;
        }
        let best = row.best_peer().expect("only rows with peers are drawn");
        let ratio = row.ours() / best.value;
        let colour = if row.verdict() == Some(Verdict::Miss) { "#c0504d" } else { "#2e7d5b" };
        let (top, end) = (y - 11, x(ratio) - LABELS as f64);
        let label = escape(&row.name);
        let note = format!("{:.2} against {:.2} {}", row.ours(), best.value, best.name);
        let _ = writeln!(
            svg,
            "<text x=\"{LABELS}\" dx=\"-8\" y=\"{y}\" text-anchor=\"end\">{label}</text>\n\
             <rect x=\"{LABELS}\" y=\"{top}\" width=\"{end:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{y}\" font-size=\"10\">{note}</text>",
            x(ratio.max(1.0)) + 6.0
        );
        y += LINE;
    }
    let (best, bottom) = (x(1.0), y);
    let _ = writeln!(
        svg,
        "<line x1=\"{best}\" x2=\"{best}\" y1=\"{LINE}\" y2=\"{bottom}\" stroke=\"#444\" \
         stroke-dasharray=\"3 3\"/>\n\
         <text x=\"{best}\" y=\"14\" text-anchor=\"middle\">the best peer's time</text>\n</svg>"
    );
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
