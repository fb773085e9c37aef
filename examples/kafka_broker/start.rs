//! The command line, the signals, and the final messages.

use std::convert::Infallible;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::net::TcpListener;

use crate::broker::{self, Broker};
use crate::demo;
use crate::limits;
use crate::log::partition::SyncMode;
use crate::log::topics::Settings;
use crate::output::{say, warn};

/// Serves Kafka clients out of a directory.
#[derive(Debug, Parser)]
#[command(name = "kafka_broker")]
struct Options {
    /// Address and port to listen on; port 0 selects a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092")]
    listen: String,

    /// Address that clients get in metadata, if it differs from the address that they connected to.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    advertise: Option<(String, u16)>,

    /// Partitions of new topics.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,

    /// When the broker acknowledges a batch that is sent with `acks=all`.
    #[arg(long, value_enum, default_value_t = SyncMode::Batch)]
    sync: SyncMode,

    /// Size of new segments.
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(2..=1 << 20))]
    segment: u64,

    /// How batches travel to consumers.
    #[arg(long, value_enum, default_value_t = broker::Path::Sendfile)]
    path: broker::Path,

    /// Maximum share of one client: of the 4096 partitions, of the 16 MiB of committed offsets, and of the disk space
    /// that is free at the start. All connections from one address are one client, those of one proxy too. A restart resets
    /// the counts. 100 sets no limit by client.
    #[arg(long, value_name = "PERCENT", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=100))]
    share: u64,

    /// Maximum number of connections; a quarter of the descriptors is reserved for segments.
    #[arg(long, value_name = "N", default_value_t = 12_000)]
    connections: u64,

    /// Memory for the requests of all connections, again as much for their responses of more than 4 KiB, and again as much for
    /// the batches that `--path copy` copies.
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    memory: u64,

    /// Seconds without a request after which a connection is closed.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::IDLE,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    idle: u64,

    /// Seconds after which a connection is closed if a request has not arrived whole (one second more for each 64 KiB), if
    /// the peer reads nothing of a response, or if there is no memory for a response.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::STALLED,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    stalled: u64,

    /// Print a line for every second in which something happens.
    #[arg(long)]
    stats: bool,

    /// Measure how batching reduces system calls, in a temporary directory, with kcat if it is installed.
    #[arg(long)]
    demo: bool,

    /// File for the picture of the demonstration, an SVG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    /// Directory of the topics and offsets.
    #[arg(value_name = "DIR", default_value = "kafka")]
    directory: PathBuf,
}

impl Options {
    fn of_broker(&self, directory: &Path, descriptors: u64) -> broker::Options {
        broker::Options {
            topics: Settings {
                directory: directory.to_owned(),
                partitions: self.partitions,
                segment: self.segment << 20,
                sync: self.sync,
                share: self.share,
            },
            path: self.path,
            advertise: self.advertise.clone(),
            connections: self.connections.min(limits::connections_within(descriptors)),
            memory: usize::try_from(self.memory << 20).unwrap_or(usize::MAX),
            idle: Duration::from_secs(self.idle),
            stalled: Duration::from_secs(self.stalled),
        }
    }
}

fn demonstrate(options: &Options) -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    demo::run(
        options.of_broker(directory.path(), raise_descriptor_limit()),
        options.picture.as_deref(),
    )
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text.rsplit_once(':').ok_or("no port")?;
    Ok((host.to_owned(), port.parse().map_err(|_| format!("{port} is no port"))?))
}

pub(crate) fn main() -> ExitCode {
    let options = Options::parse();
    let ended = if options.demo {
        demonstrate(&options)
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.and_then(|runtime| runtime.block_on(serve(&options)))
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> io::Result<()> {
    let context = |what: String| {
        move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
    };
    let directory = options.directory.display();
    let _lock = lock(&options.directory).map_err(context(format!("cannot use {directory}")))?;
    let descriptors = raise_descriptor_limit();
    let broker = Broker::open(options.of_broker(&options.directory, descriptors))
        .map_err(context(format!("cannot open {directory}")))?;
    let listener =
        listen(&options.listen).map_err(context(format!("cannot listen on {}", options.listen)))?;
    say(format_args!("listening on {}, in {directory}", listener.local_addr()?));
    let ended = tokio::select! {
        error = broker.run(listener) => Err(error),
        signalled = signals() => signalled,
        never = report(&broker), if options.stats => match never {},
    };
    say(format_args!("{}", broker.snapshot()));
    ended
}

/// Locks the directory against other brokers, until the returned file is closed.
fn lock(directory: &Path) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    let file = File::create(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another broker has it"))
        }
    }
}

/// Listens with a longer queue than the standard library, for many clients that connect at the same time.
fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    rustix::net::listen(&listener, 4096)?;
    #[cfg(target_os = "linux")]
    if listener.local_addr()?.ip().is_loopback() {
        // All clients are on this machine, so pacing is of no use. BBR, the default of some systems, sends each
        // piece by a timer. Connections inherit the choice; if the kernel refuses it, the default stays.
        let _ = rustix::net::sockopt::set_tcp_congestion(&listener, "reno");
    }
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Waits for SIGINT or SIGTERM.
async fn signals() -> io::Result<()> {
    let (signals, signalled) = UnixStream::pair()?;
    pipe::register(SIGINT, signalled.try_clone()?)?;
    pipe::register(SIGTERM, signalled)?;
    signals.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(signals)?.readable().await
}

/// Prints a line for every second in which something happens.
async fn report(broker: &Arc<Broker>) -> Infallible {
    let mut before = broker.snapshot();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let now = broker.snapshot();
        if !now.is_quiet_since(&before) {
            say(format_args!("{}", now.progress(&before)));
        }
        before = now;
    }
}

/// Raises the limit of descriptors as far as allowed, as each connection and each segment needs one; returns the limit.
fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If this fails, the soft limit stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
