//! A log under appends, crashes and damage: what is found again is what the file holds by its format,
//! read here once more, byte by byte.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use arbitrary::Arbitrary;
use bytebuf::{Repair, Segment, SegmentDamaged, SegmentReader};
use tempfile::TempDir;

use super::Model;
use super::fixtures::{pattern, within};

#[derive(Arbitrary, Debug)]
pub enum Op {
    Append {
        len: u16,
    },
    /// As often as there is space for, minus a few bytes.
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
    /// The same, and meanwhile something else has written to the file. What was durable is repaired.
    Damage {
        damage: Damage,
        is_cut_off: bool,
    },
    /// The machine loses its power: each sector that was written since the last sync is on the disk, or is not.
    PowerLoss {
        chance: u64,
    },
    Trim,
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

/// The file's size, where its records begin, and the size of a record's frame.
const CAPACITY: u64 = 6_000;
const START: usize = 1_024;
const FRAME: usize = 8;

/// What a disk writes whole.
const SECTOR: usize = 512;

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

/// What matters of a header.
struct Header {
    epoch: u64,
    durable: usize,
    is_recycled: bool,
}

/// The header of a file: the later one of the two copies that are valid.
fn header(file: &[u8]) -> Option<Header> {
    let copies = [0, 512].into_iter().filter_map(|at| file.get(at..at + 64));
    let valid = copies.filter(|copy| {
        let checked = number::<4>(&copy[60..]) == Some(crc32(0, &copy[..60]).into());
        copy.starts_with(b"bytebuf2len+crc\0") && checked
    });
    let latest = valid.max_by_key(|copy| number::<8>(&copy[32..]))?;
    Some(Header {
        epoch: number::<8>(&latest[16..])?,
        durable: number::<8>(&latest[40..])? as usize,
        is_recycled: latest[48] == 1,
    })
}

/// The record at a position of a file, and its end; a filler has none.
fn record_at(file: &[u8], epoch: u64, at: usize) -> Option<(Option<Vec<u8>>, usize)> {
    let field = number::<4>(file.get(at..)?)?;
    let is_filler = field >> 31 == 1;
    let len = (field & 0x7fff_ffff) as usize;
    let all = file.get(at + FRAME..)?.get(..len)?;
    let payload = if is_filler { &[] } else { all };
    let place = (epoch ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let place = (place ^ field).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let check = crc32((place >> 32) as u32, payload).max(1);
    let is_valid = number::<4>(&file[at + 4..]) == Some(check.into());
    is_valid.then(|| ((!is_filler).then(|| payload.to_vec()), at + FRAME + len))
}

/// What a file holds by its format.
#[derive(Debug, PartialEq)]
struct Contents {
    records: Vec<(usize, Vec<u8>)>,
    end: usize,
    durable: usize,
    torn: Option<Range<u64>>,
    damaged: Vec<Range<usize>>,
}

fn contents(file: &[u8]) -> Option<Contents> {
    let Header { epoch, durable, is_recycled } = header(file)?;
    let front = file.len()..durable;
    let file = &file[..file.len().min(CAPACITY as usize)];
    let (mut at, mut records, mut damaged) = (START, Vec::new(), Vec::new());
    loop {
        if let Some((record, end)) = record_at(file, epoch, at) {
            records.extend(record.map(|record| (at, record)));
            at = end;
        } else if at < durable {
            let durable_part = &file[..file.len().min(durable)];
            let is_next =
                |&next: &usize| next == durable || record_at(durable_part, epoch, next).is_some();
            let next = (at + 1..).find(is_next).expect("at what was durable");
            damaged.push(at..next);
            at = next;
        } else {
            break;
        }
    }
    if front.start < START {
        // The file ends in front of the records.
        damaged = vec![front];
    }
    let last = file.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let torn = (last > at && !is_recycled).then_some(at as u64..last as u64);
    Some(Contents { records, end: at, durable, torn, damaged })
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
    appended: Vec<(usize, Vec<u8>)>,
    /// The end of those that survive a crash.
    durable: usize,
    /// What the disk is sure to hold.
    synced: Vec<u8>,
    /// Whether bytes stand behind the end that the first append clears.
    is_to_be_cleared: bool,
}

fn found(reader: &SegmentReader, from: u64) -> Vec<(usize, Vec<u8>)> {
    let records = reader.records(from).map(|record| record.expect("a valid record"));
    records.map(|record| (record.position() as usize, record.payload().to_vec())).collect()
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
            let space = (len - at) as usize;
            file.write_all_at(&bytes[..bytes.len().min(space)], at).expect("space");
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
        self.durable = START;
        self.synced = self.read_file();
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
                if self.is_to_be_cleared {
                    // That is synced, before the record leaves the buffer.
                    self.is_to_be_cleared = false;
                    self.synced = self.read_file();
                }
                self.appended.push((position as usize, record));
            }
            Err(error) => {
                assert!(!fits && segment.end() == end);
                assert_eq!(error.kind(), ErrorKind::StorageFull);
            }
        }
    }

    fn read_file(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the file")
    }

    /// Closes the file as the end of the process does.
    fn end_process(&mut self) -> Vec<u8> {
        drop(self.segment.take());
        self.read_file()
    }

    /// Mixes what was synced with what was written since, sector by sector.
    fn lose_power(&mut self, chance: u64) {
        let written = self.end_process();
        let mut image = self.synced.clone();
        image.resize(written.len(), 0);
        let sectors = image.chunks_mut(SECTOR).zip(written.chunks(SECTOR));
        for (i, (sector, written)) in sectors.enumerate() {
            // The last sectors share their chance with the first.
            if chance >> (i % 64) & 1 == 1 {
                sector.copy_from_slice(written);
            }
        }
        fs::write(&self.path, image).expect("the file");
    }

    /// Opens what a crash, and the damage, has left.
    fn reopen(&mut self, damage: Option<&Damage>, repair: Repair) {
        let before = self.end_process();
        if let Some(damage) = damage {
            damage.apply(&File::options().read(true).write(true).open(&self.path).expect("it"));
        }
        let bytes = self.read_file();
        let opened = Segment::open(&self.path);
        assert!(self.read_file() == bytes, "opening changes nothing");
        let Some(expected) = contents(&bytes) else {
            assert_eq!(opened.expect_err("not a segment").kind(), ErrorKind::InvalidData);
            assert!(Segment::repair(&self.path, repair).is_err());
            assert!(self.read_file() == bytes, "it is left alone");
            return self.create();
        };
        self.check_untouched(&expected, &before, &bytes, damage.is_none());
        let first = expected.damaged.first();
        let damaged = match SegmentReader::open(&self.path) {
            Ok(reader) => {
                assert!(bytes.len() >= START);
                let recovered = reader.recovered();
                assert_eq!(recovered.end, expected.end as u64);
                assert_eq!(recovered.torn, expected.torn);
                recovered.damaged
            }
            Err(error) => {
                assert!(bytes.len() < START, "{error}");
                recovered_of(&error)
            }
        };
        let range = damaged.map(|found| found.offset()..found.offset() + found.length());
        assert_eq!(range, first.map(|bytes| bytes.start as u64..bytes.end as u64));

        let segment = match first {
            None => opened.expect("a segment"),
            Some(_) => {
                let error = opened.expect_err("damage is an error");
                assert_eq!(recovered_of(&error), damaged);
                let segment = Segment::repair(&self.path, repair).expect("it can be repaired");
                assert_eq!(segment.recovered().damaged, damaged);
                segment
            }
        };
        let (mut records, mut end) = (expected.records, expected.end);
        if let (Some(first), Repair::CutOff) = (first, repair) {
            records.retain(|(position, _)| *position < first.start);
            end = first.start.max(START);
        }
        assert_eq!(segment.end(), end as u64);
        assert!(found(&segment, segment.start()) == records);
        self.durable = segment.durable() as usize;
        self.appended = records;
        self.segment = Some(segment);
        self.synced = self.read_file();
        self.is_to_be_cleared = self.synced.iter().skip(end).any(|&byte| byte != 0);
    }

    /// What was durable and was not touched is there, and nothing is that was not appended, whatever the format says.
    fn check_untouched(&self, expected: &Contents, before: &[u8], now: &[u8], is_crash: bool) {
        let durable = header(now).map_or(0, |header| header.durable);
        if !is_crash && durable < self.durable {
            // The damage reached the header, of which an earlier copy holds.
            return;
        }
        for record in &self.appended {
            let bytes = record.0..record.0 + FRAME + record.1.len();
            let is_durable = bytes.end <= self.durable;
            if is_durable && before.get(bytes.clone()) == now.get(bytes) {
                assert!(expected.records.contains(record), "{record:?} of {expected:?}");
            }
        }
        if is_crash {
            assert!(expected.damaged.is_empty());
            assert!(self.appended.starts_with(&expected.records));
        }
    }
}

fn recovered_of(error: &io::Error) -> Option<SegmentDamaged> {
    error.get_ref()?.downcast_ref().copied()
}

impl Model for Log {
    type Op = Op;

    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("log");
        let mut log = Self {
            _folder: folder,
            path,
            segment: None,
            appended: Vec::new(),
            durable: START,
            synced: Vec::new(),
            is_to_be_cleared: false,
        };
        log.create();
        log
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        match op {
            Op::Append { len } => {
                // Every other one of the same length, so that records follow each other as those of another life.
                let len = if len % 2 == 0 { 40 } else { usize::from(*len) % 300 };
                self.append(pattern(len, salt));
            }
            Op::Fill { less } => {
                let segment = self.segment();
                let left = (segment.capacity() - segment.end()) as usize;
                self.append(pattern(left.saturating_sub(FRAME + usize::from(*less % 20)), salt));
            }
            Op::Publish => {
                let end = self.segment().end();
                assert_eq!(self.segment().publish().expect("space"), end);
                assert_eq!(self.segment().published(), end);
            }
            Op::Flush => {
                let before = self.read_file();
                let is_new = self.segment().durable() < self.segment().end();
                let end = self.segment().end();
                assert_eq!(self.segment().flush().expect("a disk"), end);
                assert_eq!(self.segment().durable(), end);
                self.durable = end as usize;
                if is_new {
                    // The new header is written after the sync.
                    self.synced = self.read_file();
                    let header = before.len().min(START);
                    self.synced[..header].copy_from_slice(&before[..header]);
                }
            }
            Op::Trim => {
                let end = self.segment().trim().expect("a disk");
                assert_eq!(self.read_file().len() as u64, end);
                self.durable = end as usize;
                self.synced = self.read_file();
                self.is_to_be_cleared = false;
            }
            Op::Read { from } => {
                let segment = self.segment();
                let published = found(segment, segment.start());
                let skip = usize::from(*from) % (published.len() + 1);
                let position = published.get(skip).map_or(segment.published(), |one| one.0 as u64);
                assert!(found(segment, position) == published[skip..]);
                assert!(self.appended.starts_with(&published));
            }
            Op::Crash => self.reopen(None, Repair::Skip),
            Op::PowerLoss { chance } => {
                self.lose_power(*chance);
                self.reopen(None, Repair::Skip);
            }
            Op::Damage { damage, is_cut_off } => {
                let repair = if *is_cut_off { Repair::CutOff } else { Repair::Skip };
                self.reopen(Some(damage), repair);
            }
            Op::Recycle => {
                drop(self.segment.take());
                self.segment = Some(Segment::recycle(&self.path).expect("a file"));
                self.appended.clear();
                self.durable = START;
                self.synced = self.read_file();
                self.is_to_be_cleared = false;
            }
        }
        let segment = self.segment();
        assert!(segment.durable() <= segment.published());
        assert!(segment.published() <= segment.end());
    }

    fn finish(mut self) {
        self.segment().flush().expect("a disk");
        self.durable = self.segment().end() as usize;
        let appended = self.appended.len();
        self.reopen(None, Repair::Skip);
        assert_eq!(self.appended.len(), appended);
    }
}
