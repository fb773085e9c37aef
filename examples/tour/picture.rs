//! The picture at the end, in SVG.

use std::fmt::Write;

use crate::files::Measured;
use crate::pool::Sample;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const CHART: f64 = 220.0;

pub(crate) fn draw(samples: &[Sample], methods: &[Measured]) -> String {
    let height = 420.0 + 30.0 * methods.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
"##
    );
    memory(&mut svg, samples);
    bars(&mut svg, methods, CHART + 130.0);
    svg + "</svg>\n"
}

fn memory(svg: &mut String, samples: &[Sample]) {
    let most = samples.iter().map(|s| s.held_mib).fold(1.0, f64::max);
    let last = samples.last().map_or(1.0, |s| s.seconds);
    let x = |s: &Sample| 60.0 + (WIDTH - 80.0) * s.seconds / last;
    let y = |mib: f64| 60.0 + CHART * (1.0 - mib / most);
    let curve = |value: fn(&Sample) -> f64| {
        let points = samples.iter().map(|s| format!("{:.1} {:.1}", x(s), y(value(s))));
        format!("M{}", points.collect::<Vec<_>>().join(" L"))
    };
    let (held, live) = (curve(|s| s.held_mib), curve(|s| s.live_mib));
    let (zero, top) = (y(0.0), y(most));
    writeln!(
        svg,
        r##"<text x="16" y="26" font-size="16">Memory of a pool: two threads under load, then all buffers are dropped</text>
<text x="16" y="46" fill="#666">MiB over seconds. Blue: requested by live buffers. Grey: held by the pool. A small gap is better.</text>
<line x1="60" y1="{zero}" x2="{WIDTH}" y2="{zero}" stroke="#999"/>
<text x="52" y="{zero}" text-anchor="end">0</text>
<text x="52" y="{top}" text-anchor="end" dy="10">{most:.0}</text>
<text x="60" y="{zero}" dy="18">0 s</text>
<text x="{WIDTH}" y="{zero}" dx="-20" dy="18" text-anchor="end">{last:.0} s</text>
<path d="{held}" fill="none" stroke="#8a94a6" stroke-width="2"/>
<path d="{live}" fill="none" stroke="#0969da" stroke-width="2"/>"##
    )
    .expect("writing to a string succeeds");
}

fn bars(svg: &mut String, methods: &[Measured], top: f64) {
    let most =
        methods.iter().map(|m| m.cost.cpu_seconds_per_gib()).fold(f64::MIN_POSITIVE, f64::max);
    writeln!(svg, r#"<text x="16" y="{top}" font-size="16">A file to a socket: processor seconds of the sender per GiB, best first</text>"#)
        .expect("writing to a string succeeds");
    for (n, Measured { title, cost }) in methods.iter().enumerate() {
        let y = top + 16.0 + 30.0 * n as f64;
        let seconds = cost.cpu_seconds_per_gib();
        let length = (WIDTH - LEFT - 80.0) * seconds / most;
        let (text, value) = (y + 16.0, LEFT + length + 8.0);
        writeln!(
            svg,
            r##"<text x="{LEFT}" y="{text}" text-anchor="end" dx="-10">{title}</text>
<rect x="{LEFT}" y="{y}" width="{length:.1}" height="22" rx="2" fill="#2a9d6f"/>
<text x="{value:.1}" y="{text}">{seconds:.3}</text>"##
        )
        .expect("writing to a string succeeds");
    }
}
