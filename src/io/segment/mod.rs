//! An append-only log file.
//!
//! `format.rs` is the header and `framing.rs` the records; `scan.rs` finds one record and `recover.rs` all of
//! them; `durable.rs` syncs; `read.rs` has the reader, `append.rs` the writer, `syncer.rs` what
//! syncs from another thread; `create.rs` and `open.rs` make
//! both. Rules:
//!
//! * **SG1** `published <= end`; what lies before `published` is in the file and never changes, so it can be
//!   read and sent while more is appended. `published` is always the end of a record.
//! * **SG2** `durable <= published`; what lies before `durable` has been synced and survives a crash of the
//!   machine.
//! * **SG3** Opening a segment changes nothing in its file. The first append clears what lies behind the end,
//!   and waits until that is durable, before it writes: so no earlier bytes become a record again.
//! * **SG4** Only `trim` and `close` shorten the file.
//! * **SG5** Records are copied into a buffer and written in large pieces, never through a mapping: a full disk
//!   is an error and not a signal. Measured, per record of 1 KiB: `write` each 1, a mapping that is not in
//!   memory yet 0.27 to 0.44, this 0.11 to 0.14 with its checksum.

// First, so that the pages of the types begin with their constructors.
mod create;
mod open;

mod append;
mod durable;
mod error;
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
pub use error::{CorruptRecord, SegmentDamaged, SegmentFormatError, SegmentFull};
pub use framing::{Checksummed, Framing, Parsed, Place};
pub use open::Repair;
pub use read::{Record, Records, SegmentReader};
pub use recover::Recovered;
pub use syncer::SegmentSyncer;
