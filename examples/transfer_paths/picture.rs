//! A bar chart of the results, in SVG.

use std::fmt::Write;

use crate::run::Row;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 210.0;
const TOP: f64 = 64.0;
const ROW: f64 = 52.0;
const BAR: f64 = 22.0;

/// Returns a chart of the processor time of each method, the cheapest first, as SVG.
pub(crate) fn draw(rows: &[Row], mib: u64) -> String {
    let height = TOP + ROW * rows.len() as f64;
    let highest =
        rows.iter().map(|row| row.cost.cpu_seconds_per_gib()).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="14">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
<text x="16" y="28" font-size="17">From a file to a socket: processor seconds of the sender per GiB</text>
<text x="16" y="48" font-size="12" fill="#666">{mib} MiB over loopback. Shorter is better. Green: this process copies no byte.</text>
"##
    );
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| a.cost.cpu_seconds_per_gib().total_cmp(&b.cost.cpu_seconds_per_gib()));
    for (n, Row { method, cost }) in rows.into_iter().enumerate() {
        let top = TOP + ROW * n as f64;
        let seconds = cost.cpu_seconds_per_gib();
        let length = (WIDTH - LEFT - 80.0) * seconds / highest;
        let colour = if method.copies() == 0 { "#2a9d6f" } else { "#8a94a6" };
        let (text, small) = (top + 16.0, top + 36.0);
        let (value, title) = (LEFT + length + 8.0, method.title());
        writeln!(
            svg,
            r##"<text x="{LEFT}" y="{text}" text-anchor="end" dx="-10">{title}</text>
<rect x="{LEFT}" y="{top}" width="{length:.1}" height="{BAR}" rx="2" fill="{colour}"/>
<text x="{value:.1}" y="{text}">{seconds:.3}</text>
<text x="{LEFT}" y="{small}" font-size="11" fill="#666">{:.2} GiB/s, {:.0} system calls per GiB, copies: {}</text>"##,
            cost.gib_per_second(),
            cost.calls_per_gib(),
            method.copies(),
        )
        .expect("writing to a string succeeds");
    }
    svg + "</svg>\n"
}
