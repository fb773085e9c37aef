//! An append-only log file.
//!
//! `format.rs` has the header and `framing.rs` the records. `scan.rs` finds one record and `recover.rs` finds
//! all. `extent.rs` notices that another program has truncated the file, and `durable.rs` syncs. `read.rs` has the
//! reader, `append.rs` and `flush.rs` the writer, and `syncer.rs` a handle that syncs from another thread. `create.rs`
//! and `open.rs` have the constructors. Rules:
//!
//! * **SG1** `published <= end`. The bytes before `published` are in the file and never change, so they can be
//!   read and sent during appends. `published` is always the end of a record.
//! * **SG2** `durable <= published`. The bytes before `durable` have been synced and survive a crash of the
//!   machine.
//! * **SG3** Opening a segment does not change its file. Before it writes, the first append clears the bytes
//!   behind the end and waits until that is durable. So no stale bytes become a record again.
//! * **SG4** Only `trim` and `close` shorten the file.
//! * **SG5** Records are copied into a buffer and written in large pieces, not through a mapping: a full disk
//!   is an error and not a signal. Measured, relative to one `write` per record of 1 KiB: a mapping whose pages
//!   are not in memory takes 0.27 to 0.44, this takes 0.11 to 0.14 with its checksum.

// These modules come first, so that the pages of the types begin with their constructors.
mod create;
mod open;

mod append;
mod durable;
mod error;
mod extent;
mod flush;
mod format;
mod framing;
mod published;
mod read;
mod recover;
mod scan;
mod syncer;
#[cfg(all(test, unix))]
mod tests;

pub use append::Segment;
pub use error::{CorruptRecord, SegmentDamaged, SegmentFileLost, SegmentFormatError, SegmentFull};
pub use framing::{Checksummed, Framing, Parsed, Place};
pub use open::Repair;
pub use read::{Record, Records, SegmentReader};
pub use recover::Recovered;
pub use syncer::SegmentSyncer;
