//! Tools for testing code that works on buffers, in this crate and in others.
//!
//! - [`segmentations`] and [`each_boundary`] cut the same bytes in many ways, so that a parser meets a
//!   boundary inside every field; [`byte_views`], [`byte_bufs`] and [`composites`] (or proptest's
//!   `any`) vary the memory behind the bytes too, as [`Backing`] lists it. The same types are
//!   `arbitrary::Arbitrary`, for fuzzers.
//! - [`FaultSink`] and [`FaultSource`] move bytes by a [`FaultPlan`]: a few at a time, with
//!   `WouldBlock`, `Interrupted`, errors and disconnects between them.
//! - [`failing_pool`] and [`each_failing_allocation`] make chosen allocations fail.
//! - [`LeakGuard`] fails a test that leaks a buffer, and names the line that allocated it;
//!   [`mapped_bytes`] returns the bytes that all pools have mapped, [`sends_in_flight`] the number of zero-copy sends
//!   that have not completed.
//!
//! The tools depend on their seed or plan alone, so a failure can be reproduced.
//!
#![doc = include_str!("../../docs/testing.md")]

mod alloc;
mod arbitrary;
mod backing;
mod fault;
mod leak;
mod segment;
mod strategy;

pub use alloc::{each_failing_allocation, failing_pool};
pub use backing::Backing;
pub use fault::{Fault, FaultPlan, FaultSink, FaultSource};
pub use leak::{LeakGuard, mapped_bytes, sends_in_flight};
pub use segment::each_boundary;
pub use strategy::{byte_bufs, byte_views, composites, cuts, fault_plans, segmentations};

#[cfg(test)]
mod tests;
