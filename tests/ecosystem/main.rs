//! The types in the hands of the libraries that they are made for.
#![cfg(unix)]

#[path = "../support/floor.rs"]
mod floor;
mod hyper;
mod prost;
mod recorder;
mod tokio;
