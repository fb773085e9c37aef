//! A broker that Kafka's clients use: producers append batches to partitions, consumers are answered
//! out of the log by sendfile.
//!
//! ```text
//! cargo run --release --features tokio --example kafka_broker -- [--listen ADDR] [DIR]
//! cargo run --release --features tokio --example kafka_broker -- --demo
//!
//! kcat -b 127.0.0.1:9092 -P -t events <README.md
//! kcat -b 127.0.0.1:9092 -C -t events -e
//! ```
//!
//! The first serves a directory until it is stopped, by whatever means: what was acknowledged with
//! `acks=all` has been synced, and is there when the broker is started again. The second shows what
//! batching does to the system calls for each record. `docs/kafka.md` says what real clients made of
//! it.
//!
//! It has topics on demand, idempotent producers, consumer groups with committed offsets, and long
//! polling. It has no replication, transactions, TLS, SASL, compaction, retention, or topic ids, and
//! does not look into the records of a batch.
//!
//! To read it from the top: `wire` and `batch` (bytes and numbers), `api` (what requests and
//! responses hold), `log` (batches in files), `producers` (what was sent twice), `groups` (consumers
//! that share partitions), `broker` (what each request does), `connection` (requests in, responses
//! out), `sync` (one for all that wait), `limits`, `stats`, `output`, `start` (the command line), `demo`.

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
