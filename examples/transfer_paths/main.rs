//! The ways from a file to a socket, side by side.
//!
//! ```text
//! cargo run --release --example transfer_paths -- [--size MIB] [--rounds N] [--picture FILE]
//! ```
//!
//! A file of its own is sent over loopback by each path in turn, several times. While it runs, a
//! line shows how far it is. At the end stands what each path cost the sender, in throughput,
//! processor time and system calls, beside the copies that the processor made; and the same as a
//! picture, `target/transfer_paths.svg` unless told otherwise.
//!
//! The file lies in memory and is sealed, so that no disk is measured, and since only a file that
//! can't change may be mapped safely. The receiver throws the bytes away unseen; but in a round
//! before the others, which does not count, it compares every one.
//!
//! Memory that is lent (`MSG_ZEROCOPY`) is copied by the kernel all the same over loopback; it says so, and
//! after eight such sends the queue sends as without, so that this row ends near that of `mmap + write`.

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
