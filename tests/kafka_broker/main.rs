//! The real Kafka broker of `examples/`, spoken to frame by frame. `ci/kafka.sh` has the real clients.
#![cfg(unix)]

#[path = "../support/resource_baseline.rs"]
mod resource_baseline;

#[path = "../../examples/kafka_broker/api/mod.rs"]
#[allow(dead_code, reason = "the broker writes what these tests read")]
mod api;
#[path = "../../examples/kafka_broker/batch.rs"]
#[allow(dead_code, reason = "the broker uses what these tests do not")]
mod batch;
#[path = "../../examples/kafka_broker/demo/batches.rs"]
#[allow(dead_code, reason = "the demonstration compresses")]
mod batches;
#[path = "../support/example.rs"]
mod example;
#[path = "../../examples/kafka_broker/wire.rs"]
#[allow(dead_code, reason = "the broker uses what these tests do not")]
mod wire;

mod client;
mod crash;
mod demo;
mod frames;
mod hostile;
mod process;
mod serving;
#[cfg(target_os = "linux")]
mod unread;
mod vanished;
