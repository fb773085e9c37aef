//! The next segment of a log. Its creation waits for the disk, so a separate thread creates it, without the lock of the log.

use std::io;
use std::path::PathBuf;

use bytebuf::{Segment, SegmentSyncer};

use super::files::{create, mark_newest};
use super::framing::Batches;
use super::{is_a, snapshot};
use crate::api::code::Code;
use crate::output::warn;
use crate::shares::{Account, ShareUsedUp};

/// What the creation of a segment needs.
#[derive(Debug)]
pub(crate) struct Next {
    pub(super) directory: PathBuf,
    /// The offset of its first record.
    pub(super) base: i64,
    pub(super) capacity: u64,
    /// The encoded state of the producers.
    pub(super) producers: Vec<u8>,
    pub(super) last: Option<Last>,
    /// A snapshot that no log needs any more, as there are two later ones.
    pub(super) old_snapshot: Option<i64>,
}

/// The segment that is the last until then.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) base: i64,
    /// Syncs it, unless no request waits for syncs.
    pub(super) syncer: Option<SegmentSyncer<Batches>>,
}

impl Next {
    /// Creates the segment. Its space counts for a client. Blocks on the disk.
    pub(crate) fn create(&self, disk: &Account) -> Result<Segment<Batches>, Code> {
        let created = disk.take(self.capacity).map_err(io::Error::other).and_then(|()| {
            // A segment takes its space on the disk at once.
            self.create_files().inspect_err(|_| disk.give_back(self.capacity))
        });
        created.map_err(|error| {
            warn(format_args!("cannot append to {}: {error}", self.directory.display()));
            match is_a::<ShareUsedUp>(&error) {
                true => Code::POLICY_VIOLATION,
                false => Code::KAFKA_STORAGE_ERROR,
            }
        })
    }

    /// If this fails, a segment without batches may stay, which the next attempt replaces.
    fn create_files(&self) -> io::Result<Segment<Batches>> {
        if let Some(Last { syncer: Some(syncer), .. }) = &self.last {
            syncer.sync()?;
        }
        snapshot::write(&self.directory, self.base, &self.producers)?;
        let segment = create(&self.directory, self.base, self.capacity)?;
        mark_newest(&self.directory, self.base, self.last.as_ref().map(|last| last.base))?;
        if let Some(old) = self.old_snapshot {
            // If the removal fails, one more stays.
            let _ = snapshot::remove(&self.directory, old);
        }
        Ok(segment)
    }
}
