//! The jobs that run while calls fail. Each job moves a known stream by one transfer method.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::buf::{ByteBuf, CompositeByteBuf};
use crate::io::*;
use crate::pool::Pool;
use crate::test_data::pattern;
use crate::test_io::{read_available, tcp_pair, unix_pair};

/// Moves a stream under the current fault plan.
pub(super) type Job = fn(&Path) -> Run;

/// The bytes that were meant to arrive, those that arrived, and the errors.
#[derive(Default)]
pub(super) struct Run {
    pub(super) meant: Vec<u8>,
    pub(super) arrived: Vec<u8>,
    pub(super) errors: Vec<io::Error>,
}

impl Run {
    /// Records an error, and panics after too many.
    fn note(&mut self, error: io::Error) {
        self.errors.push(error);
        assert!(self.errors.len() < 10, "it does not recover: {:?}", self.errors);
    }

    /// Calls until the call succeeds.
    fn again<T>(&mut self, mut call: impl FnMut() -> io::Result<T>) -> T {
        loop {
            match call() {
                Ok(done) => return done,
                Err(e) => self.note(e),
            }
        }
    }

    /// Records an error of a transfer, as [`note`](Self::note) does. A transfer returns `WouldBlock`
    /// as a result, not as an error.
    fn note_transfer(&mut self, error: io::Error) {
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock);
        self.note(error);
    }
}

/// Returns the first bytes of one pattern, which is made once: the jobs run thousands of times.
fn contents(len: usize) -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(400_000, 0));
    BYTES[..len].to_vec()
}

fn file(dir: &Path, contents: &[u8]) -> Arc<File> {
    let path = dir.join("source");
    std::fs::write(&path, contents).unwrap();
    Arc::new(File::open(path).unwrap())
}

/// Sends heads, a small file and a large one: every transfer method of the queue.
fn queue_and_stream(dir: &Path) -> (WriteQueue, Vec<u8>) {
    let contents = contents(120_000);
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

pub(super) fn queue_to_socket(dir: &Path) -> Run {
    let (mut queue, meant) = queue_and_stream(dir);
    let mut run = Run { meant, ..Run::default() };
    let (out, mut peer) = unix_pair();
    while !queue.is_empty() {
        let _ = queue.flush(&out).map(Flush::bytes).map_err(|e| run.note_transfer(e));
        read_available(&mut peer, &mut run.arrived);
        assert_eq!(queue.flushed_bytes(), run.arrived.len() as u64);
    }
    drop(out);
    peer.set_nonblocking(false).unwrap();
    // Returns only if no other descriptor of this end is open.
    peer.read_to_end(&mut run.arrived).unwrap();
    run
}

/// Sends large views without copying.
pub(super) fn zero_copy_to_socket(_: &Path) -> Run {
    let pool = Pool::builder().build();
    let mut queue = WriteQueue::new().with_budget(80_000).with_zero_copy(32 * 1024);
    let mut run = Run::default();
    for n in 0..6 {
        let bytes = contents(64 * 1024 + n);
        run.meant.extend_from_slice(&bytes);
        let mut part = pool.alloc(bytes.len());
        part.extend_from_slice(&bytes);
        queue.push(part);
    }
    let (out, mut peer) = tcp_pair();
    out.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    while !queue.is_empty() {
        let _ = queue.flush(&out).map(Flush::bytes).map_err(|e| run.note_transfer(e));
        read_available(&mut peer, &mut run.arrived);
    }
    peer.set_nonblocking(false).unwrap();
    while shutdown_write(&out).map_err(|e| run.note(e)).is_err() {}
    peer.read_to_end(&mut run.arrived).unwrap();
    let _ = queue.reap_completions(&out).map_err(|e| run.note(e));
    drop((queue, out));
    assert_eq!(pool.stats().live, 0);
    run
}

pub(super) fn queue_to_file(dir: &Path) -> Run {
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

pub(super) fn relay(_: &Path) -> Run {
    let (mut client, front) = unix_pair();
    let (back, mut server) = unix_pair();
    let meant = contents(400_000);
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

/// Sends a file into a blocking pipe that is smaller.
pub(super) fn relay_to_pipe(dir: &Path) -> Run {
    let mut run = Run { meant: contents(300_000), ..Run::default() };
    let file = file(dir, &run.meant);
    let (mut from, to) = io::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut arrived = Vec::new();
        from.read_to_end(&mut arrived).map(|_| arrived).unwrap()
    });
    let mut splice = Splice::new().with_offset(0);
    while !splice.is_done() {
        let _ = splice.transfer(&file, &to).map(|_| ()).map_err(|e| run.note_transfer(e));
    }
    drop(to);
    run.arrived = reader.join().unwrap();
    run
}

/// Moves a file that is opened for direct I/O, if that is supported, from its cursor to the middle of
/// a block.
pub(super) fn relay_direct(_: &Path) -> Run {
    let mut run = Run { meant: contents(30_000), ..Run::default() };
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(named.path(), &run.meant).unwrap();
    let file = File::open(named.path()).unwrap();
    #[cfg(target_os = "linux")]
    if crate::sys::TRANSFERS_IN_KERNEL {
        let flags = rustix::fs::fcntl_getfl(&file).unwrap() | rustix::fs::OFlags::DIRECT;
        let _ = rustix::fs::fcntl_setfl(&file, flags);
    }
    let (out, mut peer) = unix_pair();
    let mut splice = Splice::new().with_limit(30_000);
    while !splice.is_done() {
        let _ = splice.transfer(&file, &out).map(|_| ()).map_err(|e| run.note_transfer(e));
        read_available(&mut peer, &mut run.arrived);
    }
    run
}

pub(super) fn receive(_: &Path) -> Run {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let meant = contents(50_000);
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

pub(super) fn receive_vectored(_: &Path) -> Run {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let meant = contents(50_000);
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

/// Splices a socket into a file.
pub(super) fn upload(dir: &Path) -> Run {
    let (mut client, server) = unix_pair();
    let mut run = Run { meant: contents(300_000), ..Run::default() };
    let target = File::create_new(dir.join("target")).unwrap();
    let mut sent = 0;
    let mut splice = Splice::new();
    while !splice.is_done() {
        if sent == run.meant.len() {
            client.shutdown(std::net::Shutdown::Write).unwrap();
        } else if let Ok(written) = client.write(&run.meant[sent..]) {
            sent += written;
        }
        let _ = splice.transfer(&server, &target).map(|_| ()).map_err(|e| run.note_transfer(e));
    }
    run.arrived = std::fs::read(dir.join("target")).unwrap();
    run
}

/// Opens a file, prefetches it, and reads it.
pub(super) fn region(dir: &Path) -> Run {
    let mut run = Run { meant: contents(100_000), ..Run::default() };
    let path = dir.join("source");
    std::fs::write(&path, &run.meant).unwrap();
    let region = run.again(|| FileRegion::open(&path));
    run.again(|| region.prefetch());
    run.arrived = run.again(|| region.read_all()).to_vec();
    run
}

/// Fails to create logs, because their directory cannot be synced.
pub(super) fn no_log(dir: &Path) -> Run {
    let path = dir.join("log");
    for _ in 0..16 {
        assert!(Segment::create(&path, 4096).is_err());
        // The file is already removed, unless the removal failed.
        let _ = std::fs::remove_file(&path);
    }
    Run::default()
}

/// Makes every call on a log.
pub(super) fn log(dir: &Path) -> Run {
    let mut run = Run::default();
    let path = dir.join("log");
    let mut segment = run.again(|| Segment::create(&path, 2 << 20));
    for i in 0..40 {
        let record = contents(if i == 20 { 300_000 } else { i * 500 });
        run.meant.extend_from_slice(&record);
        run.again(|| segment.append(&record));
    }
    let end = run.again(|| segment.publish());
    drop(segment);
    // A crash may leave these bytes. The first append clears them.
    let torn = File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&torn, &contents(100_000), end).unwrap();
    drop(torn);
    let mut segment = run.again(|| Segment::open(&path));
    let record = contents(1000);
    run.meant.extend_from_slice(&record);
    // After a failed sync, the segment must be opened again to find its end.
    while let Err(e) = segment.append(&record).map(drop) {
        run.note(e);
        drop(segment);
        segment = run.again(|| Segment::open(&path));
    }
    while let Err(e) = segment.trim() {
        run.note(e);
        drop(segment);
        segment = run.again(|| Segment::open(&path));
    }
    drop(segment);
    let segment = run.again(|| SegmentReader::open(&path));
    let mut position = segment.start();
    while position < segment.published() {
        for record in segment.records(position) {
            match record {
                Ok(record) => {
                    run.arrived.extend_from_slice(record.payload());
                    position = record.end();
                }
                Err(e) => run.note(e),
            }
        }
    }
    drop(segment);
    drop(run.again(|| Segment::recycle(&path)));
    run
}

/// Reads a copy of a file in memory.
pub(super) fn snapshot(dir: &Path) -> Run {
    let mut run = Run { meant: contents(100_000), ..Run::default() };
    let file = file(dir, &run.meant);
    let map = run.again(|| MappedFile::snapshot(&file, 0..100_000));
    run.again(|| map.advise(Advice::Sequential));
    run.again(|| map.warm());
    run.again(|| map.lock());
    run.arrived = map.to_vec();
    run
}

/// Writes a file in memory, one part before the rest, and gives it a name.
pub(super) fn in_place(dir: &Path) -> Run {
    let mut run = Run { meant: contents(100_000), ..Run::default() };
    let path = dir.join("named");
    let mut map = run.again(|| MappedFileMut::create_in(dir, 100_000));
    run.again(|| map.advise(Advice::Random));
    run.again(|| map.warm());
    run.again(|| map.lock());
    map.copy_from_slice(&run.meant);
    // After a failure the contents of the disk are not known, so the job ends.
    let done = map.flush(..5000).and_then(|()| map.flush(5000..)).and_then(|()| map.persist(&path));
    if let Err(e) = done {
        run.note(e);
        assert!(map.flush(..).is_err() || map.is_empty() || map.persist(&path).is_ok());
    }
    if map.is_empty() {
        run.arrived = std::fs::read(path).unwrap();
    } else {
        assert!(!path.exists());
        run.arrived = map.to_vec();
    }
    run
}

/// Allocates memory of a pool, frees it, and allocates it again.
pub(super) fn memory(_: &Path) -> Run {
    let mut run = Run::default();
    let pool = Pool::builder().thread_cache(0).huge_pages(true).build();
    for round in 0..4 {
        let mut held = Vec::new();
        for i in 0..24 {
            let bytes = contents(100 + i + round);
            let out = |e| io::Error::new(io::ErrorKind::OutOfMemory, e);
            let len = [100, 3000, 70_000, 600_000, 3_000_000][i % 5] + bytes.len();
            let mut buf = run.again(|| pool.try_alloc(len).map_err(out));
            buf.extend_from_slice(&bytes);
            run.meant.extend_from_slice(&bytes);
            held.push(buf.freeze());
        }
        held.iter().for_each(|view| run.arrived.extend_from_slice(view));
        drop(held);
        assert_eq!(pool.stats().live, 0);
        pool.trim();
    }
    run
}
