//! A TCP proxy: it moves the bytes of each side to the other by splice, through pooled pipes, so that they never enter the
//! process.
//!
//! ```text
//! cargo run --release --features tokio --example proxy -- --demo
//! cargo run --release --features tokio --example proxy -- --to HOST:PORT [--path splice|copy]
//! ```
//!
//! The first command needs no other program: it sends a few GiB through itself by each path in turn, and prints the cost of each.
//! The second relays to a server and prints a line per connection, with the bytes in both directions. When one side has sent its
//! last byte, the proxy shuts down that direction to the other side, which can still answer. A connection without traffic holds
//! neither a pipe nor a buffer.
//!
//! `relay` is the proxy, `demo` the demonstration.

#[cfg(unix)]
#[path = "../common/cost.rs"]
mod cost;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod relay;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example relays between descriptors, which Unix has");
}

#[cfg(unix)]
mod start {
    use std::io::{self, Write};
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    use clap::Parser;
    use tokio::net::{TcpListener, TcpStream};

    use crate::demo;
    use crate::relay::{Path, Relay};

    /// Relays TCP connections to a server.
    #[derive(Debug, Parser)]
    #[command(name = "proxy")]
    struct Options {
        /// The server to relay to.
        #[arg(long, value_name = "ADDR", required_unless_present = "demo", default_value = "")]
        to: String,

        /// Address and port to listen on; port 0 picks a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
        listen: String,

        /// How the bytes travel from one socket to the other.
        #[arg(long, value_enum, default_value_t = Path::Splice)]
        path: Path,

        /// Measure both paths between a source and a sink of its own.
        #[arg(long, conflicts_with_all = ["to", "path"])]
        demo: bool,

        /// What one measurement of the demonstration sends.
        #[arg(long, value_name = "MIB", default_value_t = 1024)]
        size: u64,
    }

    pub(crate) fn main() -> ExitCode {
        let options = Options::parse();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime.and_then(|runtime| {
            if options.demo {
                runtime.block_on(demo::run(options.size.saturating_mul(1 << 20)))
            } else {
                runtime.block_on(serve(options))
            }
        });
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("proxy: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(options: Options) -> io::Result<()> {
        let listener = TcpListener::bind(&options.listen).await?;
        let address = listener.local_addr()?;
        println!("listening on {address}, relaying to {} by {:?}", options.to, options.path);
        let to: &'static str = options.to.leak();
        loop {
            match listener.accept().await {
                Ok((client, peer)) => {
                    tokio::spawn(async move {
                        let line = connection(client, to, options.path).await;
                        // The output may be closed; this is not an error of the proxy.
                        let _ = writeln!(io::stdout(), "{peer}: {line}");
                    });
                }
                // Out of descriptors, say: some connection will end.
                Err(error) => {
                    eprintln!("proxy: cannot accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Relays one connection to its end, and tells what came of it.
    async fn connection(client: TcpStream, to: &str, path: Path) -> String {
        let begun = Instant::now();
        let server = match TcpStream::connect(to).await {
            Ok(server) => server,
            Err(error) => return format!("cannot reach {to}: {error}"),
        };
        let mut relay = Relay::new(path);
        let ending = match relay.run(&client, &server).await {
            Ok(()) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let (there, back) = (relay.there.moved_bytes(), relay.back.moved_bytes());
        format!("{there} bytes there, {back} bytes back in {seconds:.3} s, {ending}")
    }
}
