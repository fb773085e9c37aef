//! Pooled, reference-counted network buffers, ropes, and one write queue for bytes and files.
//!
//! ```text
//!       socket, file                                              socket, file
//!            │ read_from, read_into_spare                             ▲ flush: writev, sendfile
//!            ▼                                                         │
//!   ┌─────────────────┐  split_to   ┌──────────┐     push    ┌─────────┴─────────┐
//!   │     ByteBuf     │ ──────────▶ │ ByteView │ ──────────▶ │    WriteQueue     │
//!   │ ░read░data┆room │   freeze    │  shared  │             │ data ▒file▒ data… │
//!   └────────┬────────┘             └──┬────┬──┘             └─────────┬─────────┘
//!            │ one owner writes   many │    │ join                     │ a range of a file
//!            │                   read  │  CompositeByteBuf         FileRegion
//!   ┌────────┴─────────────────────────┴─────────────────────────────────────────┐
//!   │ Pool: a few free blocks per thread and size, a shared depot, mapped chunks │
//!   └────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Netty's buffer ideas with Rust's ownership. One owner writes a [`ByteBuf`]; frozen, it is a [`ByteView`] that
//! anybody shares and nobody writes. Handles are cut and joined without copying, and the memory goes home to its
//! [`Pool`] with the last of them. What is to be sent goes into a [`WriteQueue`], which owns the cursor over bytes
//! and files and survives every partial write.
//!
//! It speaks [`bytes::Buf`] and [`bytes::BufMut`]; [`ByteView`] and [`ByteBuf`] have all that [`bytes::Bytes`] and
//! [`bytes::BytesMut`] have, and convert to and from them. So it goes where those go: tokio, hyper, tonic, prost.
//!
//! # A first program
//!
//! Messages with their length in front, from whatever a receive brings: a whole one, several, a part.
//!
//! ```
//! use bytebuf::{ByteBuf, ByteView, WriteQueue};
//! use bytes::Buf;
//!
//! /// Takes the next whole message off the front. It shares the memory that it was received into.
//! fn next_message(received: &mut ByteBuf) -> Option<ByteView> {
//!     let length = received.peek_u16(0)? as usize;
//!     if received.len() < 2 + length {
//!         return None;
//!     }
//!     received.advance(2);
//!     Some(received.split_to(length).freeze())
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let mut socket: &[u8] = b"\x00\x05hello\x00\x05world\x00\x20not all o";
//! let mut received = ByteBuf::with_capacity(4096);
//! received.read_from(&mut socket)?;
//!
//! let mut replies = WriteQueue::new();
//! while let Some(message) = next_message(&mut received) {
//!     replies.push("you said: ");
//!     replies.push(message);
//!     replies.push("\n");
//! }
//! let mut out = Vec::new();
//! assert!(replies.flush_into(&mut out)?.is_done());
//! assert_eq!(out, b"you said: hello\nyou said: world\n");
//! assert_eq!(received.len(), 11); // waits for the rest of the third
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! | you have | you use |
//! | --- | --- |
//! | something to write or to receive into | [`ByteBuf`]; [`RecvSizer`] says how much room |
//! | bytes that others read too | [`ByteView`]; [`ByteStr`] where they are text |
//! | many pieces that are one message | [`CompositeByteBuf`] |
//! | values at an offset | [`Peek`], [`Poke`]: out of range is a value, never a panic |
//! | text, varints | [`BufExt`], [`BufMutExt`] |
//! | something to find, to look at | [`Search`], [`Finder`] and [`MultiFinder`] over streams; [`Dump`] |
//! | memory to bound or to account for | [`Pool`], [`Pool::budget`], [`Pool::stats`], [`Pool::outstanding`] |
//! | a range of a file | [`FileRegion`] |
//! | something to send | [`WriteQueue`] |
//! | two descriptors to join | `Splice` (Unix) |
//! | a file to read or to write in place | `MappedFile`, `MappedFileMut` (Unix) |
//! | records to keep | [`Segment`] |
//! | code of one's own to test | the module `testing` (feature `testing`) |
//!
//! Those who come from Netty find every method of theirs [on one page](mod@netty), and each by its name in the search
//! above.
//!
//! # What holds everywhere
//!
//! * **Nobody sees what an earlier owner of the memory wrote.** No safe call shows a byte that was not written or
//!   zeroed for this owner.
//! * **Sent once.** Whatever ends a flush, exactly what was sent is gone from the queue. Memory that the kernel was
//!   lent is not written to before the kernel is done with it, nor if nobody waits for that.
//! * **What a peer sends never panics.** Calls named `try_`, `peek_` and `set_` answer with a value and change
//!   nothing where they fail. Panics are for the program's own mistakes, and documented.
//! * **Costs are stated**: whether a call copies, allocates, makes system calls or needs atomic operations. One
//!   that says nothing of it does none of these, in O(1).
//! * Lengths are in bytes: `usize` in memory, `u64` for files and streams.
//!
//! # Features
//!
//! All off by default. `serde`: the byte types as bytes, [`ByteStr`] as text. `compio-buf-08`, `compio-buf-09`: the buffer
//! traits of compio, one feature for each of its incompatible versions. `tokio`: flushing, receiving and splicing by the readiness
//! of tokio's streams. `io-uring`: sending by a completion ring of Linux, whatever crate drives it. `tracing`: what a pool does, as events. `testing`: what it takes to test one's own code.

// House order, lowest first; a module imports only from modules above it in this list.
mod buf;
mod interop;
mod io;
mod memory;
mod pool;
mod sync;
mod sys;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(doc)]
pub mod netty;

pub use buf::{
    BufExt, BufMutExt, ByteBuf, ByteIter, ByteStr, ByteStrError, ByteView, Components,
    CompositeByteBuf, Dump, Finder, Found, HexDump, HexError, IndexError, IntoComponents,
    MultiFinder, NeedleError, OutOfRange, Peek, Poke, Search, StrError, TryReserveError,
    TryReserveErrorKind, VarintError, VarintOverflow, decode_hex,
};
#[cfg(feature = "tokio")]
pub use interop::framed as codec;
#[cfg(all(unix, feature = "tokio"))]
pub use interop::{ReadReady, WriteReady};
#[cfg(unix)]
pub use io::{Advice, MappedFile, MappedFileMut, Splice, Spliced};
pub use io::{
    Checksummed, CorruptRecord, FileRegion, FileTruncated, Flush, Framing, NotRegularFile, Parsed,
    Payload, Place, QueueStats, Record, Records, Recovered, RecvSizer, Repair, Segment,
    SegmentDamaged, SegmentFormatError, SegmentFull, SegmentReader, SegmentSyncer, WriteQueue,
};
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use io::{InFlightSend, SendMethod, SendOperation, Settled};
pub use pool::{
    AllocError, AllocErrorKind, BudgetStats, ClassStats, Outstanding, OutstandingSite, Pool,
    PoolBuilder, PoolStats, Purge, Track,
};

/// The README's program, compiled and run.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../README.md")]
#[allow(dead_code)]
struct Readme;

/// The programs of the page on budgets, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/budgets.md")]
#[allow(dead_code)]
struct BudgetsPage;
