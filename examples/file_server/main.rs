//! A file server with pooled buffers, one write queue per connection, and `sendfile`.
//!
//! ```text
//! cargo run --release --example file_server -- [--listen ADDR] [DIR]
//! cargo run --release --example file_server -- --tls cert.pem key.pem --self-signed [DIR]
//! ```
//!
//! One thread and one epoll serve every connection. The server parses a request in the pooled buffer that received it, and
//! releases the buffer before the connection waits again. One `WriteQueue` sends the head of the reply and the body, which
//! consists of bytes or of a range of a file.
//!
//! Read the files in this order: `start` (the command line), `server` (the loop), `poller` and `trial` (its waits), `conn` (one
//! connection), `channel` and `tls` (what it receives from and sends to), `body` (bodies that bypass the queue or enter it in
//! pieces), `site` (one request), `files` (which files may be opened), `file_cache` (files that stay open), `http` (what a request
//! asks for), `reply`, `page` and `listing` (the bytes of a reply), `report` (the final report).

#[cfg(target_os = "linux")]
mod body;
#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod conn;
#[cfg(target_os = "linux")]
#[path = "../common/descriptors.rs"]
mod descriptors;
#[cfg(target_os = "linux")]
mod file_cache;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod listing;
#[cfg(target_os = "linux")]
#[path = "../common/output.rs"]
mod output;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod poller;
#[cfg(target_os = "linux")]
mod reply;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod site;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod tls;
#[cfg(target_os = "linux")]
mod trial;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this example needs Linux: it waits with epoll");
}
