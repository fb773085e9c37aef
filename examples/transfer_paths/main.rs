//! Compares the ways from a file to a socket.
//!
//! ```text
//! cargo run --release --example transfer_paths -- [--size MIB] [--rounds N] [--picture FILE]
//! ```
//!
//! It creates a file and sends it over loopback by each path in turn, several times. A line shows the progress. At the end it
//! prints the cost of each path to the sender (throughput, processor time, system calls) and the copies that the processor
//! made, and draws a picture, by default `target/transfer_paths.svg`.
//!
//! The file is in memory, so that no disk is measured. It is sealed, because only a file that cannot change may be mapped
//! safely. The receiver discards the bytes unread; in one round before the others, which does not count, it compares each byte.
//!
//! Over loopback the kernel copies zero-copy sends (`MSG_ZEROCOPY`) too, and reports this. After eight such sends the queue
//! disables zero-copy, so this row ends near that of `mmap + write`.

#[cfg(target_os = "linux")]
#[path = "../common/cost.rs"]
mod cost;
#[cfg(target_os = "linux")]
mod paths;
#[cfg(target_os = "linux")]
mod picture;
#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this example seals a file in memory, as only Linux can");
}
