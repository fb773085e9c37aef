//! The types in the hands of the libraries that they are made for.
#![cfg(unix)]

mod hyper;
mod prost;
mod recorder;
mod tokio;
