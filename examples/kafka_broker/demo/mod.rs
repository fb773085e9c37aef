//! Shows how batching changes the system calls of a broker, as figures and as a picture.
//!
//! The demonstration produces the same records in batches of 1, 10, 100 and 1000, compressed and uncompressed, and consumes them
//! again. The client forms the batches (`batch.size`, `linger.ms`); the broker passes them through.

pub(crate) mod batches;
mod client;
mod picture;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::broker::{Broker, Options};
use crate::output::say;
use crate::stats::Snapshot;
use batches::Codec;
use client::Client;

const RECORDS: usize = 20_000;
/// Maximum for each row, so that small batches do not take long.
const REQUESTS: usize = 500;
const RECORD: usize = 100;
const BATCHES: [usize; 4] = [1, 10, 100, 1000];

/// The result of one run.
#[derive(Debug, Clone, Copy)]
struct Row {
    codec: Codec,
    per_batch: usize,
    /// System calls of the broker for each record.
    produce: f64,
    consume: f64,
    /// Bytes of the log for each record.
    stored: f64,
    seconds: f64,
}

/// Runs the broker on a thread of its own, measures it, and prints the table and the broker's statistics.
pub(crate) fn run(options: Options, picture: Option<&Path>) -> io::Result<()> {
    let (address, broker, stop, served) = serve(options)?;
    let client = Client::find();
    let name = match client {
        Client::Kcat => "kcat",
        Client::Own => "a client of this program (kcat is not installed)",
    };
    say(format_args!(
        "Records of {RECORD} bytes are produced and consumed by {name}, at {address}."
    ));
    say(format_args!("The table has the broker's system calls that move bytes, and its syncs.\n"));
    say(format_args!("         records in  system calls for a record  bytes of a record"));
    say(format_args!(
        "   codec    a batch       produced    consumed         in the log      time"
    ));
    let values: Vec<_> = (0..RECORDS).map(value).collect();
    let mut rows = Vec::new();
    for codec in Codec::ALL {
        for per_batch in BATCHES {
            let values = &values[..RECORDS.min(REQUESTS * per_batch)];
            let row = measure(&broker, client, address, values, codec, per_batch)?;
            say(format_args!(
                "{:>8} {:>10} {:>14.4} {:>11.4} {:>18.1} {:>7.2} s",
                codec.name(),
                per_batch,
                row.produce,
                row.consume,
                row.stored,
                row.seconds
            ));
            rows.push(row);
        }
    }
    if let [one, .., thousand] = &rows[..BATCHES.len()] {
        say(format_args!(
            "\nA batch of {} records needs {:.0} times fewer system calls for each record than a batch of {}.",
            thousand.per_batch,
            one.produce / thousand.produce,
            one.per_batch
        ));
    }
    if let Some(path) = picture {
        std::fs::write(path, picture::draw(&rows, name))?;
        say(format_args!("\nThe picture is in {}.", path.display()));
    }
    say(format_args!("\n{}", broker.snapshot()));
    // An error means that the broker has ended already.
    let _ = stop.send(());
    served.join().expect("the broker does not panic")
}

/// A value of letters and digits, as log lines are: half of it repeats.
fn value(n: usize) -> Vec<u8> {
    let mut value = format!("{n} GET /item/{:x} 200 user={} ", n * 7919, n * n % 9973).into_bytes();
    value.resize(RECORD, b'.');
    value
}

fn measure(
    broker: &Broker,
    client: Client,
    address: SocketAddr,
    values: &[Vec<u8>],
    codec: Codec,
    per_batch: usize,
) -> io::Result<Row> {
    let topic = format!("{}-{per_batch}", codec.name());
    let begun = Instant::now();
    let before = broker.snapshot();
    during(broker, "produces", || client.produce(address, &topic, values, per_batch, codec))?;
    let produced = broker.snapshot();
    during(broker, "consumes", || client.consume(address, &topic, values.len()))?;
    let consumed = broker.snapshot();
    let per_record = |calls: u64| calls as f64 / values.len() as f64;
    let calls = Snapshot::system_calls;
    Ok(Row {
        codec,
        per_batch,
        produce: per_record(calls(&produced) - calls(&before)),
        consume: per_record(calls(&consumed) - calls(&produced)),
        stored: per_record(produced.appended - before.appended),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Does something while a line shows the progress, if a terminal shows the output.
fn during<T>(broker: &Broker, what: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if !io::stdout().is_terminal() {
        return work();
    }
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut before = broker.snapshot();
            while is_done
                .recv_timeout(Duration::from_millis(200))
                .is_err_and(|e| e == mpsc::RecvTimeoutError::Timeout)
            {
                let now = broker.snapshot();
                let _ = write!(io::stdout(), "\r{what}: {}", now.progress(&before));
                let _ = io::stdout().flush();
                before = now;
            }
            let _ = write!(io::stdout(), "\r{:120}\r", "");
        });
        let result = work();
        drop(done);
        result
    })
}

type Served = (SocketAddr, Arc<Broker>, oneshot::Sender<()>, thread::JoinHandle<io::Result<()>>);

/// Starts the broker on a thread of its own.
fn serve(options: Options) -> io::Result<Served> {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = mpsc::channel();
    let served = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let broker = Broker::open(options)?;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let there = (listener.local_addr()?, broker.clone());
            tell.send(there).map_err(io::Error::other)?;
            tokio::select! {
                error = broker.run(listener) => Err(error),
                _ = stopped => Ok(()),
            }
        })
    });
    match told.recv() {
        Ok((address, broker)) => Ok((address, broker, stop, served)),
        // The broker ended before it listened; its result says why.
        Err(_) => match served.join().expect("the broker does not panic") {
            Err(error) => Err(error),
            Ok(()) => unreachable!("it is not stopped before it has begun"),
        },
    }
}
