//! Ratios as a picture in SVG: groups of lines, each with a bar beside a dotted line at 1.

use std::fmt::Write;

/// The height of a line, in pixels.
const LINE: usize = 20;
/// The length of the longest bar.
const BAR: f64 = 420.0;

/// The height of the title and the key.
const HEAD: usize = 84;

const GREEN: &str = "#2e7d5b";
const GREY: &str = "#9a9a9a";
const RED: &str = "#c0504d";

/// The texts and the measures of a picture.
pub(crate) struct Picture<'a> {
    pub(crate) title: &'a str,
    /// The meaning of a bar and of the note behind it.
    pub(crate) meaning: &'a str,
    /// The meanings of a green and of a red bar.
    pub(crate) better: &'a str,
    pub(crate) worse: &'a str,
    /// A ratio that differs from 1 by at most this much is grey.
    pub(crate) equal: f64,
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

/// A ratio, drawn as a bar.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) ratio: f64,
    pub(crate) good: bool,
    /// The target: the largest ratio that passes.
    pub(crate) limit: Option<f64>,
    pub(crate) note: String,
}

impl Picture<'_> {
    /// Returns the SVG of these groups.
    pub(crate) fn draw(&self, groups: &[Group]) -> String {
        let lines: usize = groups.iter().map(|group| group.lines.len()).sum();
        let width = self.labels + BAR as usize + self.notes;
        let height = HEAD + (lines + 2 * groups.len()) * LINE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"20\" font-size=\"15\" font-weight=\"bold\">{}</text>\n\
             <text x=\"10\" y=\"38\">{}</text>\n",
            escape(self.title),
            escape(self.meaning)
        );
        let has_target =
            groups.iter().flat_map(|group| &group.lines).any(|line| line.limit.is_some());
        self.draw_key(&mut svg, has_target);
        let mut y = HEAD - LINE;
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
            "<path d=\"M{one:.1} {} V{y}\" stroke=\"#444\" stroke-dasharray=\"3 3\"/>\n</svg>",
            HEAD - LINE
        );
        svg
    }

    /// Draws the meanings of the colours, of the dotted line and of the stroke.
    fn draw_key(&self, svg: &mut String, has_target: bool) {
        let mut x = 10;
        for (colour, meaning) in [(GREEN, self.better), (GREY, "about equal"), (RED, self.worse)] {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"46\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\n\
                 <text x=\"{}\" y=\"56\">{}</text>",
                x + 14,
                escape(meaning)
            );
            // The letters of this font are about 7 pixels wide.
            x += 34 + 7 * meaning.len();
        }
        let target = if has_target { "; stroke: our target" } else { "" };
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"56\">dotted: equal{target}</text>");
    }

    fn colour(&self, line: &Line) -> &'static str {
        match line.good {
            _ if (line.ratio - 1.0).abs() <= self.equal => GREY,
            true => GREEN,
            false => RED,
        }
    }

    fn x(&self, ratio: f64) -> f64 {
        self.labels as f64 + ratio.min(self.span) / self.span * BAR
    }

    /// Returns a line whose text stands at `y`.
    fn line(&self, line: &Line, y: usize) -> String {
        let (labels, top, end) = (self.labels, y - 11, self.x(line.ratio));
        let colour = self.colour(line);
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
