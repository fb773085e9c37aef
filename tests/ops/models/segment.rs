//! A log under appends, crashes and damage: what is found again is what the file holds by its format,
//! read here once more, byte by byte.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use arbitrary::Arbitrary;
use bytebuf::{Segment, SegmentReader};
use tempfile::TempDir;

use super::Model;
use super::ground::{pattern, within};

#[derive(Arbitrary, Debug)]
pub enum Op {
    Append {
        len: u16,
    },
    /// As often as there is room for, but for a bit.
    Fill {
        less: u8,
    },
    Publish,
    Flush,
    /// What was published is read while the segment is written.
    Read {
        from: u8,
    },
    /// The process ends without a word, and the next one opens the segment.
    Crash,
    /// The same, and meanwhile somebody has written to the file.
    Damage(Damage),
    Recycle,
}

#[derive(Arbitrary, Debug)]
pub enum Damage {
    Flip {
        at: u16,
        bits: u8,
    },
    Zero {
        at: u16,
        len: u16,
    },
    Garbage {
        at: u16,
        bytes: [u8; 12],
    },
    /// A piece of the file, whole records perhaps, stands once more elsewhere.
    Copy {
        from: u16,
        to: u16,
        len: u16,
    },
    /// The file ends here.
    Cut {
        at: u16,
    },
    Longer {
        by: u8,
    },
}

/// The file's size, its header's and a record's frame's.
const CAPACITY: u64 = 6_000;
const HEADER: usize = 32;
const FRAME: usize = 8;

/// A checksum as it is defined, half a byte at a time.
fn crc32(begin: u32, bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    let table: [u32; 16] = std::array::from_fn(|half| (0..4).fold(half as u32, bit));
    let half = |crc: u32| crc >> 4 ^ table[crc as usize % 16];
    !bytes.iter().fold(!begin, |crc, &byte| half(half(crc ^ u32::from(byte))))
}

fn number<const N: usize>(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.get(..N)?;
    Some(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// The epoch of a file that begins as a segment does.
fn epoch(file: &[u8]) -> Option<u64> {
    let (magic, rest) = file.get(..HEADER)?.split_at(8);
    let checked = number::<4>(&rest[8..])? == u64::from(crc32(0, &file[..16]));
    let zeros = rest[12..].iter().all(|&byte| byte == 0);
    (magic == b"bytebuf1" && checked && zeros).then(|| number::<8>(rest)).flatten()
}

/// All records that a file holds, by its format.
fn records(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let epoch = epoch(file)?;
    let (mut at, mut found) = (HEADER, Vec::new());
    while let Some(len) = file.get(at..).and_then(number::<4>)
        && let Some(payload) = file.get(at + FRAME..).and_then(|rest| rest.get(..len as usize))
    {
        let place = (epoch ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        let place = (place ^ len).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let check = crc32((place >> 32) as u32, payload).max(1);
        if number::<4>(&file[at + 4..]) != Some(check.into()) {
            break;
        }
        found.push(payload.to_vec());
        at += FRAME + payload.len();
    }
    Some(found)
}

/// Where nothing has to reach a disk, if there is such a place.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// A segment, and the records that are in it.
pub struct Log {
    _folder: TempDir,
    path: PathBuf,
    segment: Option<Segment>,
    appended: Vec<Vec<u8>>,
    /// How many of them survive a crash.
    durable: usize,
}

fn found(reader: &SegmentReader, from: u64) -> Vec<Vec<u8>> {
    let records = reader.records(from);
    records.map(|record| record.expect("a valid record").payload().to_vec()).collect()
}

impl Damage {
    fn apply(&self, file: &File) {
        let len = file.metadata().expect("a file").len();
        let place = |at: u16| within(at, len as usize) as u64;
        let read = |at: u64, most: usize| {
            let mut bytes = vec![0; most.min((len - at) as usize)];
            file.read_exact_at(&mut bytes, at).expect("it is there");
            bytes
        };
        let write = |bytes: &[u8], at: u64| {
            let room = (len - at) as usize;
            file.write_all_at(&bytes[..bytes.len().min(room)], at).expect("room");
        };
        match *self {
            Self::Flip { at, bits } => {
                let at = place(at);
                let flipped: Vec<u8> = read(at, 1).iter().map(|byte| byte ^ bits).collect();
                write(&flipped, at);
            }
            Self::Zero { at, len } => write(&vec![0; len.into()], place(at)),
            Self::Garbage { at, bytes } => write(&bytes, place(at)),
            Self::Copy { from, to, len } => write(&read(place(from), len.into()), place(to)),
            Self::Cut { at } => file.set_len(place(at)).expect("a shorter file"),
            Self::Longer { by } => file.set_len(len + u64::from(by)).expect("a longer file"),
        }
    }
}

impl Log {
    fn create(&mut self) {
        _ = fs::remove_file(&self.path);
        self.segment = Some(Segment::create(&self.path, CAPACITY).expect("a segment"));
        self.appended.clear();
        self.durable = 0;
    }

    fn segment(&mut self) -> &mut Segment {
        self.segment.as_mut().expect("it is open between two steps")
    }

    fn append(&mut self, record: Vec<u8>) {
        let segment = self.segment();
        let (end, needed) = (segment.end(), (FRAME + record.len()) as u64);
        let fits = needed <= segment.capacity() - end;
        match segment.append(&record) {
            Ok(position) => {
                assert!(fits && position == end && segment.end() == end + needed);
                self.appended.push(record);
            }
            Err(error) => {
                assert!(!fits && segment.end() == end);
                assert_eq!(error.kind(), ErrorKind::StorageFull);
            }
        }
    }

    /// Opens what a crash, and the damage, has left.
    fn reopen(&mut self, damage: Option<&Damage>) {
        drop(self.segment.take());
        let before = fs::read(&self.path).expect("the file");
        if let Some(damage) = damage {
            damage.apply(&File::options().read(true).write(true).open(&self.path).expect("it"));
        }
        let bytes = fs::read(&self.path).expect("the file");
        let whole = bytes.iter().zip(&before).take_while(|(now, then)| now == then).count();
        let opened = Segment::open(&self.path);
        let Some(expected) = records(&bytes) else {
            assert_eq!(opened.expect_err("not a segment").kind(), ErrorKind::InvalidData);
            assert!(fs::read(&self.path).expect("the file") == bytes, "it is left alone");
            return self.create();
        };
        let segment = opened.expect("a segment");
        assert!(found(&segment, segment.start()) == expected);
        // What was durable and was not touched is there, whatever the format says.
        let mut end = HEADER;
        let untouched = |record: &&Vec<u8>| {
            end += FRAME + record.len();
            end <= whole
        };
        let kept = self.appended[..self.durable].iter().take_while(untouched).count();
        assert!(expected.len() >= kept && expected[..kept] == self.appended[..kept]);
        if damage.is_none() {
            assert!(expected.len() <= self.appended.len());
            assert!(expected[..] == self.appended[..expected.len()]);
        }
        assert_eq!(segment.end(), segment.durable());
        self.durable = expected.len();
        self.appended = expected;
        self.segment = Some(segment);
        let after = fs::read(&self.path).expect("the file");
        let end = self.segment().end() as usize;
        assert!(after[end..].iter().all(|&byte| byte == 0), "what was cut off is gone");
    }
}

impl Model for Log {
    type Op = Op;

    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("log");
        let (appended, durable) = (Vec::new(), 0);
        let mut log = Self { _folder: folder, path, segment: None, appended, durable };
        log.create();
        log
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        match op {
            Op::Append { len } => self.append(pattern(usize::from(*len) % 300, salt)),
            Op::Fill { less } => {
                let segment = self.segment();
                let left = (segment.capacity() - segment.end()) as usize;
                self.append(pattern(left.saturating_sub(FRAME + usize::from(*less % 20)), salt));
            }
            Op::Publish => {
                let end = self.segment().end();
                assert_eq!(self.segment().publish().expect("room"), end);
                assert_eq!(self.segment().published(), end);
            }
            Op::Flush => {
                let end = self.segment().end();
                assert_eq!(self.segment().flush().expect("a disk"), end);
                assert_eq!(self.segment().durable(), end);
                self.durable = self.appended.len();
            }
            Op::Read { from } => {
                let segment = self.segment();
                let published = found(segment, segment.start());
                let skip = usize::from(*from) % (published.len() + 1);
                let before: usize = published[..skip].iter().map(|one| FRAME + one.len()).sum();
                let rest = found(segment, (HEADER + before) as u64);
                assert!(rest == published[skip..]);
                assert!(published[..] == self.appended[..published.len()]);
                assert!(published.len() >= self.durable);
            }
            Op::Crash => self.reopen(None),
            Op::Damage(damage) => self.reopen(Some(damage)),
            Op::Recycle => {
                drop(self.segment.take());
                self.segment = Some(Segment::recycle(&self.path).expect("a file"));
                self.appended.clear();
                self.durable = 0;
            }
        }
        let segment = self.segment();
        assert!(segment.durable() <= segment.published());
        assert!(segment.published() <= segment.end());
    }

    fn finish(mut self) {
        self.segment().flush().expect("a disk");
        self.durable = self.appended.len();
        self.reopen(None);
        assert_eq!(self.durable, self.appended.len());
    }
}
