//! Starts the real file server and drives it with real clients.
#![cfg(target_os = "linux")]

mod encrypted;
mod harness;
mod hostile;
mod pages;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
mod serving;
mod slow;
mod stopping;
#[path = "../../src/test_data.rs"]
mod test_data;
