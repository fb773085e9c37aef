//! The command line, the signals, and the final report.

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rustix::net::sockopt::{set_tcp_congestion, set_tcp_nodelay};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ServerConfig;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::files::Root;
use crate::server::{Ending, Limits, Server};
use crate::shelf::FILES;
use crate::site::{Site, Transfer};
use crate::tls;

/// Serves the files of a directory over HTTP/1.1.
#[derive(Debug, Parser)]
#[command(name = "file_server")]
struct Options {
    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,

    /// How the bodies of files travel to the socket.
    #[arg(long, value_enum, default_value_t = Transfer::Sendfile)]
    path: Transfer,

    /// Speak TLS, with this certificate chain and its key, in PEM.
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Option<Vec<PathBuf>>,

    /// Make that pair first: a certificate for this machine that signs itself, and its key.
    #[arg(long, requires = "tls")]
    self_signed: bool,

    /// Seconds that a connection may go without a byte sent or a request begun.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,

    /// Seconds that replies may go on after SIGTERM or SIGINT.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    grace: Duration,

    /// Print a line for every request.
    #[arg(long)]
    log: bool,

    /// The directory to serve.
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

pub(crate) fn main() -> ExitCode {
    match serve(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("file_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> io::Result<()> {
    let context = |what: String| {
        move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
    };
    let directory = &options.directory;
    let root = Root::new(directory)
        .map_err(|errno| context(format!("cannot serve {}", directory.display()))(errno.into()))?;
    let tls = options.tls.as_deref().map(|pair| load_pair(pair, options)).transpose()?;
    let listener = TcpListener::bind(&options.listen)
        .map_err(context(format!("cannot listen on {}", options.listen)))?;
    // Connections inherit it. The queue itself says when more is to come (MSG_MORE).
    set_tcp_nodelay(&listener, true)?;
    let address = listener.local_addr()?;
    if address.ip().is_loopback() {
        // Every client is on this machine: no network has to be shared or paced for. BBR paces each
        // connection with timers, and half the throughput of large files was measured with it.
        // Where this is refused the default stays.
        let _ = set_tcp_congestion(&listener, "reno");
    }
    // A longer backlog than the standard library's, for many clients that come at once.
    rustix::net::listen(&listener, 4096)?;
    let limits = Limits {
        connections: connections_within(raise_descriptor_limit()),
        timeout: options.timeout,
        grace: options.grace,
    };

    let (signals, signalled) = UnixStream::pair()?;
    pipe::register(SIGINT, signalled.try_clone()?)?;
    pipe::register(SIGTERM, signalled)?;

    let site = Site::new(root, options.path, options.log);
    let server = Server::new(listener, signals, site, limits, tls)?;
    let mut out = io::stdout();
    // A reader of the output that is gone is no reason to stop serving.
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let _ = writeln!(out, "listening on {scheme}://{address}");
    let (tally, ending) = server.run()?;
    if let Ending::CutShort(connections @ 1..) = ending {
        let _ = writeln!(out, "ended with {connections} connections unfinished");
    }
    let _ = writeln!(out, "{}", tally.report());
    Ok(())
}

/// Reads the certificate and the key, and makes them before if that is asked for.
fn load_pair(pair: &[PathBuf], options: &Options) -> io::Result<Arc<ServerConfig>> {
    let [certificate, key] = pair else { unreachable!("the option takes two values") };
    if options.path == Transfer::Splice {
        let message = "--path splice sends past the process, and --tls encrypts in it";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if options.self_signed {
        let name = format!("{}, {}", certificate.display(), key.display());
        tls::make_pair(certificate, key).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {name}: {error}"))
        })?;
    }
    tls::config(certificate, key)
}

/// Asks for all descriptors that the hard limit allows, and returns how many there are.
fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused only if the hard limit is odd, and then the soft one stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Returns the number of connections that leave a quarter of the descriptors to files.
fn connections_within(descriptors: u64) -> usize {
    /// The standard streams, the listener, the epoll, the signals, the served directory; and the
    /// files that are kept open.
    const OWN: u64 = 16 + FILES as u64;
    let connections = descriptors.saturating_sub(OWN) / 4 * 3;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
