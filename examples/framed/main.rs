//! A small server and its client. Requests and answers are frames with a length prefix. The kernel sends the files in answers.
//!
//! ```text
//! cargo run --features tokio --example framed
//! cargo run --features tokio --example framed -- --listen 127.0.0.1:7000 DIR
//! ```
//!
//! The first command serves its own file of 64 MiB to a client in the same process, prints every step, and ends. The second
//! serves a directory until it is stopped. A request is `GET NAME`, `LIST` or any other text, which the server echoes.
//!
//! `server` contains the protocol and the server, `client` the client.

#[cfg(unix)]
mod client;
#[cfg(unix)]
#[path = "../common/output.rs"]
mod output;
#[cfg(unix)]
mod server;

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    use clap::Parser;

    /// Serves a directory over length-prefixed frames; without options, demonstrates it with a client.
    #[derive(Parser)]
    #[command(name = "framed")]
    struct Options {
        /// Address and port to listen on; port 0 picks a free one.
        #[arg(long, value_name = "ADDR", requires = "dir")]
        listen: Option<String>,

        /// The directory to serve.
        #[arg(value_name = "DIR", requires = "listen")]
        dir: Option<std::path::PathBuf>,
    }

    let options = Options::parse();
    let result = match options.listen.zip(options.dir) {
        None => client::demo().await,
        Some((address, dir)) => server::listen(&address, dir).await,
    };
    output::exit_code(result)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example needs Unix: it sends files when the socket is writable");
}
