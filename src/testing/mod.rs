//! What it takes to test code that works on buffers: yours as well as ours.
//!
//! - [`segmentations`] and [`borders`] cut the same bytes in many ways, so that a parser meets a
//!   border inside every field; [`byte_views`], [`byte_bufs`] and [`composites`] (or proptest's
//!   `any`) vary the memory behind the bytes too, as [`Backing`] lists it. The same types are
//!   `arbitrary::Arbitrary`, for fuzzers.
//! - [`FaultSink`] and [`FaultSource`] move bytes by a [`FaultPlan`]: a few at a time, with
//!   `WouldBlock`, `Interrupted`, errors and disconnects between them.
//! - [`failing_pool`] and [`each_failing_allocation`] let one allocation after the other fail.
//! - [`LeakGuard`] fails a test that leaves a buffer behind, and says which line allocated it.
//!
//! Everything is a function of its seed or plan: what failed once fails again.
//!
//! # A parser under test
//!
//! A length, then as much text. It takes what is whole and leaves the rest:
//!
//! ```
//! use bytebuf::testing::{FaultPlan, FaultSource, LeakGuard, borders};
//! use bytebuf::{ByteBuf, CompositeByteBuf};
//! use bytes::Buf;
//! use std::io::ErrorKind;
//!
//! fn next_message(input: &mut CompositeByteBuf) -> Option<CompositeByteBuf> {
//!     let len = usize::from(input.peek_u16(0)?);
//!     (input.len() - 2 >= len).then(|| {
//!         input.advance(2);
//!         input.split_to(len)
//!     })
//! }
//!
//! // The answer is the same wherever the border is.
//! for mut input in borders(b"\x00\x05hello\x00\x02ok") {
//!     assert_eq!(next_message(&mut input).unwrap(), "hello");
//!     assert_eq!(next_message(&mut input).unwrap(), "ok");
//!     assert!(next_message(&mut input).is_none());
//! }
//!
//! // And however the bytes arrive; and no buffer is left behind.
//! for seed in 0..100 {
//!     let pool = LeakGuard::new();
//!     let mut socket = FaultSource::new(*b"\x00\x05hello\x00\x02ok", FaultPlan::seeded(seed));
//!     let (mut input, mut seen) = (CompositeByteBuf::new(), Vec::new());
//!     loop {
//!         let mut buf = pool.alloc(64);
//!         match buf.read_from(&mut socket) {
//!             Ok(0) => break,
//!             Ok(_) => input.push_back(buf),
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
//!             Err(error) => panic!("{error}"),
//!         }
//!         seen.extend(std::iter::from_fn(|| next_message(&mut input)));
//!     }
//!     assert_eq!(seen, ["hello", "ok"]);
//! }
//! ```

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
pub use leak::LeakGuard;
pub use segment::borders;
pub use strategy::{byte_bufs, byte_views, composites, cuts, fault_plans, segmentations};

#[cfg(test)]
mod tests;
