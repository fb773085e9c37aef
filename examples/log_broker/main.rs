//! A log broker: producers append records over TCP, consumers fetch ranges of the log, which go
//! from the file to the socket by sendfile.
//!
//! ```text
//! cargo run --release --features tokio --example log_broker -- --demo
//! cargo run --release --features tokio --example log_broker -- [--listen ADDR] [DIR]
//! ```
//!
//! The first runs for some seconds on a directory of its own, with producers and a consumer that
//! checks what it gets; a line per second shows how much goes in and out. The second serves a
//! directory until it is stopped, by whatever means: a record is acknowledged when it has been
//! synced, and what was acknowledged is there when the broker is started again, after `kill -9`
//! too.
//!
//! To read it from the top: `protocol` (what is said over a connection), `broker` (the
//! connections, and one sync for all of them), `log` (the segments in the directory), `client`
//! (the other side), `demo`.

#[cfg(unix)]
mod broker;
#[cfg(unix)]
mod client;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod protocol;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example sends files to descriptors, which Unix has");
}

#[cfg(unix)]
mod start {
    use std::io;
    use std::path::PathBuf;
    use std::process::ExitCode;

    use clap::Parser;
    use tokio::net::TcpListener;

    use crate::broker::Broker;
    use crate::demo;
    use crate::log::Log;

    /// Keeps a log that producers append to and consumers read.
    #[derive(Debug, Parser)]
    #[command(name = "log_broker")]
    struct Options {
        /// Address and port to listen on; port 0 picks a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
        listen: String,

        /// The size of new segments; a record must fit into one.
        #[arg(long, value_name = "KIB", default_value_t = 64 * 1024,
              value_parser = clap::value_parser!(u64).range(4..=1 << 30))]
        segment: u64,

        /// Show it at work: with producers and a consumer, on a directory of its own.
        #[arg(long)]
        demo: bool,

        /// How long the demonstration takes.
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        seconds: u64,

        /// Where the log is kept.
        #[arg(value_name = "DIR", default_value = "log")]
        directory: PathBuf,
    }

    pub(crate) fn main() -> ExitCode {
        let options = Options::parse();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime.and_then(|runtime| {
            let segment = options.segment * 1024;
            if options.demo {
                runtime.block_on(demo::run(segment, options.seconds))
            } else {
                runtime.block_on(serve(&options, segment))
            }
        });
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("log_broker: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(options: &Options, segment: u64) -> io::Result<()> {
        let context = |what: String| {
            move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
        };
        let directory = options.directory.display();
        let log = Log::open(&options.directory, segment)
            .map_err(context(format!("cannot open the log in {directory}")))?;
        let listener = TcpListener::bind(&options.listen)
            .await
            .map_err(context(format!("cannot listen on {}", options.listen)))?;
        let address = listener.local_addr()?;
        println!("listening on {address}, the log reaches to {}", log.end());
        Broker::new(log).run(listener).await
    }
}
