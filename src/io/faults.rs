//! The fault matrix: every call of the I/O side, failing in every way, at each of its first turns.
//!
//! Each job below moves a known stream and goes on after an error, as a caller that wants to
//! recover would. One call is made to fail once. Then:
//!
//! 1. what arrives is the stream, whole and in order;
//! 2. the error is told as it is, unless it has a meaning of its own: `EINTR` is not seen, `EAGAIN`
//!    is a state, and a refusal to work inside the kernel leads to another path;
//! 3. no descriptor is left over.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustix::io::Errno;

use super::*;
use crate::buf::{ByteBuf, CompositeByteBuf};
use crate::pool::Pool;
use crate::sys::{Call, Outcome, with_plan};

const ERRNOS: [Errno; 11] = [
    Errno::INTR,
    Errno::AGAIN,
    Errno::PIPE,
    Errno::CONNRESET,
    Errno::NOBUFS,
    Errno::NOMEM,
    Errno::IO,
    Errno::NOSPC,
    Errno::INVAL,
    Errno::NOSYS,
    Errno::MFILE,
];

/// Moves a stream under whatever plan stands, and gives what was meant to arrive, what arrived, and
/// the errors on the way.
type Job = fn(&Path) -> Run;

#[derive(Default)]
struct Run {
    meant: Vec<u8>,
    arrived: Vec<u8>,
    errors: Vec<io::Error>,
}

impl Run {
    /// Notes an error, and gives up when one comes again and again.
    fn note(&mut self, error: io::Error) {
        self.errors.push(error);
        assert!(self.errors.len() < 10, "it does not recover: {:?}", self.errors);
    }

    /// The same of a transfer, which says by its result that it would block.
    fn note_transfer(&mut self, error: io::Error) {
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock);
        self.note(error);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..400_000).map(|i| (i / 3) as u8 ^ (i >> 10) as u8).collect());
    BYTES[..len].to_vec()
}

fn file(dir: &Path, contents: &[u8]) -> Arc<File> {
    let path = dir.join("source");
    std::fs::write(&path, contents).unwrap();
    Arc::new(File::open(path).unwrap())
}

fn read_available(from: &mut impl Read, into: &mut Vec<u8>) {
    if let Err(e) = from.read_to_end(into) {
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    }
}

fn nonblocking_pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// Heads, a small file, a large one: every way that the queue has.
fn queue_and_stream(dir: &Path) -> (WriteQueue, Vec<u8>) {
    let contents = pattern(120_000);
    let file = file(dir, &contents);
    let mut queue = WriteQueue::new().with_budget(80_000);
    queue.push_copy(b"head");
    queue.push(FileRegion::new(file.clone(), 100..5000));
    queue.push(contents[..3000].to_vec());
    queue.push(FileRegion::new(file, 0..120_000));
    queue.push("tail");
    let stream = [b"head", &contents[100..5000], &contents[..3000], &contents, b"tail"].concat();
    (queue, stream)
}

fn queue_to_socket(dir: &Path) -> Run {
    let (mut queue, meant) = queue_and_stream(dir);
    let mut run = Run { meant, ..Run::default() };
    let (out, mut peer) = nonblocking_pair();
    while !queue.is_empty() {
        let _ = queue.flush(&out).map(Flush::bytes).map_err(|e| run.note_transfer(e));
        read_available(&mut peer, &mut run.arrived);
        assert_eq!(queue.flushed_bytes(), run.arrived.len() as u64);
    }
    drop(out);
    peer.set_nonblocking(false).unwrap();
    // Returns only if nobody else has the other end.
    peer.read_to_end(&mut run.arrived).unwrap();
    run
}

fn queue_to_file(dir: &Path) -> Run {
    let (mut queue, meant) = queue_and_stream(dir);
    let mut run = Run { meant, ..Run::default() };
    let mut out = File::create_new(dir.join("target")).unwrap();
    while !queue.is_empty() {
        let _ = queue.flush(&out).map(Flush::bytes).map_err(|e| run.note_transfer(e));
        assert_eq!(queue.flushed_bytes(), out.stream_position().unwrap());
    }
    run.arrived = std::fs::read(dir.join("target")).unwrap();
    run
}

fn relay(_: &Path) -> Run {
    let (mut client, front) = nonblocking_pair();
    let (back, mut server) = nonblocking_pair();
    let meant = pattern(400_000);
    let mut run = Run { meant, ..Run::default() };
    let mut sent = 0;
    let mut splice = Splice::new();
    while !splice.is_done() {
        if sent == run.meant.len() {
            client.shutdown(std::net::Shutdown::Write).unwrap();
        } else if let Ok(written) = client.write(&run.meant[sent..]) {
            sent += written;
        }
        let _ = splice.transfer(&front, &back).map(|_| ()).map_err(|e| run.note_transfer(e));
        read_available(&mut server, &mut run.arrived);
        assert_eq!(splice.moved_bytes(), run.arrived.len() as u64);
    }
    run
}

fn receive(_: &Path) -> Run {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let meant = pattern(50_000);
    let mut run = Run { meant, ..Run::default() };
    peer.write_all(&run.meant).unwrap();
    drop(peer);
    let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
    loop {
        match sizer.receive(&socket, &mut input) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => run.note(e),
        }
    }
    run.arrived = input.to_vec();
    run
}

fn receive_vectored(_: &Path) -> Run {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let meant = pattern(50_000);
    let mut run = Run { meant, ..Run::default() };
    peer.write_all(&run.meant).unwrap();
    drop(peer);
    let pool = Pool::builder().build();
    let (mut sizer, mut input) = (RecvSizer::new(), CompositeByteBuf::new());
    loop {
        match sizer.receive_vectored(&socket, &pool, &mut input) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => run.note(e),
        }
    }
    run.arrived = input.to_vec();
    drop(input);
    assert_eq!(pool.stats().live, 0);
    run
}

fn log(dir: &Path) -> Run {
    let mut run = Run::default();
    let path = dir.join("log");
    let again = |run: &mut Run, open: &dyn Fn() -> io::Result<Segment>| loop {
        match open() {
            Ok(segment) => return segment,
            Err(e) => run.note(e),
        }
    };
    let mut segment = again(&mut run, &|| Segment::create(&path, 2 << 20));
    for i in 0..40 {
        let record = pattern(if i == 20 { 300_000 } else { i * 500 });
        run.meant.extend_from_slice(&record);
        while let Err(e) = segment.append(&record) {
            run.note(e);
        }
    }
    while let Err(e) = segment.publish() {
        run.note(e);
    }
    drop(segment);
    let segment = again(&mut run, &|| Segment::open(&path));
    let mut position = segment.start();
    while position < segment.published() {
        for record in segment.records(position) {
            match record {
                Ok(record) => {
                    run.arrived.extend_from_slice(record.payload());
                    position = record.position() + 8 + record.payload().len() as u64;
                }
                Err(e) => run.note(e),
            }
        }
    }
    run
}

fn snapshot(dir: &Path) -> Run {
    let meant = pattern(100_000);
    let mut run = Run { meant, ..Run::default() };
    let file = file(dir, &run.meant);
    run.arrived = loop {
        match MappedFile::snapshot(&file, 0..100_000) {
            Ok(map) => break map.to_vec(),
            Err(e) => run.note(e),
        }
    };
    run
}

/// Whether an error of this call may be told (rule 2).
fn may_be_told(call: Call, errno: Errno) -> bool {
    // Where no kernel is asked, none refuses two descriptors by number.
    let asked = cfg!(all(target_os = "linux", not(bytebuf_portable)));
    let refusal = asked && [Errno::INVAL, Errno::NOSYS].contains(&errno);
    match call {
        _ if errno == Errno::INTR => false,
        // A pipe is a convenience.
        Call::Pipe => false,
        Call::Sendfile | Call::SpliceIn | Call::SpliceOut | Call::CopyRange => !refusal,
        _ => true,
    }
}

/// Fails call number `turn` of one kind, once; those that are not to be used never work.
fn failing(call: Call, outcome: Outcome, turn: usize, unused: &'static [Call], job: Job) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let mut turns = 0;
    let plan = move |made, _| {
        turns += usize::from(made == call);
        if made == call && turns == turn {
            outcome
        } else if unused.contains(&made) {
            Outcome::Fail(Errno::NOSYS.raw_os_error())
        } else {
            Outcome::Pass
        }
    };
    let run = with_plan(plan, || job(dir.path()));
    assert!(run.arrived == run.meant, "{call:?} {outcome:?} at turn {turn}");
    let left = std::fs::read_dir("/proc/self/fd").into_iter().flatten().filter(|entry| {
        let target = entry.as_ref().ok().and_then(|entry| std::fs::read_link(entry.path()).ok());
        target.is_some_and(|target| target.starts_with(dir.path()))
    });
    assert_eq!(left.count(), 0, "descriptors left by {call:?} {outcome:?}");
    run
}

#[test]
fn every_call_may_fail_in_every_way() {
    const IN_KERNEL: &[Call] = &[Call::Sendfile, Call::SpliceIn, Call::CopyRange];
    let jobs: &[(Job, &[Call], &'static [Call])] = &[
        (queue_to_socket, &[Call::Send, Call::ReadAt, Call::Sendfile], &[]),
        (queue_to_socket, &[Call::Pipe, Call::SpliceIn, Call::SpliceOut], &[Call::Sendfile]),
        (queue_to_socket, &[Call::ReadAt, Call::Send], IN_KERNEL),
        (queue_to_file, &[Call::Write, Call::ReadAt, Call::Sendfile], &[]),
        (queue_to_file, &[Call::CopyRange], &[Call::Sendfile, Call::SpliceIn]),
        (queue_to_file, &[Call::ReadAt, Call::Write], IN_KERNEL),
        (relay, &[Call::Pipe, Call::SpliceIn, Call::SpliceOut], &[]),
        (relay, &[Call::Read, Call::Send], &[Call::SpliceIn]),
        (relay, &[Call::Read, Call::Send], &[Call::SpliceOut]),
        (receive, &[Call::Read], &[]),
        (receive_vectored, &[Call::ReadVectored], &[]),
        (log, &[Call::WriteAt, Call::ReadAt, Call::Allocate, Call::SetLen, Call::SyncData], &[]),
        (snapshot, &[Call::Map, Call::Sendfile], &[]),
    ];
    let mut cells = 0;
    for &(job, calls, unused) in jobs {
        for &call in calls {
            for turn in [1, 2, 4] {
                for errno in ERRNOS {
                    let outcome = Outcome::Fail(errno.raw_os_error());
                    for error in failing(call, outcome, turn, unused, job).errors {
                        assert!(may_be_told(call, errno), "{call:?} {errno:?}: {error}");
                        assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
                    }
                    cells += 1;
                }
                for short in [1, 7, 4000] {
                    let run = failing(call, Outcome::Short(short), turn, unused, job);
                    assert!(run.errors.is_empty(), "{call:?} cut to {short}: {:?}", run.errors);
                }
            }
        }
    }
    assert!(cells > 900, "{cells}");
}
