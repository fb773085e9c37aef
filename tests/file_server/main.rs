//! Starts the real file server and drives it with real clients.
#![cfg(target_os = "linux")]

mod encrypted;
#[path = "../support/floor.rs"]
mod floor;
mod harness;
mod hostile;
mod pages;
mod serving;
mod slow;
mod stopping;
