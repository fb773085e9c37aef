//! What it takes to test code that works on buffers: yours as well as ours.
//!
//! - [`segmentations`] and [`borders`] cut the same bytes in many ways, so that a parser meets a
//!   border inside every field; [`byte_views`], [`byte_bufs`] and [`composites`] (or proptest's
//!   `any`) vary the memory behind the bytes too, as [`Backing`] lists it. The same types are
//!   `arbitrary::Arbitrary`, for fuzzers.
//! - [`FaultSink`] and [`FaultSource`] move bytes by a [`FaultPlan`]: a few at a time, with
//!   `WouldBlock`, `Interrupted`, errors and disconnects between them.
//! - [`failing_pool`] and [`each_failing_allocation`] let one allocation after the other fail.
//! - [`LeakGuard`] fails a test that leaves a buffer behind, and says which line allocated it;
//!   [`mapped_bytes`] tells what all pools have mapped, [`sends_in_flight`] how many zero-copy sends have not
//!   completed.
//!
//! Everything is a function of its seed or plan: what failed once fails again.
//!
#![doc = include_str!("../../docs/testing.md")]

mod alloc;
mod arbitrary;
mod backing;
mod fault;
mod leak;
mod random;
mod segment;
mod strategy;

pub use alloc::{each_failing_allocation, failing_pool};
pub use backing::Backing;
pub use fault::{Fault, FaultPlan, FaultSink, FaultSource};
pub use leak::{LeakGuard, mapped_bytes, sends_in_flight};
pub use segment::borders;
pub use strategy::{byte_bufs, byte_views, composites, cuts, fault_plans, segmentations};

#[cfg(test)]
mod tests;
