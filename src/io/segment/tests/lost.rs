//! What a writer does when another program truncates, deletes or replaces its file.

use super::*;
use crate::io::FileTruncated;
use crate::sys::{Call, Outcome, with_plan};

const CAPACITY: u64 = 8192;

/// Makes a file shorter, or longer, as another program would.
fn set_len(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

type Writer<'a> = Box<dyn Fn() -> Segment + 'a>;

/// A writer with a durable record and a published one, made in each way that gives a writer.
fn writers(path: &Path) -> Vec<(&'static str, Writer<'_>)> {
    let filled = |mut segment: Segment| {
        segment.append(b"durable").unwrap();
        segment.flush().unwrap();
        segment.append(b"published").unwrap();
        segment.publish().unwrap();
        segment
    };
    let create = move || {
        let _ = std::fs::remove_file(path);
        filled(Segment::create(path, CAPACITY).unwrap())
    };
    let reopen = move || {
        drop(create());
        filled(Segment::open(path).unwrap())
    };
    let recycle = move || {
        drop(create());
        filled(Segment::recycle(path).unwrap())
    };
    let trimmed = move || {
        let mut segment = create();
        segment.trim().unwrap();
        filled(segment)
    };
    vec![
        ("created", Box::new(create)),
        ("opened", Box::new(reopen)),
        ("recycled", Box::new(recycle)),
        ("trimmed", Box::new(trimmed)),
    ]
}

/// Nothing more is appended, published or confirmed.
fn refuses_all(segment: &mut Segment, lost: SegmentFileLost, case: &str) {
    let (durable, end) = (segment.durable(), segment.end());
    let errors = [
        segment.append(b"more").unwrap_err(),
        segment.append_framed(&[]).unwrap_err(),
        segment.publish().unwrap_err(),
        segment.flush().unwrap_err(),
        segment.syncer().sync().unwrap_err(),
        segment.trim().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(source::<SegmentFileLost>(&error), lost, "{case}");
    }
    assert_eq!((segment.durable(), segment.end()), (durable, end), "{case}");
}

type Ack = fn(&mut Segment) -> io::Result<u64>;

#[test]
fn a_file_that_another_program_cuts_is_not_confirmed_and_takes_no_more_records() {
    let (_dir, path) = place();
    let acks: [Ack; 4] = [
        Segment::flush,
        |segment| segment.syncer().sync(),
        Segment::trim,
        |segment| {
            segment.append(b"appended")?;
            segment.flush()
        },
    ];
    for (made, writer) in writers(&path) {
        for found in [0, 100, START, 1300, CAPACITY - 1] {
            for (i, ack) in acks.iter().enumerate() {
                let case = format!("{made}, cut to {found}, call {i}");
                let mut segment = writer();
                let durable = segment.durable();
                set_len(&path, found);
                let error = ack(&mut segment).unwrap_err();
                // What was appended after the cut makes the file longer again.
                let SegmentFileLost::Truncated { expected, found: seen } = source(&error) else {
                    panic!("{case}: {error}");
                };
                assert!(
                    expected == CAPACITY && found <= seen && seen < CAPACITY,
                    "{case}: {error}"
                );
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                assert_eq!(segment.durable(), durable, "{case}");
                set_len(&path, CAPACITY);
                refuses_all(&mut segment, source(&error), &case);
                assert!(segment.close().is_err(), "{case}");
            }
        }
    }
}

#[test]
fn durable_records_are_not_confirmed_again_after_they_were_cut_off() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, CAPACITY).unwrap();
    segment.append(b"record").unwrap();
    segment.flush().unwrap();
    set_len(&path, START);
    let lost = SegmentFileLost::Truncated { expected: CAPACITY, found: START };
    assert_eq!(source::<SegmentFileLost>(&segment.flush().unwrap_err()), lost);
    drop(segment);
    assert_eq!(damage(&path), (START, 14));
}

#[test]
fn a_file_that_is_deleted_or_replaced_is_not_confirmed() {
    let (dir, path) = place();
    let other = dir.path().join("other");
    let changes: [&dyn Fn(); 2] = [&|| std::fs::remove_file(&path).unwrap(), &|| {
        std::fs::write(&other, "something else").unwrap();
        std::fs::rename(&other, &path).unwrap();
    }];
    for (made, writer) in writers(&path) {
        for change in changes {
            let mut segment = writer();
            change();
            let error = segment.flush().unwrap_err();
            assert_eq!(source::<SegmentFileLost>(&error), SegmentFileLost::Deleted, "{made}");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            refuses_all(&mut segment, SegmentFileLost::Deleted, made);
        }
    }
    // Moved away, it keeps its records.
    let mut segment = Segment::create(dir.path().join("log2"), CAPACITY).unwrap();
    std::fs::rename(dir.path().join("log2"), &other).unwrap();
    segment.append(b"record").unwrap();
    segment.close().unwrap();
    assert_eq!(payloads(&Segment::open(&other).unwrap()), [b"record"]);
}

#[test]
fn the_first_append_after_a_cut_does_not_give_the_file_its_length_back() {
    let (_dir, path) = place();
    let is_left = |found, segment: &mut Segment| {
        let error = segment.append(b"more").unwrap_err();
        let lost: SegmentFileLost = source(&error);
        assert!(matches!(lost, SegmentFileLost::Truncated { found: seen, .. } if seen == found));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), found);
    };
    let mut segment = Segment::create(&path, CAPACITY).unwrap();
    segment.append(b"record").unwrap();
    let end = segment.trim().unwrap();
    set_len(&path, end - 1);
    is_left(end - 1, &mut segment);
    drop(segment);
    std::fs::remove_file(&path).unwrap();
    closed(&path, 3);
    let mut segment = Segment::open(&path).unwrap();
    set_len(&path, 1030);
    is_left(1030, &mut segment);
}

/// The write gives the file its length back, so the file is looked at before.
#[test]
fn a_cut_file_is_noticed_if_its_last_record_ends_at_the_capacity() {
    let (_dir, path) = place();
    let left = |segment: &Segment| vec![7; (CAPACITY - segment.end()) as usize - FRAME];
    for (made, writer) in writers(&path) {
        let mut segment = writer();
        segment.append(&left(&segment)).unwrap();
        set_len(&path, 1300);
        let lost = SegmentFileLost::Truncated { expected: CAPACITY, found: 1300 };
        assert_eq!(source::<SegmentFileLost>(&segment.publish().unwrap_err()), lost, "{made}");
    }
    const LARGE: u64 = 1 << 20;
    let mut segment = Segment::create(path.with_extension("large"), LARGE).unwrap();
    set_len(&path.with_extension("large"), 1300);
    let error = segment.append(&vec![7; (LARGE - START) as usize - FRAME]).unwrap_err();
    let lost = SegmentFileLost::Truncated { expected: LARGE, found: 1300 };
    assert_eq!(source::<SegmentFileLost>(&error), lost);
}

#[test]
fn a_file_that_is_cut_during_a_sync_is_not_confirmed() {
    let (_dir, path) = place();
    let cut = || {
        let path = path.clone();
        move |call, _| {
            if call == Call::SyncData {
                set_len(&path, 1300);
            }
            Outcome::Pass
        }
    };
    for (made, writer) in writers(&path) {
        let mut segment = writer();
        let durable = segment.durable();
        let error = with_plan(cut(), || segment.flush()).unwrap_err();
        let lost = SegmentFileLost::Truncated { expected: CAPACITY, found: 1300 };
        assert_eq!(source::<SegmentFileLost>(&error), lost, "{made}");
        assert_eq!(segment.durable(), durable, "{made}");
        drop(segment);
        drop(writer());
        let error = with_plan(cut(), || Segment::recycle(&path)).unwrap_err();
        assert_eq!(source::<SegmentFileLost>(&error), lost, "{made}");
    }
}

/// A crash left a published record, which the flush writes again before it syncs.
#[test]
fn a_record_that_a_crash_left_and_that_is_cut_off_is_not_confirmed() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, CAPACITY).unwrap();
    segment.append(b"record").unwrap();
    let end = segment.publish().unwrap();
    drop(segment);
    let mut segment = Segment::open(&path).unwrap();
    set_len(&path, START);
    let lost = SegmentFileLost::Truncated { expected: end, found: START };
    assert_eq!(source::<SegmentFileLost>(&segment.flush().unwrap_err()), lost);
    refuses_all(&mut segment, lost, "opened");
}

#[test]
fn readers_of_a_cut_file_get_errors() {
    let (_dir, path) = place();
    closed(&path, 10);
    let reader = SegmentReader::open(&path).unwrap();
    let (start, end) = (reader.start(), reader.published());
    let region = reader.region(start..end).unwrap();
    set_len(&path, start + 100);
    let is_truncated = |error: io::Error| {
        let truncated: FileTruncated = source(&error);
        assert_eq!((truncated.expected(), truncated.found()), (end, start + 100));
    };
    is_truncated(reader.slice(start..end).unwrap_err());
    is_truncated(region.read_all().unwrap_err());
    let mut queue = crate::WriteQueue::new();
    queue.push(region);
    let mut sent = Vec::new();
    is_truncated(queue.flush_into(&mut sent).unwrap_err());
    assert_eq!(sent.len(), 100);
    let error = reader.records(start).find_map(Result::err).unwrap();
    assert!(source::<CorruptRecord>(&error).position() <= start + 100);
    assert_eq!(reader.next_valid(start).unwrap(), end);
}

#[test]
fn a_sync_in_another_thread_does_not_take_a_trim_for_a_cut() {
    let (_dir, path) = place();
    let mut segment = Segment::create(&path, 1 << 20).unwrap();
    let syncer = segment.syncer();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                syncer.sync().unwrap();
            }
        });
        for i in 0..200 {
            segment.append(&record(i)).unwrap();
            segment.trim().unwrap();
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(payloads(&segment).len(), 200);
}

/// As on file systems that count no names, some of which run in user space.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_never_had_a_name_is_confirmed() {
    use std::os::fd::AsRawFd;
    let (_dir, path) = place();
    closed(&path, 3);
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut segment = Segment::open(unnamed).unwrap();
    segment.append(b"record").unwrap();
    assert_eq!(segment.flush().unwrap(), segment.end());
}
