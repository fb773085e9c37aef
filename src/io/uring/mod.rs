//! Receiving by a completion ring of Linux (`io_uring`): blocks of a pool as provided buffers.
//!
//! `buffer_ring.rs` decides which block the kernel may write to, and what a completion has made readable;
//! `entries.rs` is the memory that the kernel reads the blocks' addresses from. No ring is made or entered here:
//! what the kernel needs is handed out as numbers, and what it says comes in as numbers.
//!
//! Rules:
//!
//! * **X1** *Places.* There are as many places for entries as blocks, and an entry is written only for a block that
//!   is not offered. So its place is one that the kernel has used up, or does not know yet: the kernel reads
//!   entries only up to the tail, which is stored after they are written. What the kernel has written to an
//!   entry is never read.
//! * **X2** *Offered.* From the moment when the tail covers it until a completion has used it up, the spare capacity of
//!   an offered block is the kernel's: it is neither read, written, nor given to a handle. What a completion
//!   names is taken off its front, and belongs to the receiver alone.
//! * **X3** *Registered.* While a ring of the kernel may have the addresses, they stay valid: a `BufferRing` that is
//!   dropped before it is unregistered leaks the entries and all blocks.
//! * **X4** *Completions.* The caller of `take` vouches that the kernel wrote as many bytes as the result says, behind
//!   what it wrote to the same block before, and that it is done with them; each completion is taken once. No check
//!   could find that out. What contradicts the blocks that are offered is refused, and changes nothing.

mod buffer_ring;
mod entries;

pub use buffer_ring::{BufferRing, BufferRingStats, Consume, Received, Registration, Taken};
