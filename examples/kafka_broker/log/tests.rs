//! Tests of a log that is opened again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::files::{find, path};
use super::partition::{Partition, SyncMode};
use super::{Appended, Log};
use crate::api::code::Code;
use crate::demo::batches::{Codec, build};
use crate::producers::Total;
use crate::shares::{Account, Client, Share};
use crate::sync::Syncer;

/// The least that holds a few of these batches.
const CAPACITY: u64 = 8192;

const BATCHES: i64 = 40;

/// Batch number `n`, of one of three producers, of which the first stops early.
fn batch(n: i64) -> Vec<u8> {
    let producer = if n < 9 { n % 3 } else { 1 + n % 2 };
    let earlier = (0..n).filter(|&e| if e < 9 { e % 3 } else { 1 + e % 2 } == producer).count();
    build(&[&[b'x'; 900]], Some((producer, 0, earlier as i32)), Codec::None)
}

/// Appends, and creates a segment if that is necessary.
fn append_to(log: &mut Log, batch: &[u8], account: &Account) -> Result<Appended, Code> {
    loop {
        if let Some(appended) = log.append(&mut batch.to_vec())? {
            return Ok(appended);
        }
        let next = log.next_segment(batch.len()).expect("the last one is full");
        drop(log.begin(next.create(account)?));
    }
}

fn account(all: u64, percent: u64) -> Account {
    Account { share: Arc::new(Share::of(all, percent)), client: Client::Others }
}

fn add(log: &mut Log, batch: &[u8]) -> Result<Appended, Code> {
    append_to(log, batch, &account(u64::MAX, 100))
}

fn append(log: &mut Log, n: i64) -> Result<Appended, Code> {
    add(log, &batch(n))
}

fn filled(mode: SyncMode) -> (TempDir, Log) {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), CAPACITY, mode, &Total::default()).unwrap();
    for n in 0..BATCHES {
        let appended = append(&mut log, n).unwrap();
        assert_eq!((appended.base, appended.duplicate), (n, false));
    }
    (directory, log)
}

fn reopen(directory: &Path) -> Log {
    Log::open(directory, CAPACITY, SyncMode::Batch, &Total::default()).unwrap()
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    find(directory).unwrap().bases.into_iter().map(|base| path(directory, base)).collect()
}

/// The offsets of the first batches of what fetches find, one after the other.
fn read_all(log: &mut Log) -> Vec<i64> {
    let mut offsets = Vec::new();
    while let Some(offset) = Some(offsets.len() as i64).filter(|offset| *offset < log.end()) {
        if let Some(unread) = log.unread(offset) {
            let content = unread.read().unwrap();
            log.has_read(unread.base, content);
        }
        let region = log.fetch(offset, 1).unwrap().unwrap();
        let mut bytes = &region.read_all().unwrap()[..];
        while !bytes.is_empty() {
            let found = crate::batch::parse(bytes).unwrap();
            offsets.push(found.base_offset);
            bytes = &bytes[found.length..];
        }
    }
    offsets
}

#[test]
fn what_is_known_of_producers_is_the_same_whatever_is_read_to_find_it() {
    for mode in [SyncMode::Batch, SyncMode::Never] {
        let (directory, mut log) = filled(mode);
        let (end, written) = (log.end(), std::mem::take(&mut log.producers));
        drop(log);
        assert!(segments(directory.path()).len() > 3);
        let from_a_snapshot = reopen(directory.path());
        assert!(from_a_snapshot.sealed.iter().all(|sealed| sealed.content.is_none()));
        assert_eq!((from_a_snapshot.end(), &from_a_snapshot.producers), (end, &written));
        drop(from_a_snapshot);
        // Without snapshots, or with damaged ones, all is read.
        for entry in fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "producers") {
                let mut bytes = fs::read(&path).unwrap();
                bytes[10] ^= 1;
                fs::write(&path, bytes).unwrap();
            }
        }
        let mut from_the_log = reopen(directory.path());
        assert!(from_the_log.sealed.iter().all(|sealed| sealed.content.is_some()));
        assert_eq!((from_the_log.end(), &from_the_log.producers), (end, &written));
        assert!(append(&mut from_the_log, BATCHES - 1).unwrap().duplicate);
        assert_eq!(append(&mut from_the_log, BATCHES).unwrap().base, BATCHES);
    }
}

#[test]
fn segments_are_read_when_a_consumer_asks_for_them_also_such_as_were_not_synced() {
    for mode in [SyncMode::Batch, SyncMode::Never] {
        let (directory, log) = filled(mode);
        drop(log);
        let mut log = reopen(directory.path());
        assert!(log.unread(0).is_some() && log.fetch(0, 1).is_err());
        assert!(log.unread(log.end() - 1).is_none(), "the last one has been read");
        assert!(read_all(&mut log).into_iter().eq(0..BATCHES));
        assert!(log.unread(0).is_none());
    }
}

#[test]
fn a_fetch_begins_with_the_batch_that_holds_the_offset() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(directory.path(), 1 << 20, SyncMode::Never, &Total::default()).unwrap();
    // The first offsets of batches of one to four records, small and large.
    let mut bases = Vec::new();
    for n in 0..60 {
        let record = vec![b'x'; if n % 7 == 3 { 5000 } else { 10 * n }];
        let records = vec![&record[..]; 1 + n % 4];
        bases.push(add(&mut log, &build(&records, None, Codec::None)).unwrap().base);
    }
    let check = |log: &Log| {
        for offset in 0..log.end() {
            let base = bases[bases.partition_point(|&base| base <= offset) - 1];
            for max in [1, 1000, 1 << 20] {
                let bytes = log.fetch(offset, max).unwrap().unwrap().read_all().unwrap();
                let first = crate::batch::parse(&bytes).unwrap();
                assert_eq!(first.base_offset, base, "{offset}, {max} bytes");
            }
        }
    };
    log.show_all();
    check(&log);
    drop(log);
    check(&reopen(directory.path()));
}

#[test]
fn damage_is_found_when_the_segment_is_read_and_not_before() {
    let (directory, log) = filled(SyncMode::Batch);
    drop(log);
    let segments = segments(directory.path());
    let mut bytes = fs::read(&segments[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    fs::remove_file(&segments[2]).unwrap();
    let log = reopen(directory.path());
    let bases: Vec<_> = log.sealed.iter().map(|sealed| sealed.base).collect();
    assert!(log.unread(0).unwrap().read().is_ok());
    // One is damaged; as the one behind it is missing, it would end too early besides.
    let error = log.unread(bases[1]).unwrap().read().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_damaged_head_is_a_wrong_checksum_and_not_what_it_seems_to_say() {
    let directory = tempfile::tempdir().unwrap();
    let mut log =
        Log::open(directory.path(), CAPACITY, SyncMode::Batch, &Total::default()).unwrap();
    let of_sequence = |n: i32| build(&[b"one"], Some((7, 0, n)), Codec::None);
    for n in 0..2 {
        assert!(add(&mut log, &of_sequence(n)).is_ok());
    }
    // A producer sends again what was damaged on the way. It would give up after another error, and believe that a
    // duplicate is in the log.
    for (at, what) in
        [(56, "sequence"), (50, "producer"), (52, "epoch"), (22, "codec"), (60, "count")]
    {
        for bit in 0..8 {
            let mut damaged = of_sequence(2);
            damaged[at] ^= 1 << bit;
            let code = add(&mut log, &damaged).err();
            assert_eq!(code, Some(Code::CORRUPT_MESSAGE), "bit {bit} of the {what}");
        }
    }
    assert_eq!(add(&mut log, &of_sequence(2)).unwrap().base, 2);
}

#[test]
fn a_client_that_has_used_its_share_of_the_disk_gets_no_segment_and_another_does() {
    let directory = tempfile::tempdir().unwrap();
    let mut log =
        Log::open(directory.path(), CAPACITY, SyncMode::Batch, &Total::default()).unwrap();
    let others = account(4 * CAPACITY, 50);
    let greedy = Account { client: Client::V4(1), ..others.clone() };
    let add = |log: &mut Log, n, account| append_to(log, &batch(n), account);
    let refused = (0..).find_map(|n| add(&mut log, n, &greedy).err().map(|e| (n, e)));
    let (n, code) = refused.unwrap();
    assert_eq!(code, Code::POLICY_VIOLATION);
    assert_eq!(segments(directory.path()).len(), 2);
    assert_eq!(add(&mut log, n, &greedy).err(), Some(Code::POLICY_VIOLATION));
    assert_eq!(log.end(), n, "nothing of it is there");
    assert_eq!(add(&mut log, n, &others).unwrap().base, n);
    // A segment that is there takes no more of the disk.
    assert!(add(&mut log, n + 1, &greedy).is_ok());
}

#[test]
fn a_failed_append_of_a_large_batch_leaves_a_log_that_small_batches_follow() {
    for mode in [SyncMode::Batch, SyncMode::Never] {
        let directory = tempfile::tempdir().unwrap();
        let open = || Log::open(directory.path(), CAPACITY, mode, &Total::default()).unwrap();
        let mut log = open();
        let large = build(&[&[b'x'; 6000]], None, Codec::None);
        let small = build(&[b"small"], None, Codec::None);
        assert_eq!(add(&mut log, &large).unwrap().base, 0);
        let mut damaged = large.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(add(&mut log, &damaged).err(), Some(Code::CORRUPT_MESSAGE));
        assert_eq!(add(&mut log, &small).unwrap().base, 1);
        assert_eq!(add(&mut log, &large).unwrap().base, 2);
        drop(log);
        let mut log = open();
        assert_eq!(read_all(&mut log), [0, 1, 2]);
        assert_eq!(add(&mut log, &small).unwrap().base, 3);
        // The segment is there, but the attempt fails.
        let obstacle = path(directory.path(), 4).with_extension("newest");
        fs::create_dir(&obstacle).unwrap();
        for batch in [&large, &small] {
            assert_eq!(add(&mut log, batch).err(), Some(Code::KAFKA_STORAGE_ERROR));
        }
        fs::remove_dir(&obstacle).unwrap();
        assert_eq!(add(&mut log, &small).unwrap().base, 4);
        drop(log);
        assert_eq!(read_all(&mut open()), [0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_segment_is_created_on_a_thread_that_may_wait_for_the_disk_even_if_the_producer_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Partition::open(directory.path(), CAPACITY, SyncMode::Never, &Total::default());
    let partition = open();
    let append = |n| {
        let (partition, disk) = (partition.clone(), account(u64::MAX, 100));
        async move { partition.append(&mut batch(n), &Syncer::default(), &disk).await }
    };
    // The only thread that may wait is busy, as if with a slow disk.
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let busy = tokio::task::spawn_blocking(move || released.recv());
        let (leaves, stays) = (tokio::spawn(append(0)), tokio::spawn(append(0)));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!leaves.is_finished() && !stays.is_finished());
        leaves.abort();
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert_eq!(stays.await.unwrap().unwrap().base, 0);
        for n in 1..BATCHES {
            assert_eq!(append(n).await.unwrap().base, n);
        }
    });
    drop(runtime);
    drop(partition);
    assert_eq!(open().visible(), Ok(BATCHES));
}

#[test]
fn a_segment_that_cannot_be_created_takes_nothing_of_a_share() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("partition");
    fs::create_dir(&home).unwrap();
    let mut log = Log::open(&home, CAPACITY, SyncMode::Batch, &Total::default()).unwrap();
    let account = account(CAPACITY, 100);
    fs::remove_dir(&home).unwrap();
    for _ in 0..3 {
        let failed = append_to(&mut log, &batch(0), &account);
        assert_eq!(failed.err(), Some(Code::KAFKA_STORAGE_ERROR));
    }
    fs::create_dir(&home).unwrap();
    assert!(append_to(&mut log, &batch(0), &account).is_ok());
}

#[test]
fn files_with_other_names_are_not_segments() {
    let (directory, log) = filled(SyncMode::Batch);
    let (end, count) = (log.end(), segments(directory.path()).len());
    drop(log);
    for name in ["+5.log", "5.log", "-5.log", "README", "lost.log", "00000000000000000005.log.old"]
    {
        fs::write(directory.path().join(name), "not a segment").unwrap();
    }
    assert_eq!(segments(directory.path()).len(), count);
    let mut log = reopen(directory.path());
    assert_eq!(log.end(), end);
    assert!(read_all(&mut log).into_iter().eq(0..BATCHES));
}

#[test]
fn a_log_whose_last_segments_were_deleted_is_not_opened() {
    let (directory, log) = filled(SyncMode::Batch);
    let end = log.end();
    drop(log);
    let open = || Log::open(directory.path(), CAPACITY, SyncMode::Batch, &Total::default());
    // A broker that was killed after it had created the last segment has not marked it.
    let segments = segments(directory.path());
    let [.., before_last, last] = &segments[..] else { panic!("{segments:?}") };
    fs::rename(last.with_extension("newest"), before_last.with_extension("newest")).unwrap();
    assert_eq!(open().unwrap().end(), end);
    for segment in segments.iter().rev() {
        fs::remove_file(segment).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains("missing") && error.contains(last.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_partition_whose_files_are_gone_is_out_of_service() {
    type Harm = fn(&Path);
    let replace: Harm = |file| {
        let copy = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        fs::write(file, copy).unwrap();
    };
    let harms: [Harm; 5] = [
        |file| fs::remove_file(file).unwrap(),
        |file| fs::rename(file, file.with_extension("elsewhere")).unwrap(),
        |file| fs::remove_dir_all(file.parent().unwrap()).unwrap(),
        |file| fs::File::options().write(true).open(file).unwrap().set_len(200).unwrap(),
        replace,
    ];
    for (harm, what) in harms.iter().zip(0..) {
        let (directory, log) = filled(SyncMode::Batch);
        let home = directory.path().to_owned();
        drop(log);
        let partition = Partition::open(&home, CAPACITY, SyncMode::Batch, &Total::default());
        let segments = segments(&home);
        partition.check_files();
        assert_eq!(partition.visible(), Ok(BATCHES));
        harm(segments.last().unwrap());
        partition.check_files();
        assert_eq!(partition.visible(), Err(Code::KAFKA_STORAGE_ERROR), "harm {what}");
    }
    // A batch behind the cut makes the file longer, but not whole.
    let (directory, log) = filled(SyncMode::Never);
    drop(log);
    let mut log = reopen(directory.path());
    let last = segments(directory.path()).pop().unwrap();
    assert!(append(&mut log, BATCHES).is_ok());
    fs::File::options().write(true).open(last).unwrap().set_len(200).unwrap();
    assert!(append(&mut log, BATCHES + 1).is_ok());
    assert!(log.files().iter().any(|file| file.check().is_err()));
    // The first segment has not been read, and then it is deleted.
    let (directory, log) = filled(SyncMode::Batch);
    drop(log);
    let partition = Partition::open(directory.path(), CAPACITY, SyncMode::Batch, &Total::default());
    fs::remove_file(&segments(directory.path())[0]).unwrap();
    partition.check_files();
    assert_eq!(partition.visible(), Err(Code::KAFKA_STORAGE_ERROR));
}
