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
    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092")]
    listen: String,

    /// The address that clients get in metadata, if it differs from the one they connected to.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    advertise: Option<(String, u16)>,

    /// Partitions of new topics.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,

    /// When `acks=all` is acknowledged: after a sync, or after the write.
    #[arg(long, value_enum, default_value_t = SyncMode::Batch)]
    sync: SyncMode,

    /// The size of new segments.
    #[arg(long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(2..=1 << 20))]
    segment: u64,

    /// How batches travel to consumers.
    #[arg(long, value_enum, default_value_t = broker::Path::Sendfile)]
    path: broker::Path,

    /// The share that clients of one address may use, in hundredths: of the 4096 partitions, the 16 MiB of committed
    /// offsets, and the free space on the disk. Counted from the start of the broker.
    #[arg(long, value_name = "PERCENT", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..=100))]
    share: u64,

    /// The most connections at a time; a quarter of the descriptors is kept for segments.
    #[arg(long, value_name = "N", default_value_t = 12_000)]
    connections: u64,

    /// Memory for the requests of all connections; for their responses; and for the batches that `--path copy` copies.
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    memory: u64,

    /// Seconds that a connection may send no request.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::IDLE,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    idle: u64,

    /// Seconds that a request may take to arrive, besides one for each 64 KiB; and that a peer may read
    /// nothing of a response.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::STALLED,
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    stalled: u64,

    /// Print a line for every second in which something happens.
    #[arg(long)]
    stats: bool,

    /// Show what batching does to the system calls, on a directory of its own, by kcat if it is there.
    #[arg(long)]
    demo: bool,

    /// Where the demonstration draws its picture, an SVG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,

    /// Where topics and offsets are kept.
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

/// Keeps another broker off the directory, for as long as the file is open.
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

/// With a longer queue than the standard library's, for many clients that come at once.
fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    rustix::net::listen(&listener, 4096)?;
    #[cfg(target_os = "linux")]
    if listener.local_addr()?.ip().is_loopback() {
        // Every client is on this machine: no network has to be shared or paced for. BBR, the default
        // of some systems, sends each piece by a timer. Connections inherit the choice; where it is
        // refused, the default stays.
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

/// Each connection takes a descriptor, and each segment: asks for all that may be had, and returns the
/// number.
fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused only if the hard limit is odd, and then the soft one stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
