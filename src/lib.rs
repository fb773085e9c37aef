//! Pooled, reference-counted network buffers, composites, and one write queue for bytes and files.
//!
//! ```text
//!       socket, file                                              socket, file
//!            │ read_from, read_into_spare                             ▲ flush: writev, sendfile
//!            ▼                                                         │
//!   ┌─────────────────┐  split_to   ┌──────────┐     push    ┌─────────┴─────────┐
//!   │     ByteBuf     │ ──────────▶ │ ByteView │ ──────────▶ │    WriteQueue     │
//!   │ ░read░data┆spare│   freeze    │  shared  │             │ data ▒file▒ data… │
//!   └────────┬────────┘             └──┬────┬──┘             └─────────┬─────────┘
//!            │ one owner writes   many │    │ join                     │ a range of a file
//!            │                   read  │  CompositeByteBuf         FileRegion
//!   ┌────────┴─────────────────────────┴─────────────────────────────────────────┐
//!   │ Pool: a few free blocks per thread and size, a shared depot, mapped chunks │
//!   └────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! One owner writes a [`ByteBuf`]. [`ByteBuf::freeze`] turns it into a [`ByteView`], which many owners read. Handles are
//! sliced and joined without copying; the last one returns the memory to its [`Pool`]. A [`WriteQueue`] sends buffers and
//! files in order and continues after a partial write with the first unsent byte.
//!
//! The crate implements [`bytes::Buf`] and [`bytes::BufMut`]. [`ByteView`] and [`ByteBuf`] have the methods of
//! [`bytes::Bytes`] and [`bytes::BytesMut`]. A [`ByteView`] converts to and from [`bytes::Bytes`] without copying, so it works
//! with tokio, hyper, tonic and prost.
//!
//! # A first program
//!
//! Messages with a length prefix, from receives that bring one message, several, or a part of one:
//!
//! ```
//! use bytebuf::{ByteBuf, ByteView, WriteQueue};
//! use bytes::Buf;
//!
//! /// Removes the next complete message from the front. It shares the memory that it was received into.
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
//! assert_eq!(received.len(), 11); // the third is incomplete
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! | you have | you use |
//! | --- | --- |
//! | data to write, or a place to receive into | [`ByteBuf`]; [`RecvSizer`] chooses the receive size |
//! | bytes that several owners read | [`ByteView`]; [`ByteStr`] for text |
//! | one message in many pieces | [`CompositeByteBuf`] |
//! | values at an offset | [`Peek`], [`Poke`]: out of range is a value, not a panic |
//! | text, varints | [`BufExt`], [`BufMutExt`] |
//! | something to find or to print | [`Search`]; [`Finder`] and [`MultiFinder`] over streams; [`Dump`] |
//! | memory to limit or to account for | [`Pool`], [`Pool::budget`], [`Pool::stats`], [`Pool::outstanding`] |
//! | a range of a file | [`FileRegion`] |
//! | something to send | [`WriteQueue`] |
//! | an `io_uring`, driven by any crate | `BufferRing`, `WriteQueue::begin` (feature `io-uring`) |
//! | two descriptors to connect | `Splice` (Unix) |
//! | a file to read or write in place | `MappedFile`, `MappedFileMut` (Unix) |
//! | records to keep | [`Segment`] |
//! | a stream of frames | the module `codec` (feature `tokio`) |
//! | your own code to test | the module `testing` (feature `testing`) |
//!
//! [`netty`](mod@netty) lists what replaces each method of Netty. Netty's names also work in the search of this page.
//! The [repository](https://github.com/bytebuf/bytebuf/tree/main/docs) has longer pages, among them a first server, sending
//! files, coming from `bytes`, budgets for tenants, and what is guaranteed and which tests attack it.
//!
//! # When not to use it
//!
//! A program with few, short-lived buffers gains nothing over `bytes`. The crate needs `std`. A child process after `fork` may
//! only `exec`. A handle of a few bytes costs a block of 64 bytes.
//!
//! # Guarantees
//!
//! * **No bytes of an earlier owner.** Safe code never sees a byte that this owner of the memory did not write or zero.
//! * **Sent once.** A flush removes exactly the sent bytes from the queue, also when it fails. Memory of a zero-copy send is
//!   not reused before the kernel has finished with it, even if the queue is dropped.
//! * **No panic on input from a peer.** Calls named `try_`, `peek_` and `set_` return a value, and change nothing when they
//!   fail. A panic means a mistake in the program, and is documented.
//! * **Costs are documented**: copies, allocations, system calls, atomic operations. A call whose documentation mentions
//!   none of them makes none, and is O(1).
//! * Lengths are in bytes: `usize` in memory, `u64` for files and streams.
//!
//! # Platforms
//!
//! Buffers, pools, composites and search work on every system with `std`. Linux has every way to send; macOS, FreeBSD and
//! other Unix systems send files by copying; Windows has no `Splice` and no mapped files, and a queue flushes into any
//! writer.
//!
//! # Features
//!
//! All off by default:
//!
//! * `tokio`: asynchronous flush, receive, splice and frames on tokio's streams.
//! * `futures-io`: asynchronous flush into the writers of `futures-io`.
//! * `io-uring`: receiving and sending through a completion ring of Linux, with any crate that drives the ring.
//! * `serde`: the byte types as bytes, [`ByteStr`] as text.
//! * `compio-buf-08`, `compio-buf-09`: the buffer traits of compio, one feature per incompatible version.
//! * `tracing`: events of the pool.
//! * `testing`: strategies, faulty streams, a leak guard, for tests of your own code.

#![cfg_attr(docsrs, feature(doc_cfg))]

// A module imports only from the layers below its own: test_*, sync, sys, memory, pool, buf, io, interop, testing. The
// modules are in this order, because the page of a type lists its methods in it: those of features come last.
#[cfg(any(test, feature = "testing"))]
mod test_data;
#[cfg(all(test, unix))]
mod test_io;
#[cfg(all(test, unix, feature = "tokio"))]
mod test_runtime;

mod sync;
mod sys;

mod memory;
mod pool;

mod buf;
mod io;

mod interop;

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
pub use io::{Advice, MappedFile, MappedFileMut, Splice, Spliced, shutdown_write};
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub use io::{
    BufferRing, BufferRingStats, Consume, InFlightSend, Received, Registration, SendMethod,
    SendOperation, Settled, Taken,
};
pub use io::{
    Checksummed, CorruptRecord, FileRegion, FileTruncated, Flush, Framing, NotRegularFile, Parsed,
    Payload, Place, QueueStats, Record, Records, Recovered, RecvSizer, Repair, Segment,
    SegmentDamaged, SegmentFileLost, SegmentFormatError, SegmentFull, SegmentReader, SegmentSyncer,
    WriteQueue,
};
pub use pool::{
    AllocError, AllocErrorKind, BudgetStats, ClassStats, Outstanding, OutstandingSite, Pool,
    PoolBuilder, PoolStats, Purge, Track,
};

/// Compiles and runs the program of the README.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../README.md")]
#[allow(dead_code)]
struct Readme;

/// Compiles and runs the programs of the longer pages.
#[cfg(doctest)]
#[allow(dead_code)]
mod pages {
    #[doc = include_str!("../docs/budgets.md")]
    struct Budgets;
    #[cfg(all(unix, feature = "tokio"))]
    #[doc = include_str!("../docs/first-server.md")]
    struct FirstServer;
    #[doc = include_str!("../docs/from-bytes.md")]
    struct FromBytes;
    #[doc = include_str!("../docs/pool-stats.md")]
    struct PoolStats;
    #[cfg(unix)]
    #[doc = include_str!("../docs/sending-files.md")]
    struct SendingFiles;
}
