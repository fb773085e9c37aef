//! Runs each method in turn and reports the results.

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
use crate::methods::{METHODS, Method, Sent};
use crate::output::{self, print_line};
use crate::picture;

/// Sends a file to a socket by each method and compares the cost.
#[derive(Debug, Parser)]
#[command(name = "transfer_paths")]
struct Options {
    /// Length of the file in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,

    /// Measurements of each method; the median is reported.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// The file that the picture is written to.
    #[arg(long, value_name = "FILE", default_value = "target/transfer_paths.svg")]
    picture: PathBuf,
}

/// The median cost of one method.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) cost: Cost,
}

pub(crate) fn main() -> ExitCode {
    output::exit_code(compare(&Options::parse()))
}

fn compare(options: &Options) -> io::Result<()> {
    let mut picture = output::create_picture(&options.picture)?;
    let file = Arc::new(make_file(options.size)?);
    for method in METHODS {
        transfer(method, &file, Sink::Compare, "check")?;
    }
    let (mut costs, mut zero_copy, mut copied) = (METHODS.map(|_| Vec::new()), 0, 0);
    for round in 1..=options.rounds {
        // In turn, so that other load on the machine affects all methods alike.
        for (method, costs) in METHODS.into_iter().zip(&mut costs) {
            let label = format!("round {round} of {}", options.rounds);
            let (cost, sent) = transfer(method, &file, Sink::Discard, &label)?;
            costs.push(cost);
            (zero_copy, copied) = (zero_copy + sent.zero_copy, copied + sent.copied);
        }
    }
    clear_line();
    let rows: Vec<_> = METHODS
        .into_iter()
        .zip(costs)
        .map(|(method, costs)| Row { method, cost: Cost::median(costs) })
        .collect();
    print_line(format_args!(
        "{:<24}{:>10}{:>14}{:>20}{:>9}",
        "method", "GiB/s", "CPU s/GiB", "system calls/GiB", "copies"
    ));
    for Row { method, cost } in &rows {
        print_line(format_args!(
            "{:<24}{:>10.2}{:>14.3}{:>20.0}{:>9}",
            method.title(),
            cost.gib_per_second(),
            cost.cpu_seconds_per_gib(),
            cost.calls_per_gib(),
            method.copies(),
        ));
    }
    print_line(format_args!(
        "\nThe kernel copied at least {copied} of {zero_copy} zero-copy sends, as it does over loopback."
    ));
    let path = options.picture.display();
    picture
        .write_all(picture::draw(&rows, options.size).as_bytes())
        .map_err(output::context(format_args!("cannot write {path}")))?;
    print_line(format_args!("\nA picture of the processor time: {path}"));
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

fn transfer(method: Method, file: &Arc<File>, sink: Sink, label: &str) -> io::Result<(Cost, Sent)> {
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
    let sent = method.send(file, &out, |sent| {
        if sent - shown >= length / 20 {
            shown = sent;
            show(&format!("{label}: {:<24}", method.title()), sent, length);
        }
    });
    drop(out);
    let cost = sent.map(|sent| (meter.stop(length, sent.system_calls), sent));
    let received = receiver.join().expect("the receiver does not panic")?;
    let cost = cost?;
    if received != length {
        let message = format!("{received} of {length} bytes arrived by {}", method.title());
        return Err(io::Error::other(message));
    }
    Ok(cost)
}

/// Reads to the end of the stream and compares each byte with the file.
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
            return Err(io::Error::other(format!(
                "the bytes received from offset {at} on differ from the file"
            )));
        }
        at += length as u64;
    }
}

/// Prints the progress line to a terminal.
fn show(label: &str, sent: u64, length: u64) {
    if io::stderr().is_terminal() {
        // It fits 60 columns: a longer line could not be overwritten in a narrow terminal.
        let (sent, length) = (sent >> 20, length >> 20);
        let _ = write!(io::stderr(), "\r{label} {sent:>4} of {length} MiB");
    }
}

fn clear_line() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r{:59}\r", "");
    }
}
