use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::*;
use crate::buf::ByteBuf;
use crate::io::FileTruncated;
use crate::pool::{Pool, block_size};
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::{contents_of, file_with};

fn send_all(region: &mut FileRegion, dst: impl AsFd) -> io::Result<u64> {
    let mut sent = 0;
    while !region.is_empty() {
        let at = region.position();
        let moved = region.transfer_to(dst.as_fd())?;
        assert!(moved > 0, "0 means empty, and it is not");
        assert_eq!(region.position(), at + moved);
        sent += moved;
    }
    Ok(sent)
}

/// Regions as slices: the same operations on a plain range of a vector.
#[test]
fn cutting_a_region_is_cutting_a_slice() {
    let contents: Vec<u8> = (0..=255).collect();
    let file = Arc::new(file_with(&contents));
    proptest!(|(a in 0..=256_usize, b in 0..=256_usize, c in 0..=256_usize)| {
        let (start, end) = (a.min(b), a.max(b));
        let mut region = FileRegion::new(file.clone(), start as u64..end as u64);
        let mut model = &contents[start..end];
        let at = c.min(model.len());
        let first = region.split_to(at as u64);
        let (head, tail) = model.split_at(at);
        model = tail;
        let cut = region.slice(model.len() as u64 / 3..model.len() as u64);
        let mut short = region.clone();
        short.truncate(c as u64);
        for (region, model) in [
            (&first, head),
            (&region, model),
            (&cut, &model[model.len() / 3..]),
            (&short, &model[..c.min(model.len())]),
        ] {
            let mut buf = ByteBuf::with_capacity(1024);
            prop_assert_eq!(region.read_at(0, &mut buf).unwrap(), model.len());
            prop_assert_eq!(&buf[..], model);
            prop_assert_eq!(region.len(), model.len() as u64);
        }
    });
}

#[test]
fn reading_stops_at_the_region_the_spare_capacity_and_the_file() {
    let region = FileRegion::new(file_with(b"0123456789"), 2..8);
    let mut buf = ByteBuf::with_capacity(4);
    assert_eq!(region.read_at(0, &mut buf).unwrap(), 4);
    assert_eq!(region.read_at(0, &mut buf).unwrap(), 0, "no space");
    let mut buf = ByteBuf::with_capacity(64);
    assert_eq!(region.read_at(5, &mut buf).unwrap(), 1);
    assert_eq!(region.read_at(6, &mut buf).unwrap(), 0, "the end of the region");
    assert_eq!(region.read_at(u64::MAX, &mut buf).unwrap(), 0);
    assert_eq!(&buf[..], b"7");

    let too_long = FileRegion::new(region.file().try_clone().unwrap(), 0..u64::MAX);
    assert_eq!(too_long.read_at(4, &mut buf).unwrap(), 6);
    let error = too_long.read_at(10, &mut buf).unwrap_err();
    let truncated = error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
    assert_eq!((truncated.expected(), truncated.found()), (u64::MAX, 10));
    assert!(too_long.read_at(u64::MAX - 1, &mut buf).is_err(), "no such offset");
    assert_eq!(&buf[..], b"7456789", "an error leaves what was there");
}

#[test]
fn every_kind_of_target_gets_the_bytes() {
    let contents: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
    let file = Arc::new(file_with(&contents));
    let region = FileRegion::new(file, 1000..300_000);
    let expected = &contents[1000..];

    // A pipe and a socket, both smaller than the region.
    let (mut from, to) = io::pipe().unwrap();
    let (to_socket, mut from_socket) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        let pipe = scope.spawn(|| {
            let mut received = Vec::new();
            from.read_to_end(&mut received).map(|_| received).unwrap()
        });
        send_all(&mut region.clone(), &to).unwrap();
        drop(to);
        assert!(pipe.join().unwrap() == expected);
        let socket = scope.spawn(|| {
            let mut received = Vec::new();
            from_socket.read_to_end(&mut received).map(|_| received).unwrap()
        });
        send_all(&mut region.clone(), &to_socket).unwrap();
        drop(to_socket);
        assert!(socket.join().unwrap() == expected);
    });

    // A file at its cursor, and one that appends, which `sendfile` refuses.
    let mut plain = file_with(b"kept, overwritten");
    plain.seek(io::SeekFrom::Start(6)).unwrap();
    send_all(&mut region.clone(), &plain).unwrap();
    assert!(contents_of(&plain) == [b"kept, ", expected].concat());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "kept, ").unwrap();
    let append = File::options().append(true).open(&path).unwrap();
    send_all(&mut region.clone(), &append).unwrap();
    assert!(std::fs::read(&path).unwrap() == [b"kept, ", expected].concat());
}

/// Each path alone, by forbidding those before it, to a file and to a socket; in the end copying.
#[test]
fn every_method_sends_the_same() {
    let contents: Vec<u8> = (0..600_000_u32).map(|i| (i / 5) as u8).collect();
    let file = Arc::new(file_with(&contents));
    let refused = [&[][..], &[Call::Sendfile], &[Call::Sendfile, Call::SpliceIn]];
    let refused = refused.into_iter().chain([
        &[Call::Sendfile, Call::SpliceOut][..],
        &[Call::Sendfile, Call::Pipe],
        &[Call::Sendfile, Call::SpliceIn, Call::CopyRange],
    ]);
    for refused in refused {
        for short in [usize::MAX, 10_000] {
            let plan = move |call, _| {
                if refused.contains(&call) {
                    Outcome::Fail(Errno::NOSYS.raw_os_error())
                } else {
                    Outcome::Short(short)
                }
            };
            let region = FileRegion::new(file.clone(), 77..600_000);
            let out = tempfile::tempfile().unwrap();
            let (socket, mut peer) = UnixStream::pair().unwrap();
            let reader = std::thread::spawn(move || {
                let mut received = Vec::new();
                peer.read_to_end(&mut received).map(|_| received).unwrap()
            });
            with_plan(plan, || {
                send_all(&mut region.clone(), &out).unwrap();
                send_all(&mut region.clone(), &socket).unwrap();
            });
            drop(socket);
            assert!(contents_of(&out) == contents[77..], "{refused:?}");
            assert!(reader.join().unwrap() == contents[77..], "{refused:?}");
        }
    }
}

#[test]
fn a_full_target_is_would_block_and_the_region_stays_exact() {
    let contents = vec![7; 4_000_000];
    let mut region = FileRegion::new(file_with(&contents), 0..contents.len() as u64);
    let (out, mut peer) = UnixStream::pair().unwrap();
    out.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let error = loop {
        match region.transfer_to(&out) {
            Ok(moved) => sent += moved,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(sent > 0 && region.position() == sent);
    drop(out);
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    assert_eq!(received.len() as u64, sent);
}

#[test]
fn a_file_that_is_truncated_or_grows_while_it_is_sent() {
    let file = Arc::new(file_with(&[1; 100_000]));
    let out = tempfile::tempfile().unwrap();
    let mut region = FileRegion::new(file.clone(), 0..100_000);
    let whole = region.split_to(50_000);
    file.set_len(60_000).unwrap();
    assert_eq!(send_all(&mut whole.clone(), &out).unwrap(), 50_000);
    for _ in 0..2 {
        let error = send_all(&mut region, &out).unwrap_err();
        let truncated = error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
        assert_eq!((truncated.expected(), truncated.found()), (100_000, 60_000));
    }
    assert_eq!(contents_of(&out).len(), 60_000);
    // It comes back, and the rest can be sent.
    file.set_len(200_000).unwrap();
    assert_eq!(send_all(&mut region, &out).unwrap(), 40_000);
    assert_eq!(contents_of(&out).len(), 100_000);
}

/// A device, a terminal, and a file that takes only whole, aligned blocks: the first two get the
/// bytes; the last gets them or says that it can't, and the region stands where it stood.
#[test]
#[cfg(target_os = "linux")]
fn devices_terminals_and_direct_files_are_targets() {
    use std::os::unix::fs::OpenOptionsExt;

    let contents: Vec<u8> = (0..100_000_u32).map(|i| (i / 5) as u8).collect();
    let region = FileRegion::new(file_with(&contents), 0..100_000);
    let null = File::options().write(true).open("/dev/null").unwrap();
    assert_eq!(send_all(&mut region.clone(), &null).unwrap(), 100_000);

    if let Ok(terminal) = File::options().read(true).write(true).open("/dev/ptmx") {
        assert_eq!(send_all(&mut region.slice(0..50), &terminal).unwrap(), 50);
    }

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("direct");
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let options = File::options().write(true).create(true).custom_flags(direct).clone();
    // Not every file system has it.
    if let Ok(direct) = options.open(&path) {
        assert_eq!(send_all(&mut region.slice(0..65_536), &direct).unwrap(), 65_536);
        let mut rest = region.slice(65_536..65_600);
        if let Err(e) = send_all(&mut rest, &direct) {
            assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
            assert_eq!(rest.len(), 64);
        }
        let arrived = (65_600 - rest.len()) as usize;
        assert!(std::fs::read(&path).unwrap() == contents[..arrived]);
    }
}

/// A kernel that moves nothing has not said that the file ends there: it may know an old length.
#[test]
fn nothing_moved_is_not_the_end_of_the_file() {
    let contents: Vec<u8> = (0..100_000_u32).map(|i| (i / 5) as u8).collect();
    let file = Arc::new(file_with(&contents));
    for (refused, method) in [
        (&[][..], Call::Sendfile),
        (&[Call::Sendfile], Call::SpliceIn),
        (&[Call::Sendfile], Call::SpliceOut),
        (&[Call::Sendfile, Call::SpliceIn], Call::CopyRange),
    ] {
        let plan = move |call, _| match call {
            _ if refused.contains(&call) => Outcome::Fail(Errno::NOSYS.raw_os_error()),
            _ if call == method => Outcome::Nothing,
            _ => Outcome::Pass,
        };
        let out = tempfile::tempfile().unwrap();
        let mut region = FileRegion::new(file.clone(), 10..100_001);
        let error = with_plan(plan, || send_all(&mut region, &out).unwrap_err());
        let truncated = error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
        assert_eq!((truncated.expected(), truncated.found()), (100_001, 100_000), "{method:?}");
        assert!(contents_of(&out) == contents[10..], "{method:?}");
    }
}

/// Where a file takes whole blocks only, these are read into memory of the buffer's own pool and budget.
#[test]
fn blocks_around_a_range_are_charged_to_the_budget_of_the_buffer() {
    let region = FileRegion::new(file_with(&[7; 10_000]), 100..10_000);
    let small = block_size(50).unwrap();
    for (limit, expected) in [(1 << 20, Ok(50)), (small, Err(io::ErrorKind::OutOfMemory))] {
        let tenant = Pool::builder().build().budget("tenant", limit);
        let mut buf = tenant.alloc(50);
        let mut reads = 0;
        let whole_blocks_only = move |call, _| {
            reads += usize::from(call == Call::ReadAt);
            match call {
                Call::ReadAt if reads == 1 => Outcome::Fail(Errno::INVAL.raw_os_error()),
                _ => Outcome::Pass,
            }
        };
        let read = with_plan(whole_blocks_only, || region.read_at(0, &mut buf));
        assert_eq!(read.map_err(|e| e.kind()), expected);
        assert_eq!(buf.len(), expected.unwrap_or(0));
        let peak = tenant.budget_stats().unwrap().peak;
        assert_eq!(peak > small, expected.is_ok(), "{peak}");
    }
}

/// Direct I/O takes whole blocks at offsets of whole blocks, into memory that is aligned; a region takes
/// any range, alone and behind a header.
#[test]
#[cfg(target_os = "linux")]
fn any_range_of_a_file_opened_for_direct_io_is_sent() {
    use std::os::unix::fs::OpenOptionsExt;

    let contents: Vec<u8> = (0..1_000_001_u32).map(|i| (i / 3) as u8).collect();
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(named.path(), &contents).unwrap();
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    // Not every file system has it.
    let Ok(file) = File::options().read(true).custom_flags(direct).open(named.path()) else {
        return;
    };
    let file = Arc::new(file);
    for (start, end) in [
        (0, 4096),
        (4096, 12_288),
        (0, 262_144),
        (100, 5000),
        (100, 300_000),
        (4095, 4097),
        (0, 1_000_001),
        (1_000_000, 1_000_001),
    ] {
        let region = FileRegion::new(file.clone(), start as u64..end as u64);
        let expected = &contents[start..end];
        assert!(region.read_all().unwrap() == *expected, "{start}..{end} in memory");
        let (out, mut peer) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).map(|_| received).unwrap()
        });
        send_all(&mut region.clone(), &out).unwrap();
        let mut queue = crate::WriteQueue::new();
        queue.push("header");
        queue.push(region);
        queue.push("tail");
        while !queue.flush(&out).unwrap().is_done() {}
        drop(out);
        let sent = [expected, b"header", expected, b"tail"].concat();
        assert!(reader.join().unwrap() == sent, "{start}..{end} to a socket");
    }
    let mut long = FileRegion::new(file, 1_000_000..1_000_002);
    let (out, _peer) = UnixStream::pair().unwrap();
    let error = send_all(&mut long, &out).unwrap_err();
    let truncated = error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
    assert_eq!((truncated.expected(), truncated.found()), (1_000_002, 1_000_001));
}

#[test]
#[cfg(target_os = "linux")]
fn files_that_the_kernel_generates_are_sent() {
    let path = "/proc/self/stat";
    assert!(FileRegion::open(path).unwrap().is_empty(), "it reports no length");
    let mut region = FileRegion::new(File::open(path).unwrap(), 0..10);
    let (mut from, to) = io::pipe().unwrap();
    send_all(&mut region, &to).unwrap();
    drop(to);
    let mut received = String::new();
    from.read_to_string(&mut received).unwrap();
    assert!(received.starts_with(&std::process::id().to_string()), "{received}");
}

/// Calls an opener on another thread, so that one that waits fails the test.
fn returns_at_once<T: Send + 'static>(open: impl FnOnce() -> T + Send + 'static) -> T {
    let (opened, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || opened.send(open()));
    result.recv_timeout(std::time::Duration::from_secs(20)).expect("the opener waits")
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_not_a_regular_file_is_refused_at_once_and_named() {
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use crate::sys::NotRegularFile;

    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, name) in [
        (dir.path(), "a directory"),
        (&fifo, "a FIFO"),
        (&socket, "a socket"),
        (Path::new("/dev/zero"), "a character device"),
        (Path::new("/dev/null"), "a character device"),
    ] {
        let at = path.to_owned();
        let error = returns_at_once(move || FileRegion::open(at)).unwrap_err();
        let refused = error.get_ref().unwrap().downcast_ref::<NotRegularFile>().unwrap();
        assert_eq!(refused.to_string(), format!("{name}, not a regular file"));
        let is_dir = refused.file_type().is_dir();
        assert_eq!(error.kind() == io::ErrorKind::IsADirectory, is_dir);
        let write = File::options().write(true).clone();
        let at = path.to_owned();
        let error = returns_at_once(move || sys::open_regular(&write, &at)).unwrap_err();
        assert!(error.get_ref().unwrap().is::<NotRegularFile>(), "{name}: {error}");
    }
}

#[test]
fn files_that_do_not_exist_are_not_found() {
    assert_eq!(FileRegion::open("/no/such/file").unwrap_err().kind(), io::ErrorKind::NotFound);
}

/// A file is opened in a mode in which opening does not wait, and reading it must not stay in it.
#[test]
fn an_open_file_has_no_flags_of_its_own() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let plain = File::open(file.path()).unwrap();
    let region = FileRegion::open(file.path()).unwrap();
    let flags = |file: &File| rustix::fs::fcntl_getfl(file).unwrap();
    assert_eq!(flags(region.file()), flags(&plain));
}

#[test]
fn a_region_of_a_pipe_can_not_be_sent() {
    let (from, to) = io::pipe().unwrap();
    let mut pipe = FileRegion::new(File::from(std::os::fd::OwnedFd::from(from)), 0..10);
    assert!(pipe.transfer_to(&to).is_err(), "a pipe has no offsets");
    assert_eq!(pipe.len(), 10);
}

#[test]
fn offsets_past_four_gibibytes_are_exact() {
    let mut file = tempfile::tempfile().unwrap();
    let far = 5 << 30;
    file.seek(io::SeekFrom::Start(far)).unwrap();
    file.write_all(b"far away").unwrap();
    let region = FileRegion::new(file, 0..far + 8);
    assert_eq!(region.len(), far + 8);
    let out = tempfile::tempfile().unwrap();
    send_all(&mut region.slice(far - 4..far + 8), &out).unwrap();
    assert_eq!(contents_of(&out), b"\0\0\0\0far away");
}

#[test]
#[should_panic(expected = "range 3..11 of a region of 10 bytes")]
fn slicing_past_the_end_panics() {
    let _ = FileRegion::new(file_with(b""), 0..10).slice(3..11);
}
