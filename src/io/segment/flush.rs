//! Making appended records durable, and releasing unused disk space.

use std::io;

use super::append::Segment;
use super::framing::Framing;
use super::read::SegmentReader;
use super::syncer::SegmentSyncer;

impl<F: Framing> Segment<F> {
    /// Publishes the appended records, syncs them to the disk, and returns the durable end: a crash of the machine
    /// loses no record before it.
    ///
    /// # Errors
    ///
    /// Those of writing and syncing. After a failed sync, every call that has something to sync fails, because the
    /// contents of the disk are not known. [`SegmentFileLost`](crate::SegmentFileLost) (as the source) if another
    /// program has truncated, deleted or replaced the file, also if all was durable before. Open the segment again to
    /// find its end.
    ///
    /// # Cost
    ///
    /// That of [`publish`](Self::publish), the time of the disk to sync, one system call that looks at the length of
    /// the file, and one that writes the durable end to the header, which the next sync covers; only the look if all
    /// is durable.
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
    /// segment.append(b"a payment")?;
    /// let durable = segment.flush()?; // now it can be confirmed
    /// drop(segment);
    ///
    /// let segment = Segment::open(&path)?; // after a restart
    /// assert_eq!((segment.end(), segment.durable()), (durable, durable));
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&mut self) -> io::Result<u64> {
        let end = self.publish()?;
        self.reader.durability().sync(self.reader.file(), end)
    }

    /// Returns a handle that syncs this segment from another thread, also during appends. Two atomic increments.
    #[must_use]
    pub fn syncer(&self) -> SegmentSyncer<F> {
        SegmentSyncer::new(self.reader.clone())
    }

    /// Flushes and releases the disk space behind the end. The file then ends where its records end.
    ///
    /// The capacity stays the same. The next append allocates disk space for it again.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), and of shortening a file.
    ///
    /// # Cost
    ///
    /// That of [`flush`](Self::flush), two system calls, and the time of the disk to sync.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::Segment;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut segment = Segment::create(&path, 16 << 20)?;
    /// segment.append(b"record")?;
    /// assert_eq!(std::fs::metadata(&path)?.len(), 16 << 20);
    /// let end = segment.trim()?;
    /// assert_eq!(std::fs::metadata(&path)?.len(), end);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trim(&mut self) -> io::Result<u64> {
        let end = self.flush()?;
        let (file, durability) = (self.reader.file(), self.reader.durability());
        self.is_prepared = false;
        durability.extent.truncate(file, end)?;
        durability.sync_cleared(file)?;
        self.stale = None;
        Ok(end)
    }

    /// Flushes, releases the disk space behind the end, and returns a reader of the segment, which then has no
    /// writer. The file stays locked until the last reader is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`trim`](Self::trim). After an error the segment is dropped; call `trim` first to be able to retry.
    ///
    /// # Cost
    ///
    /// That of [`trim`](Self::trim).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::Segment;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let mut full = Segment::create(&path, 1 << 20)?;
    /// full.append(b"record")?;
    /// let reader = full.close()?; // the next segment takes the appends
    /// assert_eq!(reader.records(reader.start()).count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(mut self) -> io::Result<SegmentReader<F>> {
        self.trim()?;
        Ok(self.reader)
    }
}
