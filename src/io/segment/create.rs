//! Creating a segment: as a new file, or by recycling a segment that is no longer needed.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use super::append::Segment;
use super::durable::{clear, write_all_at};
use super::error::SegmentFull;
use super::format::{self, Header, START};
use super::framing::{Checksummed, Framing};
use super::read::SegmentReader;
use super::recover::Recovered;
use super::scan::read_at;
use crate::sys;

impl Segment<Checksummed> {
    /// Creates a segment of `capacity` bytes, including its header of 1 KiB and its framing.
    ///
    /// The file gets its name after it has been written and synced: a file of that name is a complete segment, even
    /// after the process is killed or the machine crashes. On file systems without unnamed files, such as NFS,
    /// killing the process may leave a file whose name is a dot and 16 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// Those of creating, allocating and syncing a file; [`io::ErrorKind::AlreadyExists`] if the name is taken;
    /// [`SegmentFull`] (as the source) if `capacity` is less than 1 KiB.
    ///
    /// # Cost
    ///
    /// Allocates the file and syncs it and its directory.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::Segment;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("00000.log");
    /// let segment = Segment::create(&path, 1 << 20)?;
    /// assert_eq!((segment.capacity(), segment.start()), (1 << 20, 1024));
    /// assert!(Segment::create(&path, 1 << 20).is_err(), "the name is taken");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(path: impl AsRef<Path>, capacity: u64) -> io::Result<Self> {
        Self::create_with(path, capacity, Checksummed)
    }

    /// Empties an existing segment for use as a new one of the same capacity.
    ///
    /// Its pages stay in memory, which makes appending cheaper than to a new file. Records of its earlier life are
    /// no longer valid, because their checksums do not match.
    ///
    /// # Errors
    ///
    /// Those of opening and writing a file; [`io::ErrorKind::ResourceBusy`] if the writer of the segment, or a
    /// reader or region of that writer, still exists in this process or another;
    /// [`SegmentFormatError`](crate::SegmentFormatError) (as the source) if the file is not a segment of this
    /// framing. The file does not change then.
    ///
    /// # Cost
    ///
    /// Writes the header and syncs it.
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
    /// segment.append(b"of yesterday")?;
    /// segment.flush()?;
    /// drop(segment); // all its records have expired
    ///
    /// let segment = Segment::recycle(&path)?;
    /// assert_eq!(segment.records(segment.start()).count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recycle(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::recycle_with(path, Checksummed)
    }
}

impl<F: Framing> Segment<F> {
    /// Creates a segment, as [`create`](Segment::create) does, for records of the given framing.
    ///
    /// # Errors
    ///
    /// As [`create`](Segment::create).
    ///
    /// # Cost
    ///
    /// As [`create`](Segment::create).
    pub fn create_with(path: impl AsRef<Path>, capacity: u64, framing: F) -> io::Result<Self> {
        if capacity < START {
            return Err(SegmentFull { needed: START, left: capacity }.into());
        }
        let path = path.as_ref();
        let new = sys::NewFile::in_directory_of(path)?;
        lock(new.file())?;
        sys::allocate(new.file(), capacity)?;
        let header = Header {
            framing: F::NAME,
            epoch: random(),
            capacity,
            sequence: 0,
            durable: START,
            is_recycled: false,
        };
        write_all_at(new.file(), &format::front(&header), 0)?;
        sys::sync_data(new.file())?;
        let file = new.publish(path)?;
        let created =
            sys::sync_directory_of(path).and_then(|()| Self::empty(file, framing, header));
        if created.is_err() {
            // If this fails too, the first error is the one to report.
            let _ = sys::unlink(path);
        }
        created
    }

    /// Empties an existing segment, as [`recycle`](Segment::recycle) does, for records of the given framing.
    ///
    /// # Errors
    ///
    /// As [`recycle`](Segment::recycle).
    ///
    /// # Cost
    ///
    /// As [`recycle`](Segment::recycle). If records of this framing are not [bound to their
    /// place](Framing::IS_BOUND_TO_PLACE), the whole file is also cleared and synced.
    pub fn recycle_with(path: impl AsRef<Path>, framing: F) -> io::Result<Self> {
        let (file, _) = sys::open_regular(File::options().read(true).write(true), path.as_ref())?;
        lock(&file)?;
        let front = read_at(&file, 0, START as usize)?;
        let old = format::header_of(&front, F::NAME)?;
        sys::allocate(&file, old.capacity)?;
        if !F::IS_BOUND_TO_PLACE {
            clear(&file, &mut (START..old.capacity))?;
            sys::sync_data(&file)?;
        }
        let header = Header {
            epoch: random(),
            sequence: old.sequence + 1,
            durable: START,
            is_recycled: F::IS_BOUND_TO_PLACE,
            ..old
        };
        write_all_at(&file, &header.encode(), header.offset())?;
        sys::sync_data(&file)?;
        Self::empty(file, framing, header)
    }

    /// Creates a writer of a file without records, of which all is allocated.
    fn empty(file: File, framing: F, header: Header) -> io::Result<Self> {
        let reader = SegmentReader::new(file, framing, header, Recovered::empty());
        reader.durability().extent.expect(header.capacity);
        let mut segment = Self::new(reader, None)?;
        segment.is_prepared = true;
        Ok(segment)
    }
}

/// Returns a random epoch.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub(super) fn lock(file: &File) -> io::Result<()> {
    sys::lock_file(file).map_err(|e| match e {
        TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::ResourceBusy, "the segment is in use")
        }
        TryLockError::Error(e) => e,
    })
}
