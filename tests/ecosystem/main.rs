//! The types in the hands of the libraries that they are made for.
#![cfg(unix)]

mod hyper;
mod prost;
mod recorder;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../../src/test_runtime.rs"]
mod test_runtime;
mod tokio;
