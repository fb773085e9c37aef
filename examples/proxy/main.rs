//! A TCP proxy that moves bytes between two sockets by `splice`, through pooled pipes. The bytes never enter the process.
//!
//! ```text
//! cargo run --release --features tokio --example proxy -- --demo
//! cargo run --release --features tokio --example proxy -- --to HOST:PORT [--path splice|copy]
//! ```
//!
//! The first command needs no other program: it sends a few GiB through itself by each method in turn, and prints the cost.
//! The second relays to a server and prints a line per connection, with the bytes in both directions. When one side has sent its
//! last byte, the proxy shuts down that direction to the other side, which can still answer. An idle connection holds neither a
//! pipe nor a buffer.
//!
//! `relay` is the proxy, `demo` the demonstration.

#[cfg(unix)]
#[path = "../common/cost.rs"]
mod cost;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
#[path = "../common/output.rs"]
mod output;
#[cfg(unix)]
mod relay;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example needs Unix: it moves bytes between descriptors");
}

#[cfg(unix)]
mod start {
    use std::io;
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    use clap::Parser;
    use tokio::net::{TcpListener, TcpStream};

    use crate::demo;
    use crate::output::{self, context, say, warn};
    use crate::relay::{Method, Relay};

    /// Relays TCP connections to a server.
    #[derive(Debug, Parser)]
    #[command(name = "proxy")]
    struct Options {
        /// The server to relay to.
        #[arg(long, value_name = "HOST:PORT", required_unless_present = "demo",
              value_parser = host_and_port)]
        to: Option<String>,

        /// Address and port to listen on; port 0 picks a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
        listen: String,

        /// How bytes are moved from one socket to the other.
        #[arg(long, value_enum, default_value_t = Method::Splice)]
        path: Method,

        /// Measure both methods between a source and a sink in this process.
        #[arg(long, conflicts_with_all = ["to", "path"])]
        demo: bool,

        /// MiB that each measurement of the demonstration sends.
        #[arg(long, value_name = "MIB", default_value_t = 1024,
              value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
        size: u64,
    }

    /// Checks the form. The name is resolved for each connection, because its addresses may change.
    fn host_and_port(text: &str) -> Result<String, String> {
        let (host, port) = text.rsplit_once(':').ok_or("it has no port")?;
        port.parse::<u16>().map_err(|error| format!("port {port:?}: {error}"))?;
        if host.is_empty() { Err("it has no host".into()) } else { Ok(text.into()) }
    }

    pub(crate) fn main() -> ExitCode {
        let options = Options::parse();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime.and_then(|runtime| match options.to {
            None => runtime.block_on(demo::run(options.size << 20)),
            Some(server) => runtime.block_on(serve(&options.listen, server, options.path)),
        });
        output::exit_code(ended)
    }

    async fn serve(listen: &str, server: String, method: Method) -> io::Result<()> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(context(format_args!("cannot listen on {listen}")))?;
        let address = listener.local_addr()?;
        say(format_args!("listening on {address}, relaying to {server} by {method:?}"));
        let to: &'static str = server.leak();
        loop {
            match listener.accept().await {
                Ok((client, peer)) => {
                    tokio::spawn(async move {
                        say(format_args!("{peer}: {}", connection(client, to, method).await));
                    });
                }
                // For example, no descriptor is free. The end of a connection frees one.
                Err(error) => {
                    warn(format_args!("cannot accept: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Relays one connection to its end and returns a line that describes it.
    async fn connection(client: TcpStream, to: &str, method: Method) -> String {
        let begun = Instant::now();
        let server = match TcpStream::connect(to).await {
            Ok(server) => server,
            Err(error) => return format!("cannot reach {to}: {error}"),
        };
        let mut relay = Relay::new(method);
        let result = match relay.run(&client, &server).await {
            Ok(()) => "done".to_owned(),
            Err(error) => error.to_string(),
        };
        let seconds = begun.elapsed().as_secs_f64();
        let (sent, received) = (relay.to_server.moved_bytes(), relay.to_client.moved_bytes());
        format!(
            "{sent} bytes to the server, {received} bytes to the client in {seconds:.3} s, {result}"
        )
    }
}
