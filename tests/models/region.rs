//! Ranges of a file that are cut, read and sent while the file shrinks, grows and changes, against what
//! it holds.

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use arbitrary::Arbitrary;
use bytebuf::{FileRegion, FileTruncated};

use super::Model;
use super::fixtures::{pattern, pool, within};
use super::test_io::unix_pair;

#[derive(Arbitrary, Debug)]
pub enum Op {
    /// May end behind the file.
    New {
        start: u16,
        len: u16,
    },
    Slice {
        at: u8,
        start: u16,
        len: u16,
    },
    SplitTo {
        at: u8,
        to: u16,
    },
    Advance {
        at: u8,
        n: u16,
    },
    Truncate {
        at: u8,
        len: u16,
    },
    Drop {
        at: u8,
    },
    ReadAt {
        at: u8,
        offset: u16,
        space: u16,
    },
    ReadAll {
        at: u8,
    },
    Send {
        at: u8,
        target: Target,
    },
    /// The file ends elsewhere from here on.
    Resize {
        len: u16,
    },
    Overwrite {
        start: u16,
        len: u16,
    },
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Target {
    Socket,
    File,
}

/// The longest file, and the most regions.
const LONGEST: usize = 40_000;
const MOST: usize = 8;

/// A file, what it holds, and regions of it with their ranges.
pub struct Regions {
    file: Arc<File>,
    flat: Vec<u8>,
    regions: Vec<(FileRegion, Range<usize>)>,
    socket: (UnixStream, UnixStream),
    /// A file that is sent to, and how much it has.
    sink: (File, u64),
}

fn file() -> File {
    tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).expect("a file")
}

/// Whether an error says that a region up to `expected` found the end of its file at `found`.
fn shrank(error: &Error, expected: usize, found: usize) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<FileTruncated>());
    error.kind() == ErrorKind::UnexpectedEof
        && inner.is_some_and(|e| (e.expected(), e.found()) == (expected as u64, found as u64))
}

impl Regions {
    fn push(&mut self, region: FileRegion, range: Range<usize>) {
        if self.regions.len() == MOST {
            self.regions.remove(0);
        }
        self.regions.push((region, range));
    }

    fn pick(&mut self, at: u8) -> Option<&mut (FileRegion, Range<usize>)> {
        let count = self.regions.len().max(1);
        self.regions.get_mut(usize::from(at) % count)
    }

    fn read_at(&mut self, at: u8, offset: usize, space: usize) {
        let (end_of_file, flat) = (self.flat.len(), self.flat.clone());
        let Some((region, range)) = self.pick(at) else { return };
        let mut buf = pool().alloc(4 + space);
        buf.extend_from_slice(b"kept");
        let start = range.start + offset;
        let end = range.end.min(start + space);
        match region.read_at(offset as u64, &mut buf) {
            Ok(0) => assert!(start >= end),
            Ok(read) => {
                // A file gives all that there is.
                assert_eq!(start + read, end.min(end_of_file));
                assert_eq!(buf[4..], flat[start..start + read]);
            }
            Err(error) => {
                assert!(start < end && start >= end_of_file, "{error}");
                assert!(shrank(&error, range.end, start));
                assert_eq!(buf, "kept");
            }
        }
        assert!(buf.starts_with(b"kept"));
    }

    fn read_all(&mut self, at: u8) {
        let flat = self.flat.clone();
        let Some((region, range)) = self.pick(at) else { return };
        match (region.read_all(), flat.get(range.clone())) {
            (Ok(view), Some(expected)) => assert_eq!(view, expected),
            (Ok(view), None) => assert!(view.is_empty() && Range::is_empty(range)),
            (Err(error), expected) => {
                assert!(expected.is_none());
                assert!(shrank(&error, range.end, range.start.max(flat.len())), "{error}");
            }
        }
    }

    fn send(&mut self, at: u8, target: Target) -> io::Result<()> {
        let at = usize::from(at) % self.regions.len().max(1);
        let Some((region, range)) = self.regions.get_mut(at) else { return Ok(()) };
        let mut arrived = Vec::new();
        let sent = match target {
            Target::Socket => {
                let sent = region.transfer_to(&self.socket.0);
                // All of it is there: between these two nothing is under way.
                let error = self.socket.1.read_to_end(&mut arrived).expect_err("it is open");
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                sent
            }
            Target::File => {
                let sent = region.transfer_to(&self.sink.0);
                let end = self.sink.0.metadata()?.len();
                arrived.resize((end - self.sink.1) as usize, 0);
                self.sink.0.read_exact_at(&mut arrived, self.sink.1)?;
                self.sink.1 = end;
                sent
            }
        };
        match sent {
            Ok(sent) => {
                assert_eq!(sent, arrived.len() as u64);
                assert_eq!(sent == 0, Range::is_empty(range));
                let here = range.start..range.start + arrived.len();
                assert!(sent == 0 || self.flat.get(here) == Some(&arrived));
                range.start += arrived.len();
            }
            Err(error) => {
                assert!(arrived.is_empty() && range.start >= self.flat.len(), "{error}");
                assert!(shrank(&error, range.end, range.start), "{error}");
            }
        }
        Ok(())
    }
}

impl Model for Regions {
    type Op = Op;

    fn new() -> Self {
        let (file, flat) = (Arc::new(file()), pattern(10_000, 1));
        file.write_all_at(&flat, 0).expect("space for a small file");
        let regions = vec![(FileRegion::new(file.clone(), 0..10_000), 0..10_000)];
        Self { file, flat, regions, socket: unix_pair(), sink: (self::file(), 0) }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        match *op {
            Op::New { start, len } => {
                let start = within(start, LONGEST);
                let range = start..start + usize::from(len) % LONGEST;
                let bytes = range.start as u64..range.end as u64;
                self.push(FileRegion::new(self.file.clone(), bytes), range);
            }
            Op::Slice { at, start, len } => {
                let Some((region, range)) = self.pick(at) else { return };
                let start = within(start, range.len());
                let end = start + within(len, range.len() - start);
                let part = region.slice(start as u64..end as u64);
                let range = range.start + start..range.start + end;
                self.push(part, range);
            }
            Op::SplitTo { at, to } => {
                let Some((region, range)) = self.pick(at) else { return };
                let to = within(to, range.len());
                let front = region.split_to(to as u64);
                let before = range.start..range.start + to;
                range.start += to;
                self.push(front, before);
            }
            Op::Advance { at, n } => {
                let Some((region, range)) = self.pick(at) else { return };
                let n = within(n, range.len());
                region.advance(n as u64);
                range.start += n;
            }
            Op::Truncate { at, len } => {
                let Some((region, range)) = self.pick(at) else { return };
                region.truncate(len.into());
                range.end = range.end.min(range.start + usize::from(len));
            }
            Op::Drop { at } => {
                let count = self.regions.len();
                if count > 1 {
                    self.regions.swap_remove(usize::from(at) % count);
                }
            }
            Op::ReadAt { at, offset, space } => {
                self.read_at(at, usize::from(offset) % LONGEST, usize::from(space) % 5000);
            }
            Op::ReadAll { at } => self.read_all(at),
            Op::Send { at, target } => self.send(at, target).expect("a file and a socket"),
            Op::Resize { len } => {
                let len = usize::from(len) % LONGEST;
                self.file.set_len(len as u64).expect("another length");
                self.flat.resize(len, 0);
            }
            Op::Overwrite { start, len } => {
                let start = within(start, self.flat.len());
                let end = start + within(len, self.flat.len() - start);
                let new = pattern(end - start, salt);
                self.file.write_all_at(&new, start as u64).expect("no more space is needed");
                self.flat[start..end].copy_from_slice(&new);
            }
        }
        for (region, range) in &self.regions {
            assert_eq!((region.position(), region.len()), (range.start as u64, range.len() as u64));
            assert_eq!((region.is_empty(), region.remaining()), (range.is_empty(), region.len()));
        }
    }
}
