//! The figures as a picture: how many times ours the peer uses, one line for each, the best first.

use std::fmt::Write;

use crate::table::{Figure, Table};

const LINE: usize = 18;
const LABELS: usize = 470;
const WIDTH: f64 = 320.0;
const NOTES: usize = 200;
/// What the width stands for: bars of larger factors end there.
const SPAN: f64 = 4.0;

const LEGEND: &str =
    "what the program on bytes uses, as a multiple of what the same program on bytebuf uses";

/// Returns an SVG of all peers.
pub(crate) fn svg(table: &Table) -> String {
    let peers: Vec<_> = table.rows.iter().filter(|row| !row.is_ours()).collect();
    let height = (peers.len() * 3 + 8) * LINE;
    let width = LABELS + WIDTH as usize + NOTES;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"16\">{LEGEND} (dotted: the same; red: less than ours)</text>\n"
    );
    let mut y = 2 * LINE;
    for figure in Figure::ALL {
        let (name, unit) = (figure.name(), figure.unit());
        let _ =
            writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{name}, {unit}</text>");
        let mut bars: Vec<_> = peers
            .iter()
            .map(|row| {
                let (peer, ours) = (row.median(figure), table.ours(row).median(figure));
                let label = format!("{}: {}, {}", row.scenario.title, row.variant, row.allocator);
                (peer / ours, label, format!("{peer:.2} / {ours:.2} = {:.2}", peer / ours))
            })
            .collect();
        bars.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (ratio, label, note) in bars {
            y += LINE;
            bar(&mut svg, y, ratio, &label, &note);
        }
        y += 2 * LINE;
    }
    let (one, bottom) = (x(1.0), y - 2 * LINE);
    let _ = writeln!(
        svg,
        "<path d=\"M{one} {LINE} V{bottom}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>"
    );
    svg
}

fn x(times: f64) -> f64 {
    LABELS as f64 + times.min(SPAN) / SPAN * WIDTH
}

fn bar(svg: &mut String, y: usize, ratio: f64, label: &str, note: &str) {
    let (top, length) = (y - 11, x(ratio) - LABELS as f64);
    let colour = if ratio < 1.0 { "#c0504d" } else { "#2e7d5b" };
    let note_x = x(ratio.max(1.0)) + 6.0;
    let _ = writeln!(
        svg,
        "<text x=\"{LABELS}\" dx=\"-8\" y=\"{y}\" text-anchor=\"end\">{label}</text>\n\
         <rect x=\"{LABELS}\" y=\"{top}\" width=\"{length:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
         <text x=\"{note_x:.1}\" y=\"{y}\" font-size=\"10\">{note}</text>"
    );
}
