//! Records that the caller frames, without a byte of ours between them: as in Kafka's log.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::sys::{Call, Outcome, with_plan};

/// Kafka's record batches, version 2: a length at 8..12 that counts what is behind it, a CRC-32C at 17..21 of
/// what is behind that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches;

const BATCH: usize = 61;

impl Framing for Batches {
    const NAME: [u8; 8] = *b"kafka-v2";

    fn max_len(&self) -> usize {
        1 << 20
    }

    fn parse(&self, _: Place, bytes: &[u8]) -> Parsed {
        let Some(head) = bytes.first_chunk::<BATCH>() else { return Parsed::Incomplete(BATCH) };
        let len = i32::from_be_bytes(*head[8..].first_chunk().unwrap());
        let len = 12 + usize::try_from(len).unwrap_or(0);
        if len < BATCH || head[16] != 2 {
            return Parsed::Corrupt;
        }
        let Some(batch) = bytes.get(..len) else { return Parsed::Incomplete(len) };
        let check = u32::from_be_bytes(*batch[17..].first_chunk().unwrap());
        if check == crc32c(&batch[21..]) { Parsed::Valid(len) } else { Parsed::Corrupt }
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), bit))
}

pub(super) fn batch(base: u64, records: &[u8]) -> Vec<u8> {
    let mut batch = vec![0; BATCH];
    batch.extend_from_slice(records);
    let len = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&len.to_be_bytes());
    batch[16] = 2;
    let check = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&check.to_be_bytes());
    // Neither is under the check: the broker patches them.
    batch[..8].copy_from_slice(&base.to_be_bytes());
    batch
}

#[test]
fn a_range_of_the_file_is_what_was_appended() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 1 << 20, Batches).unwrap();
    let batches: Vec<_> = (0..40).map(|i| batch(i as u64, &record(i))).collect();
    let mut wire = Vec::new();
    for some in batches.chunks(3) {
        let some = some.concat();
        assert_eq!(segment.append_framed(&some).unwrap(), segment.start() + wire.len() as u64);
        wire.extend_from_slice(&some);
    }
    segment.flush().unwrap();
    drop(segment);
    let reader = SegmentReader::open_with(&path, Batches).unwrap();
    assert!(reader.slice(reader.start()..reader.published()).unwrap()[..] == wire[..]);
    assert!(payloads(&reader) == batches);
    let mut sent = Vec::new();
    let mut queue = crate::WriteQueue::new().with_budget(u64::MAX);
    queue.push(reader.region(reader.start()..reader.published()).unwrap());
    assert!(queue.flush_into(&mut sent).unwrap().is_done());
    assert!(sent == wire);
    // With another framing, all of it would be damage.
    let error = Segment::open(&path).unwrap_err();
    let expected =
        SegmentFormatError::Framing { expected: Checksummed::NAME, found: Batches::NAME };
    assert_eq!(source::<SegmentFormatError>(&error), expected);
}

#[test]
fn bytes_that_are_no_whole_records_are_not_appended() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 4 << 20, Batches).unwrap();
    let good = batch(0, b"good");
    let mut bad = batch(1, b"bad");
    bad[BATCH] ^= 1;
    // One is longer than the framing allows, and would not be found again.
    let long = batch(1, &vec![0; Batches.max_len()]);
    for bad in [&bad[..], &good[..good.len() - 1], &[0; 100], b"short", &long] {
        let error = segment.append_framed(&[&good, bad].concat()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let corrupt: CorruptRecord = source(&error);
        assert_eq!(corrupt.position(), segment.start() + good.len() as u64);
    }
    segment.append_framed(&good).unwrap();
    segment.flush().unwrap();
    assert!(payloads(&segment) == [good]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Checks that hold anywhere protect from no stale byte: what is behind the end has to be cleared.
    #[test]
    fn a_tear_ends_the_log_and_what_is_behind_it_does_not_come_back(
        torn in 0..20_usize,
        at in 0..61_usize,
        durable in 0..20_usize,
    ) {
        let (_dir, path) = place();
        let mut segment = Segment::create_with(&path, 1 << 16, Batches).unwrap();
        for i in 0..20 {
            segment.append_framed(&batch(i, &[i as u8; 30])).unwrap();
            if i as usize == durable {
                segment.flush().unwrap();
            }
        }
        segment.publish().unwrap();
        let position = segment.start() + (torn * (BATCH + 30)) as u64;
        drop(segment);
        change(&path, position + 8 + at.min(52) as u64, |byte| byte[0] ^= 0x81, 1);
        let may_be = !matches!(at.min(52), 4..8);
        let opened = Segment::open_with(&path, Batches);
        if !may_be {
            // Under no check: the broker's to patch.
            prop_assert_eq!(payloads(&opened.unwrap()).len(), 20);
            return Ok(());
        }
        if torn <= durable {
            let found: SegmentDamaged = source(&opened.unwrap_err());
            prop_assert_eq!((found.offset(), found.length()), (position, BATCH as u64 + 30));
            let skip = Segment::repair_with(&path, Batches, Repair::Skip).unwrap_err();
            prop_assert_eq!(skip.kind(), io::ErrorKind::Unsupported);
            let segment = Segment::repair_with(&path, Batches, Repair::CutOff).unwrap();
            prop_assert_eq!(segment.end(), position);
            drop(segment);
        } else {
            drop(opened);
        }
        let mut segment = Segment::open_with(&path, Batches).unwrap();
        prop_assert_eq!(segment.end(), position);
        segment.append_framed(&batch(torn as u64, &[torn as u8; 30])).unwrap();
        segment.flush().unwrap();
        drop(segment);
        prop_assert_eq!(payloads(&Segment::open_with(&path, Batches).unwrap()).len(), torn + 1);
    }
}

/// A batch may carry batches: those of another broker, say.
#[test]
fn batches_inside_of_a_damaged_batch_are_not_taken_for_batches_of_the_log() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 1 << 16, Batches).unwrap();
    let inner = [batch(7, b"inner"), batch(8, b"another")].concat();
    segment.append_framed(&batch(0, b"first")).unwrap();
    let outer = batch(1, &[&inner[..], b"and more"].concat());
    let hit = segment.append_framed(&outer).unwrap();
    segment.append_framed(&batch(2, b"last")).unwrap();
    segment.flush().unwrap();
    drop(segment);
    let damaged = |path: &Path| {
        let found: SegmentDamaged = source(&Segment::open_with(path, Batches).unwrap_err());
        (found.offset(), found.length())
    };
    change(&path, hit + 30, |byte| byte[0] ^= 1, 1);
    assert_eq!(damaged(&path), (hit, outer.len() as u64));
}

/// Several batches, of which a full disk takes some.
#[test]
fn no_part_of_a_failed_append_is_found_later() {
    type Append = fn(&mut Segment<Batches>, &[u8]) -> io::Result<u64>;
    let ways: [(Append, usize); 2] =
        [(Segment::append_framed, 200_000), (Segment::publish_framed, 2_000)];
    for (append, len) in ways {
        let (_dir, path) = place();
        let mut segment = Segment::create_with(&path, 4 << 20, Batches).unwrap();
        let two = [batch(0, &vec![1; len]), batch(1, &vec![1; len])].concat();
        let mut turn = 0;
        let plan = move |call, _| match call {
            Call::WriteAt => {
                turn += 1;
                if turn == 1 { Outcome::Short(len * 3 / 2) } else { Outcome::Fail(ENOSPC) }
            }
            _ => Outcome::Pass,
        };
        assert!(with_plan(plan, || append(&mut segment, &two)).is_err());
        assert_eq!((segment.end(), segment.published()), (segment.start(), segment.start()));
        // As long as the first that failed, so that the second would stand right behind it.
        let again = batch(5, &vec![2; len]);
        append(&mut segment, &again).unwrap();
        segment.publish().unwrap();
        drop(segment);
        assert!(payloads(&Segment::open_with(&path, Batches).unwrap()) == [again]);
    }
}

#[test]
fn records_are_published_by_one_write_each_behind_those_that_were_appended() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 1 << 20, Batches).unwrap();
    let batches: Vec<_> = (0..5).map(|i| batch(i, b"some records")).collect();
    segment.append_framed(&batches[0]).unwrap();
    let mut published = Vec::new();
    let lens = Rc::new(RefCell::new(Vec::new()));
    for batch in &batches[1..] {
        let lens = lens.clone();
        let plan = move |call, len| {
            if call == Call::WriteAt {
                lens.borrow_mut().push(len);
            }
            Outcome::Pass
        };
        published.push(with_plan(plan, || segment.publish_framed(batch)).unwrap());
    }
    let len = batches[0].len();
    assert_eq!(*lens.borrow(), [len; 5], "the appended one goes first");
    let positions = (1..5).map(|i| segment.start() + i * len as u64);
    assert!(published.into_iter().eq(positions));
    assert_eq!(segment.published(), segment.end());
    assert!(payloads(&segment) == batches);
}

#[test]
fn what_is_durable_is_read_without_a_look_at_the_records() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 1 << 20, Batches).unwrap();
    let first = segment.publish_framed(&batch(0, b"first")).unwrap();
    segment.publish_framed(&batch(1, b"second")).unwrap();
    let end = segment.trim().unwrap();
    segment.publish_framed(&batch(2, b"not durable")).unwrap();
    drop(segment);
    let reader = SegmentReader::open_durable(&path, Batches).unwrap();
    assert_eq!((reader.published(), reader.durable()), (end, end));
    assert_eq!(payloads(&reader).len(), 2);
    // Damage is found when the record is read.
    change(&path, first + BATCH as u64, |byte| byte[0] ^= 1, 1);
    let reader = SegmentReader::open_durable(&path, Batches).unwrap();
    let error = reader.records(reader.start()).next().unwrap().unwrap_err();
    assert_eq!(source::<CorruptRecord>(&error).position(), first);
    // A file that has become too short is not a durable segment.
    File::options().write(true).open(&path).unwrap().set_len(end - 1).unwrap();
    let damaged: SegmentDamaged = source(&SegmentReader::open_durable(&path, Batches).unwrap_err());
    assert_eq!((damaged.offset(), damaged.length()), (end - 1, 1));
}

#[test]
fn a_recycled_segment_has_no_batches_of_its_earlier_life() {
    let (_dir, path) = place();
    let mut segment = Segment::create_with(&path, 1 << 16, Batches).unwrap();
    for i in 0..10 {
        segment.append_framed(&batch(i, b"same length")).unwrap();
    }
    segment.flush().unwrap();
    drop(segment);
    let error = Segment::recycle(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "another framing");
    let mut segment = Segment::recycle_with(&path, Batches).unwrap();
    segment.append_framed(&batch(0, b"same length")).unwrap();
    segment.publish().unwrap();
    drop(segment);
    assert_eq!(payloads(&Segment::open_with(&path, Batches).unwrap()).len(), 1);
}
