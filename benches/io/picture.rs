//! Draws the results as bars.

use std::fmt::Write;

use crate::report::Row;

const LINE: usize = 22;
const LEFT: usize = 270;
const SCALE: f64 = 300.0;

/// One line per job: the ratio as a bar, and its limit as a stroke. The peer is 1.
pub(crate) fn draw(rows: &[Row]) -> String {
    let (width, height) = (LEFT + 480, (rows.len() + 2) * LINE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\">processor time, the best peer = 1; stroke: what it may be</text>\n"
    );
    for (index, row) in rows.iter().enumerate() {
        let top = (index + 1) * LINE + 4;
        let text = top + 12;
        let colour = if row.is_met() { "#3a7d44" } else { "#c0392b" };
        let at = |ratio: f64| LEFT as f64 + ratio.min(1.4) * SCALE;
        let (end, bar) = (at(row.ratio), at(row.bar));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{:.0}\" height=\"15\" fill=\"{colour}\"/>\n\
             <path d=\"M{bar:.0} {} v19\" stroke=\"black\" stroke-width=\"2\"/>\n\
             <text x=\"{:.0}\" y=\"{text}\">{:.2}</text>",
            LEFT - 8,
            row.job,
            end - LEFT as f64,
            top - 2,
            end.max(bar) + 6.0,
            row.ratio,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
