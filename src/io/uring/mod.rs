//! Receiving through a completion ring of Linux (`io_uring`): blocks of a pool as provided buffers.
//!
//! `buffer_ring.rs` has the group from its registration to its end. `blocks.rs` decides which block the kernel may
//! write to, and which bytes a completion has made readable. `completion.rs` has the flags and results of
//! completions. `entries.rs` is the memory that the kernel reads the blocks' addresses from. This module neither
//! creates nor enters a ring: it gives numbers to the caller to register, and takes the numbers of completions.
//!
//! Rules:
//!
//! * **X1** *Places.* There are as many places for entries as blocks, and an entry is written only for a block that
//!   is not offered. So the kernel has used its place up, or does not know it yet: the kernel reads entries only up
//!   to the tail, which is stored after they are written. Bytes that the kernel writes to an entry are never read.
//! * **X2** *Offered.* The kernel owns the spare capacity of an offered block from the store of the tail that
//!   covers it until a completion uses the block up. It is neither read, written, nor given to a handle. The bytes
//!   that a completion reports are split off its front, and the receiver alone owns them.
//! * **X3** *Registered.* The addresses stay valid while a ring of the kernel may have them: a `BufferRing` that is
//!   dropped before it is unregistered leaks the entries, and the blocks with their ids.
//! * **X4** *Completions.* The caller of `take` guarantees that the kernel wrote the number of bytes in the result,
//!   behind earlier bytes of the same block, that it no longer writes to them, and that each completion is taken
//!   once. No check can verify this. A completion that contradicts the offered blocks is refused, and changes
//!   nothing.

mod blocks;
mod buffer_ring;
mod completion;
mod entries;

pub use buffer_ring::{BufferRing, BufferRingStats, Consume, Registration};
pub use completion::{Received, Taken};
