//! Ratios as a picture in SVG: groups of lines, each with a bar beside a dotted line at 1.

use std::fmt::Write;

/// The height of a line, in pixels.
const LINE: usize = 20;
/// The length of the longest bar.
const BAR: f64 = 420.0;

/// How a picture is laid out.
pub(crate) struct Picture<'a> {
    pub(crate) legend: &'a str,
    /// The width of the labels, in pixels.
    pub(crate) labels: usize,
    /// The width of the notes after the longest bar, in pixels.
    pub(crate) notes: usize,
    /// The largest ratio. Longer bars are truncated.
    pub(crate) span: f64,
}

/// Lines under a title.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// A ratio. The bar is green if it is good, and red otherwise.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) ratio: f64,
    pub(crate) good: bool,
    /// The largest ratio that passes: a stroke.
    pub(crate) limit: Option<f64>,
    pub(crate) note: String,
}

impl Picture<'_> {
    /// Returns the SVG of these groups.
    pub(crate) fn draw(&self, groups: &[Group]) -> String {
        let lines: usize = groups.iter().map(|group| group.lines.len()).sum();
        let width = self.labels + BAR as usize + self.notes;
        let height = (lines + 2 * groups.len() + 2) * LINE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"14\">{}</text>\n",
            escape(self.legend)
        );
        let mut y = LINE;
        for Group { title, lines } in groups {
            y += LINE;
            let title = escape(title);
            let _ = writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
            y += LINE;
            for line in lines {
                let _ = writeln!(svg, "{}", self.line(line, y));
                y += LINE;
            }
        }
        let one = self.x(1.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{one:.1} {LINE} V{y}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>"
        );
        svg
    }

    fn x(&self, ratio: f64) -> f64 {
        self.labels as f64 + ratio.min(self.span) / self.span * BAR
    }

    /// Returns a line whose text stands at `y`.
    fn line(&self, line: &Line, y: usize) -> String {
        let (labels, top, end) = (self.labels, y - 11, self.x(line.ratio));
        let colour = if line.good { "#2e7d5b" } else { "#c0504d" };
        let (label, note) = (escape(&line.label), escape(&line.note));
        let mut svg = format!(
            "<text x=\"{labels}\" dx=\"-8\" y=\"{y}\" text-anchor=\"end\">{label}</text>\n\
             <rect x=\"{labels}\" y=\"{top}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\n",
            end - labels as f64
        );
        if line.ratio > self.span {
            let (from, gap) = (end - 16.0, top - 1);
            let _ = writeln!(
                svg,
                "<path d=\"M{from:.1} {gap} l-6 16\" stroke=\"white\" stroke-width=\"4\"/>"
            );
        }
        let limit = line.limit.map(|limit| self.x(limit));
        if let Some(limit) = limit {
            let above = top - 2;
            let _ = writeln!(
                svg,
                "<path d=\"M{limit:.1} {above} v18\" stroke=\"black\" stroke-width=\"2\"/>"
            );
        }
        let behind = end.max(self.x(1.0)).max(limit.unwrap_or(0.0)) + 6.0;
        let _ = write!(svg, "<text x=\"{behind:.1}\" y=\"{y}\" font-size=\"10\">{note}</text>");
        svg
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
