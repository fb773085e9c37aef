//! A small server over frames, and its client: requests and answers are length-prefixed, and an answer may be a file, which
//! the kernel sends.
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
