//! Runs every path in turn and reports the results.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::cost::{Cost, Meter, discard};
use crate::paths::{PATHS, Path, Sent};
use crate::picture;

/// Sends a file by every path there is and compares what that costs.
#[derive(Debug, Parser)]
#[command(name = "transfer_paths")]
struct Options {
    /// Length of the file.
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,

    /// How often each path is measured; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Where the picture is put.
    #[arg(long, value_name = "FILE", default_value = "target/transfer_paths.svg")]
    picture: PathBuf,
}

/// What one path cost, in the middle.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) path: Path,
    pub(crate) cost: Cost,
}

pub(crate) fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transfer_paths: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> io::Result<()> {
    let file = Arc::new(make_file(options.size)?);
    for path in PATHS {
        transfer(path, &file, Sink::Compare, "check")?;
    }
    let (mut costs, mut lent) = (PATHS.map(|_| Vec::new()), (0, 0));
    for round in 1..=options.rounds {
        // In turn, so that whatever else the machine does meets all of them.
        for (path, costs) in PATHS.into_iter().zip(&mut costs) {
            let label = format!("round {round} of {}", options.rounds);
            let (cost, sent) = transfer(path, &file, Sink::Discard, &label)?;
            costs.push(cost);
            lent = (lent.0 + sent.lent, lent.1 + sent.copied);
        }
    }
    clear_line();
    let rows: Vec<_> = PATHS
        .into_iter()
        .zip(costs)
        .map(|(path, costs)| Row { path, cost: Cost::median(costs) })
        .collect();
    println!(
        "{:<24}{:>10}{:>14}{:>20}{:>9}",
        "path", "GiB/s", "CPU s/GiB", "system calls/GiB", "copies"
    );
    for Row { path, cost } in &rows {
        println!(
            "{:<24}{:>10.2}{:>14.3}{:>20.0}{:>9}",
            path.title(),
            cost.gib_per_second(),
            cost.cpu_seconds_per_gib(),
            cost.calls_per_gib(),
            path.copies(),
        );
    }
    let (lent, copied) = lent;
    println!(
        "\nof {lent} sends that were lent, the kernel copied at least {copied}: over loopback it does"
    );
    let picture = &options.picture;
    // There is no `target` where the program is run from elsewhere.
    let directory = picture.parent().map_or(Ok(()), std::fs::create_dir_all);
    let drawn = picture::draw(&rows, options.size);
    directory.and_then(|()| std::fs::write(picture, drawn)).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", picture.display()))
    })?;
    println!("\nthe same as a picture: {}", picture.display());
    Ok(())
}

/// Creates a sealed file, which cannot change.
fn make_file(mib: u64) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("transfer_paths", flags)?);
    let mut block = vec![0; 1 << 20];
    for n in 0..mib {
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = (at as u64 / 3 + n) as u8;
        }
        file.write_all(&block)?;
    }
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(file)
}

#[derive(Clone, Copy, Debug)]
enum Sink {
    Compare,
    Discard,
}

fn transfer(path: Path, file: &Arc<File>, sink: Sink, label: &str) -> io::Result<(Cost, Sent)> {
    let length = file.metadata()?.len();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let out = TcpStream::connect(listener.local_addr()?)?;
    out.set_nodelay(true)?;
    let (stream, _) = listener.accept()?;
    let original = file.clone();
    let receiver = thread::spawn(move || match sink {
        Sink::Compare => compare_with(&original, &stream),
        Sink::Discard => discard(&stream),
    });
    let mut shown = 0;
    let meter = Meter::start();
    let sent = path.send(file, &out, |sent| {
        if sent - shown >= length / 20 {
            shown = sent;
            show(&format!("{label}: {:<24}", path.title()), sent, length);
        }
    });
    drop(out);
    let cost = sent.map(|sent| (meter.stop(length, sent.system_calls), sent));
    let received = receiver.join().expect("the receiver does not panic")?;
    let cost = cost?;
    if received != length {
        let message = format!("of {length} bytes {received} arrived by {}", path.title());
        return Err(io::Error::other(message));
    }
    Ok(cost)
}

/// Reads to the end of the stream, which must be the file.
fn compare_with(file: &File, mut stream: &TcpStream) -> io::Result<u64> {
    let (mut received, mut expected) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    let mut at = 0;
    loop {
        let length = stream.read(&mut received)?;
        if length == 0 {
            return Ok(at);
        }
        file.read_exact_at(&mut expected[..length], at)?;
        if received[..length] != expected[..length] {
            return Err(io::Error::other(format!("wrong bytes arrived, at {at} or behind")));
        }
        at += length as u64;
    }
}

/// Prints the progress line to a terminal.
fn show(label: &str, sent: u64, length: u64) {
    if io::stderr().is_terminal() {
        let done = (sent * 20 / length) as usize;
        let bar = format!("{}{}", "#".repeat(done), ".".repeat(20 - done));
        eprint!("\r{label} [{bar}] {} of {} MiB ", sent >> 20, length >> 20);
    }
}

fn clear_line() {
    if io::stderr().is_terminal() {
        eprint!("\r{:78}\r", "");
    }
}
