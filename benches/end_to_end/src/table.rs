//! The measurements as a table.

use std::fmt;

use crate::child::Usage;
use crate::picture::{Group, Line, Picture};
use crate::scenarios::Scenario;

/// A variant of a scenario on an allocator.
pub(crate) struct Row {
    pub(crate) scenario: &'static Scenario,
    pub(crate) variant: &'static str,
    pub(crate) allocator: &'static str,
    pub(crate) usages: Vec<Usage>,
}

impl Row {
    pub(crate) fn new(
        scenario: &'static Scenario,
        variant: &'static str,
        allocator: &'static str,
    ) -> Self {
        Self { scenario, variant, allocator, usages: Vec::new() }
    }

    /// Returns whether the row is of `bytebuf`, which is the first variant of each scenario.
    pub(crate) fn is_ours(&self) -> bool {
        self.variant == self.scenario.variants[0].name
    }

    /// Returns the median of a figure.
    pub(crate) fn median(&self, figure: Figure) -> f64 {
        let mut values: Vec<f64> = self.usages.iter().map(|usage| figure.of(usage)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

/// The measured figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Cpu,
    Peak,
    Idle,
}

impl Figure {
    pub(crate) const ALL: [Self; 3] = [Self::Cpu, Self::Peak, Self::Idle];

    /// Seconds, or MiB.
    fn of(self, usage: &Usage) -> f64 {
        match self {
            Self::Cpu => usage.cpu.as_secs_f64(),
            Self::Peak => usage.peak as f64 / 1024.0,
            Self::Idle => usage.resident as f64 / 1024.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Peak => "peak memory",
            Self::Idle => "idle memory",
        }
    }

    fn unit(self) -> &'static str {
        if self == Self::Cpu { "s" } else { "MiB" }
    }
}

/// All rows, those of a scenario and an allocator next to one another.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// Returns the row of `bytebuf` on the same allocator.
    pub(crate) fn ours(&self, row: &Row) -> &Row {
        let ours = self.rows.iter().find(|other| {
            other.is_ours()
                && other.scenario.name == row.scenario.name
                && other.allocator == row.allocator
        });
        ours.expect("all variants are measured")
    }

    /// Returns an SVG of how many times ours each peer uses, the best of each figure first.
    pub(crate) fn picture(&self) -> String {
        let groups = Figure::ALL.map(|figure| {
            let peers = self.rows.iter().filter(|row| !row.is_ours());
            let line = |row: &Row| {
                let (peer, ours) = (row.median(figure), self.ours(row).median(figure));
                let ratio = peer / ours;
                Line {
                    label: format!("{}: {}, {}", row.scenario.title, row.variant, row.allocator),
                    ratio,
                    good: ratio >= 1.0,
                    limit: None,
                    note: format!("{peer:.2} / {ours:.2} = {ratio:.2}"),
                }
            };
            let mut lines: Vec<Line> = peers.map(line).collect();
            lines.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
            Group { title: format!("{}, {}", figure.name(), figure.unit()), lines }
        });
        let picture = Picture {
            title: "Whole servers on bytes, beside the same servers on bytebuf",
            meaning: "Each bar: the use of the server on bytes divided by that of the server on bytebuf. Longer is better for bytebuf.",
            better: "bytebuf uses less",
            worse: "bytebuf uses more",
            equal: 0.1,
            labels: 470,
            notes: 200,
            span: 4.0,
        };
        picture.draw(&groups)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| scenario | allocator | program | CPU s | peak MiB | idle MiB | CPU, peak, idle beside ours |"
        )?;
        writeln!(f, "| --- | --- | --- | ---: | ---: | ---: | --- |")?;
        for row in &self.rows {
            let (title, allocator, variant) = (row.scenario.title, row.allocator, row.variant);
            write!(f, "| {title} | {allocator} | {variant} |")?;
            let [cpu, peak, idle] = Figure::ALL.map(|figure| row.median(figure));
            write!(f, " {cpu:.2} | {peak:.0} | {idle:.0} |")?;
            if !row.is_ours() {
                let ours = self.ours(row);
                let times = Figure::ALL.map(|figure| row.median(figure) / ours.median(figure));
                write!(f, " {:.2}, {:.2}, {:.2}", times[0], times[1], times[2])?;
            }
            writeln!(f, " |")?;
        }
        Ok(())
    }
}
