//! The rows as a picture: system calls for each record, over the records in a batch, both by tens.

use std::fmt::Write;

use super::batches::Codec;
use super::{BATCHES, RECORD, Row};

const PANEL: (f64, f64) = (300.0, 220.0);
const LEFT: f64 = 60.0;
const GAP: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 60.0;

/// The range of system calls for each record, in powers of ten.
const RANGE: (f64, f64) = (-4.0, 1.0);

fn colour(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "#1f5fa8",
        Codec::Lz4 => "#c0504d",
        Codec::Zstd => "#2e7d5b",
    }
}

/// An SVG with a panel for producing and one for consuming.
pub(super) fn draw(rows: &[Row], client: &str) -> String {
    let width = 2.0 * (LEFT + PANEL.0) + GAP + RIGHT;
    let height = TOP + PANEL.1 + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\" font-weight=\"bold\">System calls of the broker for each \
         record of {RECORD} bytes: fewer is better (client: {client})</text>\n"
    );
    let produce: fn(&Row) -> f64 = |row| row.produce;
    let consume: fn(&Row) -> f64 = |row| row.consume;
    panel(&mut svg, LEFT, "produce (receive, write, send, sync)", rows, produce);
    panel(&mut svg, 2.0 * LEFT + PANEL.0 + GAP, "consume (receive, send, sendfile)", rows, consume);
    svg.push_str("</svg>\n");
    svg
}

fn y_of(calls: f64) -> f64 {
    let power = calls.max(1e-9).log10().clamp(RANGE.0, RANGE.1);
    TOP + PANEL.1 * (RANGE.1 - power) / (RANGE.1 - RANGE.0)
}

fn panel(svg: &mut String, left: f64, title: &str, rows: &[Row], calls: fn(&Row) -> f64) {
    let x_of = |n: usize| left + PANEL.0 * n as f64 / (BATCHES.len() - 1) as f64;
    let bottom = TOP + PANEL.1;
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = writeln!(svg, "{text}");
    };
    line(format_args!(
        "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
        TOP - 16.0
    ));
    for power in RANGE.0 as i32..=RANGE.1 as i32 {
        let y = y_of(10_f64.powi(power));
        let label = 10_f64.powi(power);
        line(format_args!(
            "<path d=\"M{left} {y:.1} h{}\" stroke=\"#ddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            PANEL.0,
            left - 6.0,
            y + 4.0
        ));
    }
    for (n, batch) in BATCHES.iter().enumerate() {
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{batch}</text>",
            x_of(n),
            bottom + 16.0
        ));
    }
    line(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">records in a batch</text>",
        left + PANEL.0 / 2.0,
        bottom + 34.0
    ));
    for (place, codec) in Codec::ALL.into_iter().enumerate() {
        let mut path = String::new();
        for row in rows.iter().filter(|row| row.codec == codec) {
            let n = BATCHES.iter().position(|batch| *batch == row.per_batch).unwrap_or_default();
            let step = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{step}{:.1} {:.1}", x_of(n), y_of(calls(row)));
        }
        let (colour, x) = (colour(codec), left + PANEL.0 - 80.0);
        let y = TOP + 14.0 + 16.0 * place as f64;
        let name = if codec == Codec::None { "uncompressed" } else { codec.name() };
        line(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{name}</text>"
        ));
    }
}
