//! A broker for Kafka's clients: producers append batches to partitions, and consumers get them from the log by `sendfile`.
//!
//! ```text
//! cargo run --release --features tokio --example kafka_broker -- [--listen ADDR] [DIR]
//! cargo run --release --features tokio --example kafka_broker -- --demo
//!
//! kcat -b 127.0.0.1:9092 -P -t events <README.md
//! kcat -b 127.0.0.1:9092 -C -t events -e
//! ```
//!
//! The first command serves a directory until it is stopped or killed. A batch that was acknowledged with `acks=all` is synced, and
//! is there after a restart. The second command shows how batching changes the system calls for each record. `docs/kafka.md`
//! reports the tests with real clients.
//!
//! The broker has topics on demand, idempotent producers, consumer groups with committed offsets, and long polling. It has no
//! replication, transactions, TLS, SASL, compaction, retention, or topic ids, and does not read the records of a batch.
//!
//! Read the files in this order: `wire` and `batch` (bytes and numbers), `api` (the content of requests and responses), `log`
//! (batches in files), `producers` (duplicate detection), `groups` (consumers that share partitions), `broker` (the work of each
//! request), `connection` (requests in, responses out), `sync` (one sync for all waiting requests), `limits`, `shares`,
//! `stats`, `output`, `start` (the command line), `demo`.

#[cfg(unix)]
mod api;
#[cfg(unix)]
mod batch;
#[cfg(unix)]
mod broker;
#[cfg(unix)]
mod connection;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod groups;
#[cfg(unix)]
mod ids;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod producers;
#[cfg(unix)]
mod shares;
#[cfg(unix)]
mod start;
#[cfg(unix)]
mod stats;
#[cfg(unix)]
mod sync;
#[cfg(unix)]
mod wire;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    start::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example sends files to descriptors, which Unix has");
}
