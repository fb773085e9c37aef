//! What is appended, published and flushed, while calls fail.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::sys::{Call, Outcome, with_plan};

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    Publish,
    Flush,
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// A vector of records is the model; a failed append is not in it, everything else is.
    #[test]
    fn a_segment_is_a_vector_of_records(
        ops in prop::collection::vec(prop_oneof![
            8 => prop_oneof![0..300_usize, 250_000..270_000_usize].prop_map(Op::Append),
            2 => Just(Op::Publish),
            2 => Just(Op::Flush),
            1 => Just(Op::Reopen),
        ], 0..60),
        plan in prop::collection::vec(prop_oneof![
            6 => Just(Outcome::Pass),
            2 => (1..5000_usize).prop_map(Outcome::Short),
            1 => prop::sample::select(vec![EIO, EINTR, ENOSPC]).prop_map(Outcome::Fail),
        ], 1..20),
    ) {
        let (_dir, path) = place();
        let mut segment = Segment::create(&path, 8 << 20).unwrap();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut durable = 0;
        for op in ops {
            let mut plan = plan.clone().into_iter();
            // Only writing fails here: a sync that fails ends it, which another test shows.
            let plan = move |call, _| match call {
                Call::WriteAt | Call::ReadAt => plan.next().unwrap_or(Outcome::Pass),
                _ => Outcome::Pass,
            };
            match op {
                Op::Append(len) => {
                    let bytes = vec![model.len() as u8; len];
                    if with_plan(plan, || segment.append(&bytes)).is_ok() {
                        model.push(bytes);
                    }
                }
                Op::Publish => drop(with_plan(plan, || segment.publish())),
                Op::Flush => {
                    if with_plan(plan, || segment.flush()).is_ok() {
                        durable = model.len();
                        prop_assert_eq!(segment.durable(), segment.end());
                    }
                }
                Op::Reopen => {
                    drop(segment);
                    segment = Segment::open(&path).unwrap();
                    let found = payloads(&segment);
                    prop_assert!(durable <= found.len() && found.len() <= model.len());
                    model.truncate(found.len());
                    prop_assert!(found == model);
                }
            }
            prop_assert!(segment.durable() <= segment.published());
            prop_assert!(segment.published() <= segment.end());
        }
        segment.flush().unwrap();
        prop_assert!(payloads(&segment) == model);
        drop(segment);
        prop_assert!(payloads(&Segment::open(&path).unwrap()) == model);
    }
}

#[test]
fn a_recycled_segment_forgets_its_earlier_life() {
    let (_dir, path) = place();
    closed(&path, 40);
    let mut segment = Segment::recycle(&path).unwrap();
    assert_eq!(segment.end(), segment.start());
    segment.append(&record(0)).unwrap();
    segment.flush().unwrap();
    drop(segment);
    let segment = Segment::open(&path).unwrap();
    assert_eq!(payloads(&segment), [record(0)]);
    assert_eq!(segment.capacity(), 1 << 16);
}

#[test]
fn readers_see_whole_records_while_more_are_appended() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 4 << 20).unwrap();
    let reader = segment.reader();
    let follower = std::thread::spawn(move || {
        let (mut position, mut seen) = (reader.start(), 0);
        while seen < 10_000 {
            let mut records = reader.records(position);
            for found in &mut records {
                let found = found.unwrap();
                assert_eq!(found.payload()[..], record(seen)[..]);
                seen += 1;
            }
            position = records.position();
        }
        let raw = reader.slice(reader.start()..reader.published()).unwrap();
        let mut sent = Vec::new();
        let mut queue = crate::WriteQueue::new().with_budget(u64::MAX);
        queue.push(reader.region(reader.start()..reader.published()).unwrap());
        assert!(queue.flush_into(&mut sent).unwrap().is_done());
        assert!(sent == raw[..]);
    });
    for i in 0..10_000 {
        segment.append(&record(i)).unwrap();
        if i % 13 == 0 {
            segment.publish().unwrap();
        }
    }
    segment.publish().unwrap();
    follower.join().unwrap();
}

/// Records that cross one or two boundaries of a piece, or exceed the buffer, and a file that takes
/// only a part of each write, or nothing.
#[test]
fn what_is_published_is_whole_and_in_the_file_however_it_was_written() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 16 << 20).unwrap();
    let (mut appended, mut calls) = (Vec::new(), 0_usize);
    let plan = move |call, len: usize| {
        calls += usize::from(call == Call::WriteAt);
        match (call, calls % 5) {
            (Call::WriteAt, 1) => Outcome::Short(1 + len / 2),
            (Call::WriteAt, 2) => Outcome::Fail(EIO),
            _ => Outcome::Pass,
        }
    };
    with_plan(plan, || {
        for i in 0..400_usize {
            let len = [10, 1000, 70_000, 300_000, 400_000][i * i % 13 % 5] + i;
            let record = vec![i as u8; len];
            let end = segment.end();
            match segment.append(&record) {
                Ok(position) => {
                    assert_eq!(position, end);
                    appended.push(record);
                }
                Err(e) if e.kind() == io::ErrorKind::StorageFull => break,
                Err(_) => assert_eq!(segment.end(), end),
            }
            let found = payloads(&segment);
            assert!(found[..] == appended[..found.len()]);
        }
        assert!(appended.len() > 50);
        while segment.publish().is_err() {}
    });
    assert!(payloads(&segment) == appended);
    drop(segment);
    assert!(payloads(&Segment::open(&path).unwrap()) == appended);
}

/// A write is cut at a multiple of 256 KiB and its rest fails. The buffer then takes a whole piece more; to grow, it
/// would need memory, and an append would panic without it.
#[test]
fn an_append_behind_a_write_that_failed_in_part_needs_no_memory() {
    const PIECE: usize = 256 * 1024;
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 8 << 20).unwrap();
    let before = PIECE - START as usize - 100;
    let lens = [before, 60_000, PIECE - 60_000, 65_600];
    let mut lens = lens.into_iter();
    let append = |segment: &mut Segment, len: usize| {
        segment.append(&vec![len as u8; len - FRAME]).unwrap();
    };
    append(&mut segment, lens.next().unwrap());
    segment.publish().unwrap();
    append(&mut segment, lens.next().unwrap());
    let mut calls = 0;
    let plan = move |call, _| {
        calls += usize::from(call == Call::WriteAt);
        match call {
            Call::WriteAt if calls == 1 => Outcome::Short(100),
            Call::WriteAt => Outcome::Fail(EIO),
            _ => Outcome::Pass,
        }
    };
    assert!(with_plan(plan, || segment.publish()).is_err());
    lens.for_each(|len| append(&mut segment, len));
    segment.publish().unwrap();
    assert_eq!(payloads(&segment).len(), 4);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 2000).unwrap();
    segment.append(&[1; 500]).unwrap();
    let end = segment.end();
    let error = segment.append(&[2; 500]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let full: SegmentFull = source(&error);
    assert_eq!((full.needed(), full.left()), (508, 2000 - end));
    let error = segment.append(&vec![0; MAX_PAYLOAD + 1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    segment.append(&vec![3; full.left() as usize - FRAME]).unwrap();
    assert_eq!(segment.flush().unwrap(), 2000);
    assert_eq!(payloads(&segment).len(), 2);
    let (_dir, path) = place();
    assert_eq!(Segment::create(&path, START - 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn after_a_failed_sync_nothing_is_called_durable() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 10_000).unwrap();
    segment.append(b"safe").unwrap();
    let safe = segment.flush().unwrap();
    segment.append(b"not known").unwrap();
    let plan = |call, _| match call {
        Call::SyncData => Outcome::Fail(EIO),
        _ => Outcome::Pass,
    };
    assert!(with_plan(plan, || segment.flush()).is_err());
    assert!(segment.flush().is_err(), "the kernel would say yes now");
    assert_eq!(segment.durable(), safe);
    assert_eq!(payloads(&segment).len(), 2, "readers still have it");
}

#[test]
fn there_is_one_writer() {
    let (_dir, path) = place();
    let first = Segment::create(&path, 2000).unwrap();
    assert_eq!(Segment::open(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(Segment::recycle(&path).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(Segment::create(&path, 2000).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    drop(first);
    Segment::open(&path).unwrap();
}

#[test]
fn ranges_and_positions_that_are_not_there() {
    let (_dir, path) = place();
    closed(&path, 3);
    let segment = Segment::open(&path).unwrap();
    let end = segment.published();
    for range in [Range { start: 0, end: end + 1 }, Range { start: 9, end: 8 }] {
        let error = segment.region(range.clone()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(segment.slice(range).is_err());
    }
    for position in [segment.start() + 1, end + 1, u64::MAX] {
        let mut records = segment.records(position);
        let error = records.next().unwrap().unwrap_err();
        assert_eq!(source::<CorruptRecord>(&error).position(), position);
        assert!(records.next().is_none(), "an error ends it");
    }
    assert!(segment.records(end).next().is_none());
}

/// As on file systems that have no unnamed files.
#[test]
fn a_segment_gets_its_name_when_it_is_complete_and_leaves_nothing_else_behind() {
    const EOPNOTSUPP: i32 = 95;
    for unnamed in [Outcome::Pass, Outcome::Fail(EOPNOTSUPP)] {
        for failing in [None, Some(Call::SyncData), Some(Call::SyncAll), Some(Call::Link)] {
            let (dir, path) = place();
            let seen = path.clone();
            let mut opened = 0;
            let plan = move |call, _| {
                opened += usize::from(call == Call::Open);
                if matches!(call, Call::Allocate | Call::WriteAt | Call::SyncData | Call::Link) {
                    assert!(!seen.exists(), "{call:?} comes before the name");
                }
                match call {
                    Call::Open if opened == 1 => unnamed,
                    _ if Some(call) == failing => Outcome::Fail(EIO),
                    _ => Outcome::Pass,
                }
            };
            let created = with_plan(plan, || Segment::create(&path, 4096));
            assert_eq!(created.is_ok(), failing.is_none());
            drop(created);
            let names = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(names, usize::from(failing.is_none()), "{failing:?}");
        }
    }
    let (dir, path) = place();
    drop(Segment::create(&path, 4096).unwrap());
    let mut calls = 0;
    let plan = move |call, _| {
        calls += usize::from(call == Call::Open);
        if calls == 1 && call == Call::Open { Outcome::Fail(EOPNOTSUPP) } else { Outcome::Pass }
    };
    let error = with_plan(plan, || Segment::create(&path, 4096)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn unused_disk_space_is_released_and_the_capacity_stays() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 8 << 20).unwrap();
    segment.append(b"one record").unwrap();
    let end = segment.trim().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), end);
    segment.append(b"another").unwrap();
    let reader = segment.close().unwrap();
    assert_eq!(payloads(&reader).len(), 2);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), reader.durable());
    drop(reader);
    let mut segment = Segment::open(&path).unwrap();
    assert_eq!(segment.capacity(), 8 << 20);
    segment.append(&vec![7; 4 << 20]).unwrap();
    segment.flush().unwrap();
    assert_eq!(payloads(&segment).len(), 3);
}

#[test]
fn what_was_not_published_is_lost_when_a_segment_is_dropped() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 1 << 16).unwrap();
    segment.append(b"published").unwrap();
    segment.publish().unwrap();
    segment.append(b"not published").unwrap();
    drop(segment);
    assert_eq!(payloads(&Segment::open(&path).unwrap()), [b"published".to_vec()]);
}

#[test]
fn a_sync_in_another_thread_makes_durable_what_was_published_before_it() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 8 << 20).unwrap();
    let syncer = segment.syncer();
    let (ask, asked) = std::sync::mpsc::channel::<u64>();
    let thread = std::thread::spawn(move || {
        for published in asked {
            assert!(syncer.sync().unwrap() >= published);
        }
        syncer.sync().unwrap()
    });
    for i in 0..2000 {
        segment.append(&record(i)).unwrap();
        if i % 100 == 99 {
            ask.send(segment.publish().unwrap()).unwrap();
        }
        assert!(segment.durable() <= segment.published());
    }
    drop(ask);
    assert_eq!(thread.join().unwrap(), segment.published());
    assert_eq!(segment.durable(), segment.published());
    drop(segment);
    let segment = Segment::open(&path).unwrap();
    assert_eq!((payloads(&segment).len(), segment.durable()), (2000, segment.end()));
}
