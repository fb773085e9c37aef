//! The names in a directory, in order, read with bounded memory.
//!
//! The kernel returns the names in no useful order, and a page shows them sorted. All names of a directory would take a megabyte
//! for each slow client. A [`Listing`] holds only the next names, up to [`NAMES_MAX`] bytes, and reads
//! the directory again when they are used up.

use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, RawDir, RawDirEntry, SeekFrom, Stat, seek, statat};

/// Maximum entries that are listed of one directory. This bounds the time of one pass.
pub(crate) const ENTRIES_MAX: usize = 10_000;

/// Memory for the names that come next. A directory of 10,000 short names takes about ten passes.
const NAMES_MAX: usize = 64 * 1024;

/// Memory of one name, without its bytes.
const NAME_OVERHEAD: usize = 48;

/// A name in the order of the page: directories first, then the rest, each by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    rank: Rank,
    bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Directory,
    Other,
}

/// The entries of one directory in order.
///
/// An entry that exists from the first call to the last is listed once. Entries that are created,
/// removed or renamed meanwhile may be listed or not.
#[derive(Debug)]
pub(crate) struct Listing {
    directory: OwnedFd,
    /// The names that come next, in order.
    ahead: VecDeque<Name>,
    /// The last name that was in `ahead`; the next pass starts after it.
    last: Option<Name>,
    /// The directory has further names after those in `ahead`.
    more: bool,
    truncated: bool,
    system_calls: u64,
}

impl Listing {
    /// Lists the entries of an open directory.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self {
            directory,
            ahead: VecDeque::new(),
            last: None,
            more: true,
            truncated: false,
            system_calls: 1, // closing it
        }
    }

    /// Returns the name and the attributes (`lstat`) of the next entry.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Box<[u8]>, Stat)>> {
        loop {
            if self.ahead.is_empty() && self.more {
                self.read_names()?;
            }
            let Some(name) = self.ahead.pop_front() else { return Ok(None) };
            self.system_calls += 1;
            let stat = statat(&self.directory, &*name.bytes, AtFlags::SYMLINK_NOFOLLOW);
            if self.ahead.is_empty() {
                self.last = Some(Name { rank: name.rank, bytes: name.bytes.clone() });
            }
            // An entry that was removed meanwhile is left out.
            if let Ok(stat) = stat {
                return Ok(Some((name.bytes, stat)));
            }
        }
    }

    /// Returns whether the directory has more than [`ENTRIES_MAX`] entries.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Returns the number of system calls since the last call of this function.
    pub(crate) fn take_system_calls(&mut self) -> u64 {
        std::mem::take(&mut self.system_calls)
    }

    /// Reads the whole directory and keeps the first names after the last one.
    fn read_names(&mut self) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); 32 * 1024];
        let mut first = BinaryHeap::new();
        let (mut entries, mut held) = (0, 0);
        self.more = false;
        self.system_calls += 1;
        seek(&self.directory, SeekFrom::Start(0))?;
        let mut directory = RawDir::new(&self.directory, &mut space);
        loop {
            self.system_calls += u64::from(directory.is_buffer_empty());
            let Some(entry) = directory.next() else { break };
            let entry = entry?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            if entries == ENTRIES_MAX {
                self.truncated = true;
                break;
            }
            entries += 1;
            let Some(rank) = rank(&self.directory, &entry, &mut self.system_calls) else {
                continue;
            };
            let is_behind = |name: &Name| (rank, bytes) > (name.rank, &*name.bytes);
            if self.last.as_ref().is_some_and(|last| !is_behind(last)) {
                continue;
            }
            if self.more && first.peek().is_some_and(is_behind) {
                continue;
            }
            held += bytes.len() + NAME_OVERHEAD;
            first.push(Name { rank, bytes: bytes.into() });
            while held > NAMES_MAX {
                let dropped: Option<Name> = first.pop();
                held -= dropped.map_or(0, |name| name.bytes.len() + NAME_OVERHEAD);
                self.more = true;
            }
        }
        self.ahead = first.into_sorted_vec().into();
        Ok(())
    }
}

/// Returns the rank of an entry, by `lstat` if the directory does not contain the type; `None` if the
/// entry was removed.
fn rank(directory: &OwnedFd, entry: &RawDirEntry<'_>, calls: &mut u64) -> Option<Rank> {
    let kind = match entry.file_type() {
        FileType::Unknown => {
            *calls += 1;
            let stat = statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
            FileType::from_raw_mode(stat.st_mode)
        }
        known => known,
    };
    Some(if kind == FileType::Directory { Rank::Directory } else { Rank::Other })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs::{File, create_dir, remove_file, write};
    use std::path::Path;

    fn listing(path: &Path) -> Listing {
        Listing::new(File::open(path).unwrap().into())
    }

    fn names(listing: &mut Listing) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| listing.next().unwrap()).map(|(name, _)| name.into_vec()).collect()
    }

    #[test]
    fn directories_come_first_and_each_kind_is_sorted() {
        let home = tempfile::tempdir().unwrap();
        write(home.path().join("b"), "xyz").unwrap();
        write(home.path().join("a"), "").unwrap();
        create_dir(home.path().join("z")).unwrap();
        std::os::unix::fs::symlink("z", home.path().join("c")).unwrap();
        assert_eq!(names(&mut listing(home.path())), [b"z", b"a", b"b", b"c"]);
    }

    #[test]
    fn names_beyond_the_memory_limit_are_listed_once_and_in_order() {
        let home = tempfile::tempdir().unwrap();
        let mut expected = BTreeSet::new();
        for n in 0..700 {
            // Names of the greatest length, so that few of them fit at a time.
            let name = format!("{:0>255}", n * 7919 % 1000);
            write(home.path().join(&name), "").unwrap();
            expected.insert(name.into_bytes());
        }
        let mut listing = listing(home.path());
        let mut seen = Vec::new();
        while let Some((name, _)) = listing.next().unwrap() {
            let held: usize = listing.ahead.iter().map(|name| name.bytes.len()).sum();
            assert!(held < NAMES_MAX);
            seen.push(name.into_vec());
        }
        assert!(listing.system_calls > 700 + 2 * 3, "one pass was enough: the test is too small");
        assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_removed_before_its_turn_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            write(home.path().join(name), "").unwrap();
        }
        let mut listing = listing(home.path());
        assert_eq!(&*listing.next().unwrap().unwrap().0, b"a");
        remove_file(home.path().join("b")).unwrap();
        assert_eq!(names(&mut listing), [b"c"]);
    }
}
