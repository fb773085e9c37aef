//! What opening says of a file that another program has made shorter or longer, at every length.

use super::format::HEADER;
use super::framed::{Batches, batch};
use super::*;

const CAPACITY: u64 = 1536;

/// The records of each segment, of which the last one is never flushed.
const RECORDS: usize = 6;

/// What is in a file.
struct Written {
    bytes: Vec<u8>,
    /// The positions of the records, with the end.
    positions: Vec<u64>,
    /// Where each valid copy of the header stands and what it says is durable, the newest first.
    copies: Vec<(u64, u64)>,
}

/// What opening a file gives.
#[derive(Debug, PartialEq)]
enum Opened {
    NotASegment,
    /// The first `length` bytes from `offset` on are damaged.
    Damaged {
        offset: u64,
        length: u64,
    },
    Whole {
        records: usize,
    },
}

impl Written {
    /// Flushes in front of each of these records.
    fn of<F: Framing>(
        path: &Path,
        framing: F,
        flushes: &[usize],
        append: impl Fn(&mut Segment<F>, usize) -> io::Result<u64>,
    ) -> Self {
        let mut segment = Segment::create_with(path, CAPACITY, framing).unwrap();
        let mut positions = vec![START];
        let mut copies = vec![(0, START), (512, START)];
        for i in 0..RECORDS {
            if flushes.contains(&i) {
                // The older copy is overwritten, at first the second one.
                let (at, _) = copies.pop().unwrap();
                copies.insert(0, (at, segment.flush().unwrap()));
            }
            append(&mut segment, i).unwrap();
            positions.push(segment.end());
        }
        segment.publish().unwrap();
        drop(segment);
        let bytes = std::fs::read(path).unwrap();
        std::fs::remove_file(path).unwrap();
        Self { bytes, positions, copies }
    }

    fn lose_copy(&mut self, at: u64) {
        self.bytes[at as usize + 20] ^= 1;
        self.copies.retain(|copy| copy.0 != at);
    }

    /// The records that end before `len`.
    fn records(&self, len: u64) -> usize {
        self.positions[1..].iter().filter(|&&end| end <= len).count()
    }

    /// What opening is to give of these bytes, of which those before `len` are as they were written.
    fn right(&self, bytes: &[u8], len: u64) -> Opened {
        let is_left = |at: u64| {
            let copy = at as usize..at as usize + HEADER;
            bytes.get(copy.clone()) == Some(&self.bytes[copy])
        };
        let Some((_, durable)) = self.copies.iter().find(|copy| is_left(copy.0)) else {
            return Opened::NotASegment;
        };
        let records = self.records(len);
        let offset = self.positions[records];
        let offset = if bytes.len() < START as usize { len } else { offset };
        match durable.checked_sub(offset) {
            None | Some(0) => Opened::Whole { records },
            Some(length) => Opened::Damaged { offset, length },
        }
    }
}

fn opened<F: Framing>(result: io::Result<SegmentReader<F>>) -> Opened {
    let damaged = |SegmentDamaged { offset, length }| Opened::Damaged { offset, length };
    match result {
        Ok(reader) => match reader.recovered().damaged {
            Some(found) => damaged(found),
            None => Opened::Whole { records: payloads(&reader).len() },
        },
        Err(error) => match error.get_ref().and_then(|source| source.downcast_ref()) {
            Some(SegmentFormatError::NotASegment) => Opened::NotASegment,
            _ => damaged(source(&error)),
        },
    }
}

/// Repairs a file that is damaged from `offset` on, behind so many records, and goes on with it.
fn repair<F: Framing + Copy>(
    path: &Path,
    framing: F,
    how: Repair,
    (records, end): (usize, u64),
    append: impl Fn(&mut Segment<F>, usize) -> io::Result<u64>,
) {
    let mut segment = Segment::repair_with(path, framing, how).unwrap();
    assert_eq!((segment.end(), segment.durable()), (end, end));
    assert_eq!(payloads(&segment).len(), records);
    append(&mut segment, RECORDS).unwrap();
    segment.publish().unwrap();
    drop(segment);
    // The repair wrote a copy of the header, wherever the one that was left stands.
    let segment = Segment::open_with(path, framing).unwrap();
    assert_eq!((segment.durable(), payloads(&segment).len()), (end, records + 1));
}

/// Makes the file as long as each length in turn, and compares what opening and repairing give with what is right.
fn cut_everywhere<F: Framing + Copy>(
    framing: F,
    append: impl Fn(&mut Segment<F>, usize) -> io::Result<u64>,
) {
    // Nothing has to reach a disk there.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("log");
    let has_filler = framing.filler(Place { epoch: 0, position: START }, 100).is_some();
    // The newest header is the second copy, the first, and the second again.
    for flushes in [&[5][..], &[3, 5], &[1, 3, 5]] {
        for lost in [None, Some(0), Some(512)] {
            let mut written = Written::of(&path, framing, flushes, &append);
            if let Some(at) = lost {
                written.lose_copy(at);
            }
            let lens = (0..=CAPACITY + 2).flat_map(|len| [(len, len), (len, CAPACITY)]);
            for (len, with_hole) in lens {
                // What another program cuts off, it may put back as zeros.
                let mut bytes = written.bytes.clone();
                bytes.resize(len as usize, 0);
                bytes.resize(with_hole.max(len) as usize, 0);
                std::fs::write(&path, &bytes).unwrap();
                let is_unchanged = || std::fs::read(&path).unwrap() == bytes;
                let (right, records) = (written.right(&bytes, len), written.records(len));
                let case = format!("{len} of {} bytes, {flushes:?}, {lost:?}", bytes.len());

                let writer = Segment::open_with(&path, framing);
                let is_opened = writer.is_ok();
                assert_eq!(opened(writer.map(|writer| writer.reader())), right, "{case}");
                assert_eq!(is_opened, matches!(right, Opened::Whole { .. }), "{case}");
                let reader = SegmentReader::open_with(&path, framing);
                assert_eq!(
                    reader.is_ok(),
                    right != Opened::NotASegment && bytes.len() as u64 >= START,
                    "{case}"
                );
                if let Ok(reader) = &reader {
                    let found = reader.records(START).map_while(Result::ok).count();
                    assert_eq!(found, records, "{case}");
                }
                assert_eq!(opened(reader), right, "{case}");
                assert!(is_unchanged(), "{case}: opening changes nothing");

                let Opened::Damaged { offset, length } = right else { continue };
                let durable = offset + length;
                if has_filler || durable == START {
                    repair(&path, framing, Repair::Skip, (records, durable), &append);
                } else {
                    let error = Segment::repair_with(&path, framing, Repair::Skip).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{case}");
                    assert!(is_unchanged(), "{case}: what cannot be repaired is left as it is");
                }
                std::fs::write(&path, &bytes).unwrap();
                repair(&path, framing, Repair::CutOff, (records, offset.max(START)), &append);
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn a_file_cut_to_any_length_is_damaged_if_durable_bytes_are_gone() {
    cut_everywhere(Checksummed, |segment, i| segment.append(&[i as u8 + 1; 30]));
}

#[test]
fn a_file_of_the_callers_records_cut_to_any_length_is_damaged_if_durable_bytes_are_gone() {
    cut_everywhere(Batches, |segment, i| segment.append_framed(&batch(i as u64, b"record")));
}
