//! Queues, splices and receives over descriptors that tokio watches, by their readiness. `AsyncRead` and
//! `AsyncWrite` have no calls for files, and allow only one call per wake-up.

mod flush;
mod ready;
mod receive;
#[cfg(test)]
mod tests;
mod transfer;

pub use ready::{ReadReady, WriteReady};
