//! Starts the servers in turns, with clients that do the same work for each, and collects their usage.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Options;
use crate::child::Usage;
use crate::scenarios::{self, SCENARIOS, Scenario};
use crate::table::{Row, Table};

/// The programs, each by its allocator.
const PROGRAMS: [(&str, &str); 2] = [("glibc", "end_to_end"), ("mimalloc", "end_to_end_mimalloc")];

/// How long the connections are idle before the memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// Measures the selected scenarios, prints the table and draws the picture.
pub(crate) fn all(options: &Options) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    scenarios::write_files(dir.path())?;
    let mut table = Table::default();
    for scenario in SCENARIOS {
        if options.only.as_ref().is_none_or(|only| only == scenario.name) {
            table.rows.extend(rows(scenario, options, dir.path())?);
        }
    }
    print!("\n{table}");
    if let Some(path) = &options.picture {
        File::create(path)?.write_all(table.picture().as_bytes())?;
    }
    Ok(())
}

/// Runs all variants on all allocators in turns.
fn rows(scenario: &'static Scenario, options: &Options, dir: &Path) -> io::Result<Vec<Row>> {
    let each = scenario.variants.iter().map(|variant| variant.name);
    let mut rows: Vec<Row> = PROGRAMS
        .iter()
        .flat_map(|(allocator, _)| {
            each.clone().map(|variant| Row::new(scenario, variant, allocator))
        })
        .collect();
    for round in 0..options.rounds {
        for row in &mut rows {
            let usage = once(scenario, row.variant, row.allocator, options.quick, dir)?;
            println!(
                "{} {}/{}: {} on {}: {:.2} s, peak {} MiB, idle {} MiB",
                scenario.name,
                round + 1,
                options.rounds,
                row.variant,
                row.allocator,
                usage.cpu.as_secs_f64(),
                usage.peak >> 10,
                usage.resident >> 10
            );
            row.usages.push(usage);
        }
    }
    Ok(rows)
}

/// Runs a server with its clients, and returns its usage after the work and an idle time.
fn once(
    scenario: &Scenario,
    variant: &str,
    allocator: &str,
    quick: bool,
    dir: &Path,
) -> io::Result<Usage> {
    let mut args = vec!["serve", scenario.name, variant, dir.to_str().expect("UTF-8")];
    let mut server = Process::start(allocator, &args)?;
    let port = server.line()?;
    args = vec!["load", scenario.name, port.trim()];
    args.extend(quick.then_some("--quick"));
    let mut clients = Process::start(PROGRAMS[0].0, &args)?;
    if clients.line()?.trim() != "done" {
        return Err(io::Error::other(format!("the clients of {} failed", scenario.name)));
    }
    std::thread::sleep(if quick { IDLE / 30 } else { IDLE });
    server.ask("usage")?;
    let line = server.line()?;
    Usage::from_line(&line).ok_or_else(|| io::Error::other(format!("no usage: {line:?}")))
}

/// A child process that exchanges lines; dropping it ends the child.
struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(allocator: &str, args: &[&str]) -> io::Result<Self> {
        let (_, program) = PROGRAMS.iter().find(|(name, _)| *name == allocator).expect("known");
        let path = std::env::current_exe()?.with_file_name(program);
        let mut command = Command::new(&path);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}; cargo build first", path.display()))
        })?;
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, output })
    }

    fn ask(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.child.stdin.as_mut().expect("it is piped"), "{line}")
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
