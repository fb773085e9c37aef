//! The command line, the signals, and the final report.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use rustix::net::sockopt::{set_tcp_congestion, set_tcp_nodelay};
use rustls::ServerConfig;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::descriptors;
use crate::file_cache::MAX_FILES;
use crate::files::Root;
use crate::output::{self, context, say};
use crate::server::{Ending, Limits, Server};
use crate::site::{Site, Transfer};
use crate::tls;

/// Serves the files of a directory over HTTP/1.1.
#[derive(Debug, Parser)]
#[command(name = "file_server")]
struct Options {
    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,

    /// How files are sent to the socket.
    #[arg(long, value_enum, default_value_t = Transfer::Sendfile)]
    path: Transfer,

    /// Serve over TLS with this certificate chain and its key, in PEM.
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Option<Vec<PathBuf>>,

    /// Create that pair first: a self-signed certificate for this machine, and its key.
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
    output::exit_code(serve(&Options::parse()))
}

fn serve(options: &Options) -> io::Result<()> {
    let directory = options.directory.display();
    let root = Root::new(&options.directory)
        .map_err(|errno| context(format_args!("cannot serve {directory}"))(errno.into()))?;
    let tls = options.tls.as_deref().map(|pair| load_pair(pair, options)).transpose()?;
    let listener = TcpListener::bind(&options.listen)
        .map_err(context(format_args!("cannot listen on {}", options.listen)))?;
    // Connections inherit it. The queue sets MSG_MORE when more bytes follow.
    set_tcp_nodelay(&listener, true)?;
    let address = listener.local_addr()?;
    if address.ip().is_loopback() {
        // Every client is on this machine, so no network is shared. BBR paces each connection with
        // timers, and halves the throughput of large files. If the kernel refuses, the default stays.
        let _ = set_tcp_congestion(&listener, "reno");
    }
    // A longer backlog than the standard library's, for many clients that connect at once.
    rustix::net::listen(&listener, 4096)?;
    let limits = Limits {
        connections: connections_within(descriptors::raise_limit()),
        timeout: options.timeout,
        grace: options.grace,
    };

    let (signals, signalled) = UnixStream::pair()?;
    pipe::register(SIGINT, signalled.try_clone()?)?;
    pipe::register(SIGTERM, signalled)?;

    let site = Site::new(root, options.path, options.log);
    let server = Server::new(listener, signals, site, limits, tls)?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    say(format_args!("listening on {scheme}://{address}"));
    let (counters, ending) = server.run()?;
    if let Ending::CutShort(connections @ 1..) = ending {
        say(format_args!("ended with {connections} connections unfinished"));
    }
    say(counters.report());
    Ok(())
}

/// Reads the certificate and the key; first creates them with `--self-signed`.
fn load_pair(pair: &[PathBuf], options: &Options) -> io::Result<Arc<ServerConfig>> {
    let [certificate, key] = pair else { unreachable!("the option takes two values") };
    if options.path == Transfer::Splice {
        let message = "--path splice bypasses the process, which must encrypt with --tls";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if options.self_signed {
        tls::make_pair(certificate, key)?;
    }
    tls::config(certificate, key)
}

/// Returns the number of connections that leave a quarter of the descriptors to files.
fn connections_within(descriptors: u64) -> usize {
    /// The standard streams, the listener, the epoll, the signals, the served directory; and the
    /// files that are kept open.
    const OWN: u64 = 16 + MAX_FILES as u64;
    let connections = descriptors.saturating_sub(OWN) / 4 * 3;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
