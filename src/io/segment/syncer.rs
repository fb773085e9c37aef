//! Syncing a segment from another thread than the writer's.

use std::io;

use super::framing::{Checksummed, Framing};
use super::read::SegmentReader;

/// A handle that makes published records durable from another thread than the writer's.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::Segment;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// segment.append(b"first")?;
/// let first = segment.publish()?;
/// let syncer = segment.syncer();
/// let sync = std::thread::spawn(move || syncer.sync());
/// segment.append(b"second")?; // does not wait for the disk
/// assert!(sync.join().unwrap()? >= first);
/// assert!(segment.durable() >= first);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SegmentSyncer<F: Framing = Checksummed> {
    reader: SegmentReader<F>,
}

impl<F: Framing> SegmentSyncer<F> {
    pub(super) fn new(reader: SegmentReader<F>) -> Self {
        Self { reader }
    }

    /// Syncs the published records to the disk and returns the durable end, which [`SegmentReader::durable`]
    /// also returns then.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::flush`](crate::Segment::flush), without those of publishing.
    ///
    /// # Cost
    ///
    /// The time of the disk to sync. One sync of a segment runs at a time. A caller that waits for one syncs
    /// only if it did not cover its records.
    pub fn sync(&self) -> io::Result<u64> {
        self.reader.durability().sync(self.reader.file(), self.reader.published())
    }
}
