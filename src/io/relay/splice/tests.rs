use std::fs::File;
use std::io::{Seek, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use rustix::io::Errno;

use super::*;
use crate::io::relay::pipes;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_data::pattern;
use crate::test_io::{contents_of, file_with, read_available, tcp_pair, unix_pair};

/// Feeds `stream` to one end and takes what comes out of the other, whatever the calls do.
fn relays(stream: &[u8], limit: u64, plan: impl FnMut(Call, usize) -> Outcome + 'static) {
    let (mut client, front) = unix_pair();
    let (back, mut server) = unix_pair();
    let expected = &stream[..stream.len().min(limit as usize)];
    let mut splice = Splice::new().with_limit(limit).with_budget(100_000);
    let (mut sent, mut received) = (0, Vec::new());
    with_plan(plan, || {
        while !splice.is_done() {
            if sent == stream.len() {
                client.shutdown(Shutdown::Write).unwrap();
            } else if let Ok(written) = client.write(&stream[sent..]) {
                sent += written;
            }
            let before = splice.moved_bytes();
            if let Ok(ended) = splice.transfer(&front, &back) {
                let (Spliced::Done(moved)
                | Spliced::SourceEmpty(moved)
                | Spliced::TargetFull(moved)
                | Spliced::BudgetSpent(moved)) = ended;
                assert_eq!(splice.moved_bytes(), before + moved);
                assert_eq!(matches!(ended, Spliced::Done(_)), splice.is_done());
            }
            read_available(&mut server, &mut received);
            assert_eq!(splice.moved_bytes(), received.len() as u64);
        }
    });
    assert!(received == expected);
    assert_eq!(splice.held_bytes(), 0);
    // What was not asked for is still in the source.
    let mut rest = Vec::new();
    read_available(&mut { front }, &mut rest);
    assert!(rest == stream[expected.len()..sent]);
}

#[test]
fn a_relay_survives_every_plan() {
    let outcome = prop_oneof![
        3 => Just(Outcome::Pass),
        2 => (1..5000_usize).prop_map(Outcome::Short),
        1 => prop::sample::select(vec![
            Errno::INTR, Errno::AGAIN, Errno::INVAL, Errno::MFILE, Errno::NOMEM, Errno::NOBUFS,
            Errno::IO, Errno::CONNRESET, Errno::PIPE, Errno::NOSPC,
        ]).prop_map(|errno| Outcome::Fail(errno.raw_os_error())),
    ];
    let plans = prop::collection::vec(outcome, 0..10);
    proptest!(|(len in 0..300_000_usize, limit in 0..400_000_u64, mut plan in plans)| {
        plan.push(Outcome::Pass);
        let mut calls = 0;
        relays(&pattern(len, 0), limit, move |call, _| {
            calls += usize::from(!call.is_of_pool());
            // Where each read comes with a call for a pipe, a plan could hit the reads alone.
            if calls % 7 == 0 || call.is_of_pool() { Outcome::Pass } else { plan[calls % plan.len()] }
        });
    });
}

#[test]
fn the_copying_path_gives_the_same() {
    relays(&pattern(500_000, 0), u64::MAX, |call, _| match call {
        Call::Pipe | Call::SpliceIn | Call::SpliceOut => Outcome::Fail(Errno::NOSYS.raw_os_error()),
        _ => Outcome::Pass,
    });
}

#[test]
fn a_target_that_refuses_gets_what_the_pipe_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let append = File::options().create(true).append(true).open(&path).unwrap();
    let stream = pattern(100_000, 0);
    let (mut client, server) = UnixStream::pair().unwrap();
    let send = stream.clone();
    let feeder = std::thread::spawn(move || client.write_all(&send).unwrap());
    let mut splice = Splice::new();
    while !matches!(splice.transfer(&server, &append).unwrap(), Spliced::Done(_)) {}
    feeder.join().unwrap();
    assert!(std::fs::read(&path).unwrap() == stream);
}

#[test]
fn files_are_sources_and_targets() {
    let stream = pattern(700_000, 0);
    let mut source = file_with(&stream);
    source.rewind().unwrap();
    let target = tempfile::tempfile().unwrap();
    let mut splice = Splice::new().with_budget(u64::MAX);
    assert_eq!(splice.transfer(&source, &target).unwrap(), Spliced::Done(700_000));
    assert!(contents_of(&target) == stream);
}

/// An upload is gathered before it is written; what ends the gathering must wait its turn.
#[test]
fn an_error_behind_bytes_for_a_file_is_returned_after_they_are_written() {
    let (mut client, server) = unix_pair();
    client.write_all(&pattern(1000, 0)).unwrap();
    let file = tempfile::tempfile().unwrap();
    let mut reads = 0;
    let plan = move |call, _| {
        reads += usize::from(call == Call::Read);
        match (call, reads) {
            (Call::Read, 1) => Outcome::Short(600),
            (Call::Read, 2) => Outcome::Fail(Errno::CONNRESET.raw_os_error()),
            _ => Outcome::Pass,
        }
    };
    let mut upload = Splice::new();
    with_plan(plan, || {
        let error = upload.transfer(&server, &file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!((upload.moved_bytes(), upload.held_bytes()), (600, 0));
        assert!(!upload.is_done(), "a connection that broke is no end");
        assert_eq!(upload.transfer(&server, &file).unwrap(), Spliced::SourceEmpty(400));
    });
    assert_eq!(contents_of(&file), pattern(1000, 0));
}

#[test]
fn a_file_is_read_at_its_offset_by_either_path() {
    let stream = pattern(700_000, 0);
    let mut source = file_with(&stream);
    let cursor = source.stream_position().unwrap();
    for refused in [None, Some(Call::Pipe)] {
        let target = tempfile::tempfile().unwrap();
        let mut splice = Splice::new().with_offset(100_001).with_limit(600_000).with_budget(1);
        let plan = move |call, _| match refused {
            Some(refused) if call == refused => Outcome::Fail(Errno::MFILE.raw_os_error()),
            _ => Outcome::Pass,
        };
        with_plan(plan, || {
            while !matches!(splice.transfer(&source, &target).unwrap(), Spliced::Done(_)) {}
        });
        assert!(contents_of(&target) == stream[100_001..]);
        assert_eq!(splice.moved_bytes(), 599_999, "the file ends before the limit");
        // Read and written at least once, and read once more to find the end.
        assert!(splice.system_calls() >= 3);
        assert_eq!(source.stream_position().unwrap(), cursor);
    }
}

#[test]
fn a_slow_target_stops_the_reading_and_an_idle_transfer_holds_nothing() {
    let (mut client, front) = unix_pair();
    let (back, mut server) = unix_pair();
    while client.write(&[7; 4096]).is_ok() {}
    let mut splice = Splice::new();
    let mut full = 0;
    while !matches!(splice.transfer(&front, &back).unwrap(), Spliced::TargetFull(0)) {
        full += 1;
        while client.write(&[7; 4096]).is_ok() {}
        assert!(full < 1000, "the target never fills");
    }
    assert!(splice.held_bytes() > 0);
    let mut received = Vec::new();
    loop {
        read_available(&mut server, &mut received);
        if let Spliced::SourceEmpty(_) = splice.transfer(&front, &back).unwrap() {
            break;
        }
    }
    read_available(&mut server, &mut received);
    assert_eq!(splice.moved_bytes(), received.len() as u64);
    assert_eq!(splice.held_bytes(), 0);
    assert!(splice.pipe.is_none());
}

/// Calls `transfer` on blocking descriptors; `act` is done by another thread once the call is made that
/// has to wait.
fn waits(
    call: Call,
    refused: Option<Call>,
    act: impl FnOnce() + Send + 'static,
    transfer: impl FnOnce() -> Spliced,
) -> Spliced {
    let (begin, begun) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        begun.recv().unwrap();
        act();
    });
    let plan = move |this, _| {
        if this == call {
            let _ = begin.send(());
        }
        match refused {
            Some(refused) if this == refused => Outcome::Fail(Errno::MFILE.raw_os_error()),
            _ => Outcome::Pass,
        }
    };
    let ended = with_plan(plan, transfer);
    other.join().unwrap();
    ended
}

#[test]
fn a_blocking_source_is_waited_for() {
    for refused in [None, Some(Call::Pipe)] {
        let (out, _peer) = UnixStream::pair().unwrap();
        let mut splice = Splice::new().with_limit(6);
        let (mut client, front) = UnixStream::pair().unwrap();
        let act = move || client.write_all(b"socket").unwrap();
        let ended = waits(Call::Read, refused, act, || splice.transfer(&front, &out).unwrap());
        assert_eq!(ended, Spliced::Done(6));

        let mut splice = Splice::new().with_limit(6);
        let (from, mut to) = io::pipe().unwrap();
        let act = move || to.write_all(b"a pipe").unwrap();
        let ended = waits(Call::Read, refused, act, || splice.transfer(&from, &out).unwrap());
        assert_eq!(ended, Spliced::Done(6));
    }
}

/// The time limit of a blocking source is the source's own: one wait, not one for each way to read.
#[test]
fn a_time_limit_for_receiving_passes_once() {
    use std::time::{Duration, Instant};

    let limit = Duration::from_millis(50);
    let (out, _peer) = UnixStream::pair().unwrap();
    let (_client, tcp) = tcp_pair();
    tcp.set_read_timeout(Some(limit)).unwrap();
    let (_other, unix) = UnixStream::pair().unwrap();
    unix.set_read_timeout(Some(limit)).unwrap();
    let shortest = |from: BorrowedFd<'_>| {
        // A busy machine makes some of them longer.
        let each = (0..3).map(|_| {
            let start = Instant::now();
            assert_eq!(Splice::new().transfer(from, &out).unwrap(), Spliced::SourceEmpty(0));
            start.elapsed()
        });
        each.min().unwrap()
    };
    for from in [tcp.as_fd(), unix.as_fd()] {
        assert!((limit / 2..limit * 9 / 5).contains(&shortest(from)));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_blocking_pipe_is_waited_for_as_a_target() {
    use std::io::Read;

    use crate::sys::TRANSFERS_IN_KERNEL;

    let stream = pattern(300_000, 0);
    let source = file_with(&stream);
    let (mut from, to) = io::pipe().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let act = move || {
        let mut arrived = vec![0; 300_000];
        from.read_exact(&mut arrived).unwrap();
        sender.send(arrived).unwrap();
    };
    let waiting = if TRANSFERS_IN_KERNEL { Call::Poll } else { Call::Send };
    let mut splice = Splice::new().with_offset(0).with_limit(300_000);
    let ended = waits(waiting, None, act, || splice.transfer(&source, &to).unwrap());
    assert_eq!(ended, Spliced::Done(300_000));
    assert!(receiver.recv().unwrap() == stream);
}

#[test]
fn a_stuck_copying_transfer_holds_a_block_as_large_as_its_bytes() {
    let (mut client, front) = unix_pair();
    let (mut back, mut server) = unix_pair();
    while back.write(&[7; 4096]).is_ok() {}
    client.write_all(&pattern(1000, 0)).unwrap();
    let mut splice = Splice::new();
    let plan = |call, _| match call {
        Call::Pipe => Outcome::Fail(Errno::MFILE.raw_os_error()),
        _ => Outcome::Pass,
    };
    pipes::close_idle();
    with_plan(plan, || {
        // A pipe that another test gives back meanwhile is as good.
        assert_eq!(splice.transfer(&front, &back).unwrap(), Spliced::TargetFull(0));
        assert_eq!(splice.held_bytes(), 1000);
        assert!(splice.bytes.pinned() <= 2048, "{}", splice.bytes.pinned());
        read_available(&mut server, &mut Vec::new());
        assert_eq!(splice.transfer(&front, &back).unwrap(), Spliced::SourceEmpty(1000));
    });
    let mut arrived = Vec::new();
    read_available(&mut server, &mut arrived);
    assert!(arrived == pattern(1000, 0));

    // A source with many bytes does not fill a large block either.
    let source = file_with(&pattern(4_000_000, 0));
    let mut splice = Splice::new().with_offset(0);
    with_plan(plan, || {
        while !matches!(splice.transfer(&source, &back).unwrap(), Spliced::TargetFull(_)) {}
    });
    assert!(splice.held_bytes() > 0 && splice.bytes.pinned() <= 64 * 1024);
}

/// A kernel that moves nothing into a pipe has not said that the source has ended.
#[test]
fn nothing_spliced_is_not_the_end() {
    relays(&pattern(300_000, 0), u64::MAX, |call, _| match call {
        Call::SpliceIn => Outcome::Nothing,
        _ => Outcome::Pass,
    });
}

/// Direct I/O takes whole blocks at offsets of whole blocks; a transfer takes any range.
#[test]
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
fn files_opened_for_direct_io_are_sources() {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;

    let stream = pattern(700_001, 0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &stream).unwrap();
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let open = || File::options().read(true).custom_flags(direct).open(file.path());
    // Not every file system has it.
    let Ok(mut source) = open() else { return };
    for (start, end) in
        [(0, 700_001), (0, 4096), (100, 5000), (4096, 600_000), (4095, 4097), (700_000, 700_001)]
    {
        let target = tempfile::tempfile().unwrap();
        let (out, mut peer) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            peer.read_to_end(&mut received).map(|_| received).unwrap()
        });
        let limit = end as u64 - start as u64;
        let mut splice = Splice::new().with_offset(start as u64).with_limit(limit);
        while !matches!(splice.transfer(&source, &target).unwrap(), Spliced::Done(_)) {}
        assert!(contents_of(&target) == stream[start..end], "{start}..{end} to a file");
        source.seek(io::SeekFrom::Start(start as u64)).unwrap();
        let mut splice = Splice::new().with_limit(limit);
        while !matches!(splice.transfer(&source, &out).unwrap(), Spliced::Done(_)) {}
        drop(out);
        assert!(reader.join().unwrap() == stream[start..end], "{start}..{end} to a socket");
        assert_eq!(source.stream_position().unwrap(), end as u64, "it was read at its cursor");
    }
}

#[test]
fn undelivered_bytes_never_reach_another_transfer() {
    let (mut client, front) = unix_pair();
    let (back, server) = unix_pair();
    client.write_all(b"undelivered").unwrap();
    drop(server);
    let mut splice = Splice::new();
    let error = splice.transfer(&front, &back).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!((splice.moved_bytes(), splice.held_bytes()), (0, 11));
    drop(splice);
    // If its pipe were reused, the next stream would begin with those bytes.
    for _ in 0..20 {
        relays(b"another stream", u64::MAX, |_, _| Outcome::Pass);
    }
}
