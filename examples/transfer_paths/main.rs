//! Compares the methods to send a file to a socket.
//!
//! ```text
//! cargo run --release --example transfer_paths -- [--size MIB] [--rounds N] [--picture FILE]
//! ```
//!
//! It creates a file and sends it over loopback by each method in turn, several times. A line shows the progress. At the end it
//! prints the cost of each method to the sender (throughput, processor time, system calls) and how often the processor copied
//! each byte. It draws a picture, by default `target/transfer_paths.svg`.
//!
//! The file is in memory, so that no disk is measured. It is sealed, because only a file that cannot change is safe to map.
//! Before the measurement the receiver compares each byte once; during the measurement it discards the bytes.
//!
//! Over loopback the kernel copies zero-copy sends (`MSG_ZEROCOPY`) too, and reports this. After eight such sends the queue
//! disables zero-copy, so `mmap + MSG_ZEROCOPY` costs about as much as `mmap + write`.

#[cfg(target_os = "linux")]
#[path = "../common/cost.rs"]
mod cost;
#[cfg(target_os = "linux")]
mod methods;
#[cfg(target_os = "linux")]
#[path = "../common/output.rs"]
mod output;
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
    eprintln!("this example needs Linux: it seals a file in memory");
}
