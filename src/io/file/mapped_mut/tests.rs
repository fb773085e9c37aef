use std::io::{Read, Seek, SeekFrom};

use super::*;
use crate::sys::{Call, Outcome, with_plan};

#[test]
fn what_is_written_is_in_the_file_once_it_has_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let names = || std::fs::read_dir(directory.path()).unwrap().count();
    for len in [0, 1, 4095, 4096, 4097, 300_000] {
        let mut map = MappedFileMut::create_in(directory.path(), len).unwrap();
        assert!(map.len() == len && map.iter().all(|byte| *byte == 0));
        map.warm().unwrap();
        map.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i / 3) as u8);
        let written = map.to_vec();
        for range in [0..len, len / 2..len, len..len, len / 3..len / 2] {
            map.flush(range).unwrap();
        }
        assert_eq!(names(), 0);
        let path = directory.path().join("named");
        let mut file = map.persist(&path).unwrap();
        assert!(map.is_empty());
        assert!(std::fs::read(&path).unwrap() == written);
        file.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
        let mut half = Vec::new();
        file.read_to_end(&mut half).unwrap();
        assert!(half == written[len / 2..]);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_frozen_file_is_shared_and_outlives_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
    map[5000..5005].copy_from_slice(b"views");
    drop(directory);
    let map = map.freeze();
    let view = map.view().slice(5000..5005);
    drop(map);
    let reader = std::thread::spawn(move || assert_eq!(view, b"views"[..]));
    reader.join().unwrap();
    let directory = tempfile::tempdir().unwrap();
    assert!(MappedFileMut::create_in(directory.path(), 0).unwrap().freeze().is_empty());
}

#[test]
fn a_part_of_a_file_is_written_and_the_rest_is_not() {
    let mut file = tempfile::tempfile().unwrap();
    file.set_len(20_000).unwrap();
    for (start, end) in [(0, 20_000), (4095, 4097), (4097, 12_288), (19_999, 20_000), (7, 7)] {
        // SAFETY: the file has no name, and it is not used meanwhile.
        let mut map = unsafe { MappedFileMut::map(&file, start as u64..end as u64) }.unwrap();
        map.fill(7);
        map.flush(..).unwrap();
        drop(map);
        let mut contents = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut contents).unwrap();
        assert_eq!(contents.len(), 20_000);
        let is_ours = |i| (start..end).contains(&i);
        assert!(contents.iter().enumerate().all(|(i, byte)| (*byte == 7) == is_ours(i)));
        file.set_len(0).unwrap();
        file.set_len(20_000).unwrap();
    }
    // SAFETY: as above.
    let error = unsafe { MappedFileMut::map(&file, 0..20_001) }.unwrap_err();
    assert!(error.get_ref().unwrap().is::<FileTruncated>());
}

#[test]
fn a_name_that_is_taken_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("taken");
    std::fs::write(&taken, "taken").unwrap();
    let mut map = MappedFileMut::create_in(directory.path(), 100).unwrap();
    map[0] = 1;
    assert_eq!(map.persist(&taken).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&taken).unwrap(), b"taken");
    assert_eq!((map.len(), map[0]), (100, 1));
    map.persist(directory.path().join("free")).unwrap();
}

// Elsewhere zeros are written until the disk is full.
#[test]
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
fn a_full_disk_is_an_error_before_any_access() {
    let directory = tempfile::tempdir().unwrap();
    let error = MappedFileMut::create_in(directory.path(), usize::MAX / 16 + 1).unwrap_err();
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

#[test]
fn after_a_failed_flush_every_flush_fails() {
    const EIO: i32 = 5;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    for failing in [Call::Flush, Call::SyncData] {
        let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
        map[0] = 1;
        let plan = move |call, _| match call {
            _ if call == failing => Outcome::Fail(EIO),
            _ => Outcome::Pass,
        };
        let failed = with_plan(plan, || match failing {
            Call::Flush => map.flush(..1),
            _ => map.persist(&path).map(drop),
        });
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(EIO));
        assert!(map.flush(..).is_err(), "the kernel would say yes now");
        assert!(map.persist(&path).is_err() && !path.exists());
        assert_eq!((map.len(), map[0]), (10_000, 1));
    }
}

/// Against the condition of `map`. The bytes that were cut off are not accessed, so there is no signal.
#[test]
fn a_file_that_was_cut_is_not_called_flushed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other");
    let flushes: [fn(&mut MappedFileMut, &Path) -> io::Result<()>; 3] =
        [|map, _| map.flush(..), |map, _| map.flush(..10), |map, path| map.persist(path).map(drop)];
    for flush in flushes {
        let file = tempfile::tempfile_in(directory.path()).unwrap();
        file.set_len(20_000).unwrap();
        // SAFETY: the file has no name; it is cut below, and no byte is accessed afterwards.
        let mut map = unsafe { MappedFileMut::map(&file, 5000..15_000) }.unwrap();
        map[0] = 1;
        file.set_len(15_000).unwrap();
        map.flush(..).unwrap();
        file.set_len(14_999).unwrap();
        let error = flush(&mut map, &path).unwrap_err();
        let truncated: &FileTruncated = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!((truncated.expected(), truncated.found()), (15_000, 14_999));
        file.set_len(20_000).unwrap();
        assert!(map.flush(..).is_err() && map.persist(&path).is_err(), "zeros are in it now");
        assert!(!path.exists());
    }
}

#[test]
fn a_file_gets_no_name_where_no_descriptor_is_left_to_return() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("name");
    let mut map = MappedFileMut::create_in(directory.path(), 10_000).unwrap();
    map[0] = 1;
    let full = rustix::io::Errno::MFILE.raw_os_error();
    let plan = move |call, _| match call {
        Call::Duplicate => Outcome::Fail(full),
        _ => Outcome::Pass,
    };
    let refused = with_plan(plan, || map.persist(&path)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(full));
    assert!(!path.exists(), "it could be opened and cut while it is mapped");
    assert_eq!((map.len(), map[0]), (10_000, 1));
    map.persist(&path).unwrap();
}

#[test]
#[should_panic(expected = "11")]
fn a_range_past_the_end_is_not_flushed() {
    let directory = tempfile::tempdir().unwrap();
    let _ = MappedFileMut::create_in(directory.path(), 10).unwrap().flush(..11);
}
