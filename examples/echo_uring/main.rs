//! An echo server on `io_uring`: connections receive into the blocks of one ring and send from them, without copying.
//!
//! ```text
//! cargo run --release --features io-uring --example echo_uring
//! cargo run --release --features io-uring --example echo_uring -- --idle 10000
//! ```
//!
//! The first command serves. It prints a line for each connection that ends, with the blocks that the ring holds. The second
//! command opens 10,000 connections to itself, sends one message on each, and prints the memory that they hold while they are
//! idle; it compares this with one receive buffer per connection, and with `epoll` and `RecvSizer`.
//!
//! `server` is the server, `idle` the comparison.

#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
#[path = "../common/descriptors.rs"]
mod descriptors;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod idle;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
#[path = "../common/output.rs"]
mod output;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod server;

#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
fn main() {
    eprintln!("this example needs io_uring, on 64-bit little-endian Linux");
}

#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod start {
    use std::io;
    use std::net::TcpListener;
    use std::process::ExitCode;

    use bytebuf::{Consume, Pool};
    use clap::Parser;

    use crate::descriptors;
    use crate::idle::{self, Kind};
    use crate::output::{self, context, say};
    use crate::server::Server;

    /// Echoes what TCP connections send.
    #[derive(Debug, Parser)]
    #[command(name = "echo_uring")]
    struct Options {
        /// Address and port to listen on; port 0 picks a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777")]
        listen: String,

        /// The number of blocks that all connections receive into: a power of two up to 32768.
        #[arg(long, value_name = "BLOCKS", default_value_t = 64, value_parser = blocks)]
        blocks: u16,

        /// Fill blocks in parts (from Linux 6.12 on).
        #[arg(long)]
        incremental: bool,

        /// Compare the memory that this many idle connections hold.
        #[arg(long, value_name = "CONNECTIONS",
              value_parser = clap::value_parser!(u32).range(1..))]
        idle: Option<u32>,

        /// One part of the comparison.
        #[arg(long, hide = true)]
        measure: Option<Kind>,

        /// The peer of the comparison's connections.
        #[arg(long, hide = true)]
        connect: Option<String>,
    }

    pub(crate) fn main() -> ExitCode {
        output::exit_code(run(&Options::parse()))
    }

    fn blocks(text: &str) -> Result<u16, String> {
        let blocks = text.parse::<u16>().ok().filter(|&n| n.is_power_of_two());
        blocks.ok_or_else(|| "it is not a power of two up to 32768".into())
    }

    fn run(options: &Options) -> io::Result<()> {
        let descriptors = descriptors::raise_limit();
        match (options.idle, options.measure, &options.connect) {
            (Some(connections), _, Some(address)) => idle::connect(address, connections),
            (Some(connections), Some(kind), None) => idle::measure(kind, connections),
            (Some(connections), None, None) => idle::compare(connections, descriptors),
            (None, ..) => serve(options),
        }
    }

    fn serve(options: &Options) -> io::Result<()> {
        let listener = TcpListener::bind(&options.listen)
            .map_err(context(format_args!("cannot listen on {}", options.listen)))?;
        say(format_args!("listening on {}", listener.local_addr()?));
        let consume = if options.incremental { Consume::Incremental } else { Consume::Whole };
        let mut server = Server::new(listener, Pool::global(), options.blocks, consume)?;
        loop {
            for ended in server.turn()? {
                let held = server.held();
                say(format_args!(
                    "{}: {} bytes echoed{}; the ring holds {} blocks, {} bytes, for {} connections, and was empty {} times",
                    ended.peer,
                    ended.bytes,
                    ended.error.map(|error| format!(", then {error}")).unwrap_or_default(),
                    held.offered,
                    held.bytes,
                    server.connections(),
                    held.starved,
                ));
            }
        }
    }
}
