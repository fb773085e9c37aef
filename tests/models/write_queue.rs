//! Buffers, composites and file regions through a `WriteQueue` into a writer that takes them as it
//! likes, a socket, or a connection that takes large parts without copying, against the flat stream: every
//! byte once, in order, whatever ended a flush. Free memory is written to at each step, so that the peer of
//! the connection sees memory that is reused too early.

use std::fs::File;
#[cfg(unix)]
use std::io::Read;
use std::io::{self, IoSlice, Write};
#[cfg(unix)]
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use arbitrary::Arbitrary;
use bytebuf::{ByteView, CompositeByteBuf, FileRegion, Flush, Payload, WriteQueue};
use bytes::BufMut;

use super::Model;
use super::fixtures::{dirty, pattern, pool};
#[cfg(unix)]
use super::test_io::{tcp_pair, unix_pair};

#[derive(Arbitrary, Debug)]
pub enum Op {
    Push(Source, u16),
    /// Pooled memory, of a size that is sent without copying.
    Large(u16),
    Composite([u8; 5]),
    Copy(u16),
    File {
        start: u16,
        len: u16,
    },
    Flush([Answer; 4]),
    FlushAll,
    /// Into a socket, which takes what its buffer holds.
    Send,
    /// Over a connection, which may take memory without copying.
    SendZeroCopy,
    /// The connection's peer reads.
    Read(u16),
    Reap,
    Budget(u16),
    /// Other watermarks: the low one, and how far the high one is above it.
    Watermarks(u16, u16),
    /// What is unsent goes on to another queue.
    Requeue,
    Clear,
}

#[derive(Arbitrary, Debug)]
pub enum Source {
    Static,
    Adopted,
    Pooled,
}

/// What the writer does with one call.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Answer {
    All,
    Short(u16),
    WouldBlock,
    Interrupted,
    Broken,
    /// Takes nothing and calls that a success: it is full.
    Zero,
    /// Takes nothing and says that it took more than there was.
    Lie,
}

const FILE_LEN: usize = 70_000;

fn file() -> &'static (Arc<File>, Vec<u8>) {
    static FILE: OnceLock<(Arc<File>, Vec<u8>)> = OnceLock::new();
    FILE.get_or_init(|| {
        let contents = pattern(FILE_LEN, 99);
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&contents).expect("space for a small file");
        (Arc::new(file), contents)
    })
}

/// Answers as planned, and takes everything when the plan is over.
struct Peer<'p> {
    plan: std::slice::Iter<'p, Answer>,
    received: &'p mut Vec<u8>,
}

impl Peer<'_> {
    fn take(&mut self, bufs: &[IoSlice<'_>], most: usize) -> usize {
        let before = self.received.len();
        for buf in bufs {
            let space = most - (self.received.len() - before);
            self.received.extend_from_slice(&buf[..buf.len().min(space)]);
        }
        self.received.len() - before
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        assert!(offered > 0 && bufs.len() <= 1024);
        match self.plan.next().unwrap_or(&Answer::All) {
            Answer::All => Ok(self.take(bufs, usize::MAX)),
            Answer::Short(most) => Ok(self.take(bufs, usize::from(*most).max(1))),
            Answer::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Answer::Interrupted => Err(io::ErrorKind::Interrupted.into()),
            Answer::Broken => Err(io::ErrorKind::BrokenPipe.into()),
            Answer::Zero => Ok(0),
            Answer::Lie => Ok(offered + 1),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The least that is sent without copying.
const ZERO_COPY: usize = 32 * 1024;

/// A connection whose peer reads when it is told to: until then the kernel keeps bytes beyond the peer's
/// small window in the memory of the sender.
#[cfg(unix)]
struct Connection {
    near: TcpStream,
    far: TcpStream,
    /// The bytes that were sent and not read.
    under_way: Vec<u8>,
    /// The number of bytes that were sent.
    sent: u64,
}

#[cfg(unix)]
impl Connection {
    fn new() -> Self {
        let (near, far) = tcp_pair();
        near.set_nonblocking(true).expect("a socket");
        Self { near, far, under_way: Vec::new(), sent: 0 }
    }

    fn read(&mut self, most: usize) {
        let mut space = vec![0; most.min(self.under_way.len())];
        self.far.read_exact(&mut space).expect("it is on its way");
        assert!(self.under_way.starts_with(&space), "the peer reads something else");
        self.under_way.drain(..space.len());
    }
}

/// The queue and the flat stream.
pub struct Queue {
    queue: WriteQueue,
    /// What was pushed and had not been received before this step, less what was cleared.
    pushed: Vec<u8>,
    /// What was received in this step.
    received: Vec<u8>,
    /// How much this queue has sent before.
    sent: u64,
    budget: u64,
    /// The low and the high one.
    watermarks: (u64, u64),
    was_writable: bool,
    #[cfg(unix)]
    socket: Option<(UnixStream, UnixStream)>,
    #[cfg(unix)]
    connection: Option<Connection>,
}

impl Queue {
    /// Sends over a connection of this queue's own, which takes large parts without copying.
    #[cfg(unix)]
    fn send_zero_copy(&mut self) {
        let connection = self.connection.get_or_insert_with(Connection::new);
        let before = self.queue.pending_bytes();
        let result = self.queue.flush(&connection.near);
        let moved = (before - self.queue.pending_bytes()) as usize;
        let start = self.received.len();
        let sent = &self.pushed[start..start + moved];
        connection.under_way.extend_from_slice(sent);
        connection.sent += moved as u64;
        self.received.extend_from_slice(sent);
        self.judge(result, start);
    }

    #[cfg(not(unix))]
    fn send_zero_copy(&mut self) {
        self.flush(&[]);
    }

    fn read(&mut self, most: usize) {
        #[cfg(unix)]
        if let Some(connection) = &mut self.connection {
            connection.read(most);
        }
    }

    fn reap(&mut self) {
        #[cfg(unix)]
        if let Some(connection) = &self.connection {
            let before = self.queue.in_flight_bytes();
            let in_flight = self.queue.reap_completions(&connection.near).expect("a socket");
            assert!(in_flight <= before && before <= connection.sent);
            assert_eq!(in_flight, self.queue.in_flight_bytes());
        }
    }

    fn flush(&mut self, plan: &[Answer]) {
        let before = self.received.len();
        let mut peer = Peer { plan: plan.iter(), received: &mut self.received };
        let result = self.queue.flush_into(&mut peer);
        self.judge(result, before);
    }

    #[cfg(unix)]
    fn send(&mut self) {
        let (near, far) = self.socket.get_or_insert_with(unix_pair);
        let before = self.received.len();
        let result = self.queue.flush(&*near);
        // All of it is there: between these two nothing is under way.
        match far.read_to_end(&mut self.received) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            Ok(_) => panic!("the socket is open"),
        }
        self.judge(result, before);
    }

    #[cfg(not(unix))]
    fn send(&mut self) {
        self.flush(&[]);
    }

    /// Whether a flush has said what it has done.
    fn judge(&self, result: io::Result<Flush>, before: usize) {
        let moved = (self.received.len() - before) as u64;
        match result {
            Ok(flush) => {
                assert_eq!(flush.bytes(), moved);
                assert_eq!(flush.is_done(), self.queue.is_empty());
                if matches!(flush, Flush::BudgetSpent(_)) {
                    assert!(moved >= self.budget.max(1));
                }
            }
            Err(error) => {
                let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::InvalidData];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }

    fn rebuild(&mut self) {
        let unsent = self.queue.take_unsent();
        assert!(self.queue.is_empty() && self.queue.pending_bytes() == 0);
        self.sent = 0;
        let (low, high) = self.watermarks;
        self.queue = new_queue().with_budget(self.budget).with_watermarks(low, high);
        self.was_writable = true;
        // The zero-copy sends of a connection are those of one queue.
        self.read(usize::MAX);
        #[cfg(unix)]
        self.connection.take();
        for part in unsent {
            assert!(!part.is_empty());
            self.queue.push(part);
        }
    }

    fn check(&mut self, is_push: bool) {
        assert!(self.pushed.starts_with(&self.received), "the stream differs");
        let pending = self.pushed.len() - self.received.len();
        assert_eq!(self.queue.pending_bytes(), pending as u64);
        assert_eq!(self.queue.flushed_bytes(), self.sent + self.received.len() as u64);
        assert_eq!(self.queue.is_empty(), pending == 0);
        let (low, high) = self.watermarks;
        let (pending, is_writable) = (pending as u64, self.queue.is_writable());
        assert!(pending > 0 || is_writable, "an empty queue is writable");
        assert!(pending <= high || !is_writable, "above the high watermark");
        let must_wait = !self.was_writable && (is_push || pending > low);
        assert!(!must_wait || !is_writable, "above the low watermark");
        self.was_writable = is_writable;
    }

    /// What was sent and is right need not be looked at again.
    fn forget(&mut self) {
        self.sent += self.received.len() as u64;
        self.pushed.drain(..self.received.len());
        self.received.clear();
    }

    fn push(&mut self, part: impl Into<Payload>, bytes: &[u8]) {
        self.pushed.extend_from_slice(bytes);
        let position = self.queue.push(part);
        assert_eq!(position, self.sent + self.pushed.len() as u64);
    }
}

fn step(state: &mut Queue, op: &Op, salt: u8) {
    match op {
        Op::Push(source, len) => {
            let bytes = pattern(usize::from(*len) % 9000, salt);
            match source {
                Source::Static => state.push("some static text", b"some static text"),
                Source::Adopted => state.push(bytes.clone(), &bytes),
                Source::Pooled => {
                    let mut buf = pool().alloc(bytes.len() + 10);
                    buf.put_slice(&bytes);
                    state.push(buf, &bytes);
                }
            }
        }
        Op::Composite(lens) => {
            let parts: Vec<_> = lens.iter().map(|len| pattern(usize::from(*len), salt)).collect();
            let rope: CompositeByteBuf = parts.iter().cloned().map(ByteView::from).collect();
            state.push(rope, &parts.concat());
        }
        Op::Copy(len) => {
            let bytes = pattern(usize::from(*len) % 9000, salt);
            state.pushed.extend_from_slice(&bytes);
            state.queue.push_copy(&bytes);
        }
        Op::File { start, len } => {
            let (file, contents) = file();
            let start = usize::from(*start);
            let end = (start + usize::from(*len)).min(FILE_LEN);
            let region = FileRegion::new(file.clone(), start as u64..end as u64);
            state.push(region, &contents[start..end]);
        }
        Op::Large(more) => {
            let bytes = pattern(ZERO_COPY + usize::from(*more) / 2, salt);
            let mut buf = pool().alloc(bytes.len());
            buf.put_slice(&bytes);
            state.push(buf, &bytes);
        }
        Op::Flush(plan) => state.flush(plan),
        Op::Send => state.send(),
        Op::SendZeroCopy => state.send_zero_copy(),
        Op::Read(most) => state.read((*most).into()),
        Op::Reap => state.reap(),
        Op::Budget(budget) => {
            state.budget = (*budget).into();
            state.rebuild();
        }
        Op::Watermarks(low, above) => {
            let low = u64::from(*low);
            state.watermarks = (low, low + u64::from(*above));
            state.rebuild();
        }
        Op::FlushAll => {
            while !state.queue.is_empty() {
                state.flush(&[]);
            }
            assert_eq!(state.received, state.pushed);
            state.read(usize::MAX);
        }
        Op::Requeue => state.rebuild(),
        Op::Clear => {
            let dropped = state.queue.clear();
            assert_eq!(dropped, (state.pushed.len() - state.received.len()) as u64);
            state.pushed.truncate(state.received.len());
        }
    }
    let is_push = matches!(
        op,
        Op::Push(..) | Op::Large(_) | Op::Composite(_) | Op::Copy(_) | Op::File { .. }
    );
    state.check(is_push);
    state.forget();
    dirty(pool(), &[ZERO_COPY, 2 * ZERO_COPY]);
}

fn new_queue() -> WriteQueue {
    #[cfg(unix)]
    return WriteQueue::new().with_zero_copy(ZERO_COPY);
    #[cfg(not(unix))]
    WriteQueue::new()
}

impl Model for Queue {
    type Op = Op;

    fn new() -> Self {
        Self {
            queue: new_queue(),
            pushed: Vec::new(),
            received: Vec::new(),
            sent: 0,
            budget: 64 * 1024,
            watermarks: (32 * 1024, 64 * 1024),
            was_writable: true,
            #[cfg(unix)]
            socket: None,
            #[cfg(unix)]
            connection: None,
        }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        step(self, op, salt);
    }

    fn finish(mut self) {
        step(&mut self, &Op::FlushAll, 0);
    }
}
