//! What is found again after a crash, after damage, and after the file was copied.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::sys::{Call, Outcome, with_plan};

/// A segment of `n` records of which the first `durable` are flushed and the others only published; their
/// positions with the end.
fn crashed(path: &Path, n: usize, durable: usize) -> Vec<u64> {
    let mut segment = Segment::create(path, 1 << 16).unwrap();
    let mut positions = Vec::new();
    for i in 0..n {
        if i == durable {
            segment.flush().unwrap();
        }
        positions.push(segment.append(&record(i)).unwrap());
    }
    positions.push(segment.publish().unwrap());
    positions
}

/// The bytes of a file, and the record that holds the byte at a share of its length.
fn hit(positions: &[u64], share: f64) -> (u64, usize) {
    let (start, end) = (positions[0], *positions.last().unwrap());
    let at = start + ((end - start - 1) as f64 * share) as u64;
    (at, positions.iter().rposition(|position| *position <= at).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The last record is damaged as well; only the header shows that it was durable.
    #[test]
    fn damage_to_what_was_durable_is_an_error_that_names_it_and_changes_nothing(
        share in 0.0..1.0_f64,
        bits in 1..=255_u8,
    ) {
        let (_dir, path) = place();
        let positions = closed(&path, 40);
        let (at, hit) = hit(&positions, share);
        change(&path, at, |byte| byte[0] ^= bits, 1);
        let before = std::fs::read(&path).unwrap();

        let length = positions[hit + 1] - positions[hit];
        prop_assert_eq!(damage(&path), (positions[hit], length));
        let reader = SegmentReader::open(&path).unwrap();
        let recovered = reader.recovered();
        prop_assert_eq!(recovered.damaged.map(|found| found.offset()), Some(positions[hit]));
        prop_assert_eq!((recovered.end, &recovered.torn), (positions[40], &None));
        let front = reader.records(reader.start()).map_while(Result::ok).count();
        let behind = reader.next_valid(positions[hit]).unwrap();
        prop_assert_eq!((front, behind), (hit, positions[hit + 1]));
        let rest: Vec<_> = reader.records(behind).map(|one| one.unwrap().into_payload()).collect();
        prop_assert!(rest.iter().zip(hit + 1..).all(|(found, i)| found[..] == record(i)[..]));
        prop_assert!(std::fs::read(&path).unwrap() == before);

        change(&path, at, |byte| byte[0] ^= bits, 1);
        prop_assert_eq!(payloads(&Segment::open(&path).unwrap()).len(), 40);
    }

    /// A crash of the machine may lose any page that was not synced, and keep those behind it.
    #[test]
    fn what_is_not_durable_ends_exactly_in_front_of_a_tear(
        share in 0.0..1.0_f64,
        len in 1..3000_usize,
        by in prop_oneof![Just(None), (1..=255_u8).prop_map(Some)],
    ) {
        let (_dir, path) = place();
        let positions = crashed(&path, 60, 20);
        let (at, hit) = hit(&positions[20..], share);
        let hit = hit + 20;
        let torn = |bytes: &mut [u8]| bytes.iter_mut().for_each(|b| *b = by.map_or(0, |x| *b ^ x));
        change(&path, at, torn, len);

        let segment = Segment::open(&path).unwrap();
        let Recovered { end, torn, damaged } = segment.recovered().clone();
        prop_assert_eq!(damaged, None);
        prop_assert_eq!(segment.durable(), positions[20]);
        let found = payloads(&segment);
        // Zeros in place of zeros are not torn.
        prop_assert!(found.len() == hit || by.is_none() && found.len() > hit);
        prop_assert_eq!(end, positions[found.len()]);
        prop_assert!(found.iter().enumerate().all(|(i, found)| *found == record(i)));
        let bytes = std::fs::read(&path).unwrap();
        let last = bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1;
        prop_assert_eq!(torn, (last > end).then_some(end..last));
    }
}

#[test]
fn records_behind_a_tear_do_not_come_back() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 1 << 16).unwrap();
    segment.flush().unwrap();
    let positions: Vec<_> = (0..10).map(|i| segment.append(&[i; 100]).unwrap()).collect();
    segment.publish().unwrap();
    drop(segment);
    // Number 5 is torn; those behind it are whole, in the same life, at the same places.
    overwrite(&path, positions[5] + 20, b"torn");

    let mut segment = Segment::open(&path).unwrap();
    let calls = Rc::new(RefCell::new(Vec::new()));
    let made = calls.clone();
    let plan = move |call, _| {
        made.borrow_mut().push(call);
        Outcome::Pass
    };
    // The very same record as before, so that those behind it would fit.
    with_plan(plan, || segment.append(&[5; 100]).and_then(|_| segment.publish())).unwrap();
    drop(segment);
    let segment = Segment::open(&path).unwrap();
    assert_eq!(payloads(&segment).len(), 6);
    assert_eq!(segment.recovered().torn, None);
    // A crash may come at any time: what is cleared is on the disk before the record is written.
    let calls = calls.take();
    let sync = calls.iter().position(|call| *call == Call::SyncData).unwrap();
    let is_write = |call: &Call| *call == Call::WriteAt;
    assert!(calls[..sync].iter().any(is_write) && calls[sync..].iter().any(is_write), "{calls:?}");
}

/// Records of 16 bytes, a length of 24 in place of 8: the next record but one is where this one claims to end.
#[test]
fn a_damaged_length_that_leads_to_a_later_record_hides_none() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 1 << 16).unwrap();
    let positions: Vec<_> = (0..10).map(|i| segment.append(&[i; 8]).unwrap()).collect();
    segment.flush().unwrap();
    drop(segment);
    overwrite(&path, positions[3], &[24]);
    assert_eq!(damage(&path), (positions[3], 16));
}

/// Lengths and checks, those of the last record, several damaged places, and holes of zeros.
#[test]
fn every_damaged_range_is_found_and_skipped_over_by_repair() {
    let (_dir, path) = place();
    let positions = closed(&path, 60);
    let at = |i: usize| positions[i];
    let ranges = [(3, 4), (10, 11), (20, 25), (40, 41), (59, 60)];
    overwrite(&path, at(3), &[0xff; 4]); // a length that is too long
    overwrite(&path, at(10), &[1, 0, 0, 0]); // one that is too short
    change(&path, at(20) + 1, |bytes| bytes.fill(0), (at(24) + 9 - at(20) - 1) as usize);
    overwrite(&path, at(40) + 4, &[0; 4]);
    change(&path, at(59) + 8, |bytes| bytes[0] ^= 1, 1);
    assert_eq!(damage(&path), (at(3), at(4) - at(3)));

    let reader = SegmentReader::open(&path).unwrap();
    let mut found = Vec::new();
    let mut position = reader.start();
    while position < reader.published() {
        let mut records = reader.records(position);
        match records.by_ref().find_map(Result::err) {
            Some(error) => {
                let corrupt: CorruptRecord = source(&error);
                position = reader.next_valid(corrupt.position()).unwrap();
                found.push((corrupt.position(), position));
            }
            None => position = records.position(),
        }
    }
    assert_eq!(found, ranges.map(|(from, to)| (at(from), at(to))));

    let segment = Segment::repair(&path, Repair::Skip).unwrap();
    assert_eq!(segment.recovered().damaged.unwrap().offset(), at(3));
    let mut expected: Vec<_> = (0..60).map(|i| (at(i), record(i))).collect();
    expected.retain(|(at_, _)| !found.iter().any(|(from, to)| (from..to).contains(&at_)));
    let records = |segment: &SegmentReader| -> Vec<_> {
        let records = segment.records(segment.start()).map(Result::unwrap);
        records.map(|one| (one.position(), one.payload().to_vec())).collect()
    };
    assert!(records(&segment) == expected);
    drop(segment);
    let mut segment = Segment::open(&path).unwrap();
    assert_eq!(segment.recovered().damaged, None);
    expected.push((segment.append(b"more").unwrap(), b"more".to_vec()));
    segment.flush().unwrap();
    assert!(records(&segment) == expected);
}

#[test]
fn repair_may_cut_the_log_off_in_front_of_damage() {
    let (_dir, path) = place();
    let positions = closed(&path, 20);
    change(&path, positions[7] + 8, |bytes| bytes[0] ^= 1, 1);
    let segment = Segment::repair(&path, Repair::CutOff).unwrap();
    assert_eq!((segment.end(), segment.durable()), (positions[7], positions[7]));
    assert_eq!(segment.recovered().damaged.unwrap().offset(), positions[7]);
    drop(segment);
    let mut segment = Segment::open(&path).unwrap();
    assert_eq!(segment.recovered().torn, Some(positions[7]..positions[20]));
    segment.append(&record(7)).unwrap();
    segment.flush().unwrap();
    drop(segment);
    assert_eq!(payloads(&Segment::open(&path).unwrap()).len(), 8, "the others are gone for good");
}

/// Where a disk or a file system has put other bytes, a search finds the next record in bounded time.
#[test]
fn random_bytes_hide_no_record_behind_them() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 2 << 20).unwrap();
    let positions: Vec<_> = (0..30).map(|i| segment.append(&vec![i; 40_000]).unwrap()).collect();
    segment.flush().unwrap();
    drop(segment);
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let random = random.take(100_000).collect::<Vec<_>>();
    // It ends with the frame of record 3, and the end of record 2 stands in front of it.
    overwrite(&path, positions[3] + 8 - 4096, &random[..4096]);
    assert_eq!(damage(&path), (positions[2], positions[4] - positions[2]));
    // More of it than two records, as a compressed one may hold behind a damaged length.
    overwrite(&path, positions[3], &random);
    assert_eq!(damage(&path), (positions[2], positions[6] - positions[2]));
}

#[test]
fn one_copy_of_the_header_is_enough() {
    let (_dir, path) = place();
    let positions = closed(&path, 10);
    let whole = std::fs::read(&path).unwrap();
    for from in [0, 512] {
        for len in [1, 8, 30, 64, 512] {
            std::fs::write(&path, &whole).unwrap();
            change(&path, from, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55), len);
            let mut segment = Segment::open(&path).unwrap();
            assert_eq!((segment.end(), segment.capacity()), (positions[10], 1 << 16));
            // The next sync writes the copy that was lost.
            segment.append(b"more").unwrap();
            segment.flush().unwrap();
            let end = segment.end();
            drop(segment);
            overwrite(&path, 512 - from, &[0; 64]);
            assert_eq!(Segment::open(&path).unwrap().durable(), end);
        }
    }
    std::fs::write(&path, &whole).unwrap();
    change(&path, 0, |bytes| bytes.fill(0), 600);
    let error = Segment::open(&path).unwrap_err();
    assert_eq!(source::<SegmentFormatError>(&error), SegmentFormatError::NotASegment);
}

/// Copying tools may remove zeros from the end of a file, or add some; a full disk or a kill may have prevented the
/// allocation.
#[test]
fn the_capacity_does_not_depend_on_the_length_of_the_file() {
    let (_dir, path) = place();
    let end = closed(&path, 10)[10];
    for len in [end, end + 1, 1 << 15, 1 << 16, (1 << 16) + 1, 1 << 20] {
        File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let mut segment = Segment::open(&path).unwrap();
        assert_eq!((segment.capacity(), segment.end()), (1 << 16, end));
        assert_eq!(segment.recovered().torn, None);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), len, "opening changes nothing");
        let left = vec![7; ((1 << 16) - end) as usize - FRAME];
        segment.append(&left).unwrap();
        segment.publish().unwrap();
        let full = segment.append(b"").unwrap_err();
        assert_eq!(source::<SegmentFull>(&full).left(), 0);
        drop(segment);
        // As it was before.
        File::options().write(true).open(&path).unwrap().set_len(end).unwrap();
    }
}

/// After a sync failed, the pages may count as clean and be on no disk.
#[test]
fn records_found_behind_the_durable_end_are_written_again_before_they_count_as_durable() {
    let (_dir, path) = place();
    let positions = crashed(&path, 20, 5);
    let mut segment = Segment::open(&path).unwrap();
    assert_eq!((segment.durable(), segment.end()), (positions[5], positions[20]));
    let written = Rc::new(Cell::new(0));
    let sum = written.clone();
    let plan = move |call, len: usize| {
        if call == Call::WriteAt {
            sum.set(sum.get() + len as u64);
        }
        Outcome::Pass
    };
    with_plan(plan, || segment.flush()).unwrap();
    assert_eq!(written.get(), positions[20] - positions[5] + 64, "these, and the header");
    assert_eq!(segment.durable(), positions[20]);
}

#[test]
fn a_reader_needs_no_right_to_write_and_no_lock() {
    let (_dir, path) = place();
    let mut writer = Segment::create(&path, 1 << 16).unwrap();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    for i in 0..20 {
        writer.append(&record(i)).unwrap();
        writer.publish().unwrap();
        let reader = SegmentReader::open(&path).unwrap();
        assert_eq!(payloads(&reader).len(), i + 1);
        assert_eq!(reader.published(), writer.published());
    }
    assert_eq!(writer.flush().unwrap(), SegmentReader::open(&path).unwrap().durable());
}

#[test]
fn files_of_other_formats_are_refused_and_left_alone() {
    let (_dir, path) = place();
    let mut old = b"bytebuf1".to_vec();
    old.resize(4096, 7);
    let contents: [(&[u8], _); 5] = [
        (b"", SegmentFormatError::NotASegment),
        (b"bytebuf2", SegmentFormatError::NotASegment),
        (&[0; 4096], SegmentFormatError::NotASegment),
        (&[b'x'; 4096], SegmentFormatError::NotASegment),
        (&old, SegmentFormatError::Version { found: 1 }),
    ];
    for (contents, expected) in contents {
        std::fs::write(&path, contents).unwrap();
        let opened = [
            Segment::open(&path).map(drop),
            Segment::recycle(&path).map(drop),
            Segment::repair(&path, Repair::Skip).map(drop),
            SegmentReader::open(&path).map(drop),
        ];
        for result in opened {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(source::<SegmentFormatError>(&error), expected);
        }
        assert!(std::fs::read(&path).unwrap() == contents);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_not_a_regular_file_is_refused_at_once() {
    let (_dir, path) = place();
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [&path, Path::new("/dev/zero"), Path::new("/")] {
        let opened = [
            Segment::open(path).map(drop),
            Segment::recycle(path).map(drop),
            Segment::repair(path, Repair::CutOff).map(drop),
            SegmentReader::open(path).map(drop),
        ];
        for error in opened.map(Result::unwrap_err) {
            assert!(error.get_ref().is_some_and(|source| source.is::<crate::NotRegularFile>()));
        }
    }
}

/// The system reads ahead of each read, and then takes what it has read for data although it is a hole.
#[test]
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
fn opening_does_not_read_the_disk_space_that_was_never_used() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 256 << 20).unwrap();
    segment.append(b"one record").unwrap();
    segment.flush().unwrap();
    drop(segment);
    for _ in 0..3 {
        let reads = Rc::new(Cell::new(0));
        let counted = reads.clone();
        let count = move |call, _| {
            counted.set(counted.get() + usize::from(call == Call::ReadAt));
            Outcome::Pass
        };
        let segment = with_plan(count, || Segment::open(&path)).unwrap();
        assert_eq!(payloads(&segment).len(), 1);
        // Of 4096, if all is read.
        assert!(reads.get() < 1024, "{} reads", reads.get());
    }
}
