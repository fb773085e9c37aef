//! A small server over frames, and a client that talks to it: requests and answers have their length in front, and
//! an answer may be a file, which the kernel sends.
//!
//! ```text
//! cargo run --features tokio --example framed
//! cargo run --features tokio --example framed -- --listen 127.0.0.1:7000 DIR
//! ```
//!
//! The first serves a file of 64 MiB of its own to a client in the same process, prints every step, and ends. The second
//! serves a directory until it is stopped: a request is `GET NAME`, `LIST` or any other text, which comes back.
//!
//! `server` has the protocol and the server, `client` the client.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod server;

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => client::demo().await,
        ["--listen", address, dir] => {
            let listener = tokio::net::TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            server::serve(listener, dir.into()).await
        }
        _ => Err(std::io::Error::other("usage: framed [--listen ADDR DIR]")),
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example sends files by the readiness of sockets, which Unix has");
}
