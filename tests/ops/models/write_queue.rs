//! Buffers, composites and file regions through a `WriteQueue` into a writer that takes them as it
//! likes, against the flat stream: every byte once, in order, whatever ended a flush.

use std::fs::File;
use std::io::{self, IoSlice, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use arbitrary::Arbitrary;
use bytebuf::{ByteView, CompositeByteBuf, FileRegion, Flush, Outgoing, WriteQueue};
use bytes::BufMut;

use super::Model;
use super::ground::{pattern, pool};

#[derive(Arbitrary, Debug)]
pub enum Op {
    Push(Source, u16),
    Composite([u8; 5]),
    Copy(u16),
    File {
        start: u16,
        len: u16,
    },
    Flush([Answer; 4]),
    FlushAll,
    /// Into a socket, which takes what it has room for.
    Send,
    Budget(u16),
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
    /// Takes nothing and calls that a success.
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
        file.write_all(&contents).expect("room for a small file");
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
            let room = most - (self.received.len() - before);
            self.received.extend_from_slice(&buf[..buf.len().min(room)]);
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
    #[cfg(unix)]
    socket: Option<(UnixStream, UnixStream)>,
}

impl Queue {
    fn flush(&mut self, plan: &[Answer]) {
        let before = self.received.len();
        let mut peer = Peer { plan: plan.iter(), received: &mut self.received };
        let result = self.queue.flush_into(&mut peer);
        self.judge(result, before);
    }

    #[cfg(unix)]
    fn send(&mut self) {
        use std::io::Read;
        let (near, far) = self.socket.get_or_insert_with(|| {
            let (near, far) = UnixStream::pair().expect("two descriptors");
            near.set_nonblocking(true).expect("a socket");
            far.set_nonblocking(true).expect("a socket");
            (near, far)
        });
        let before = self.received.len();
        let result = self.queue.flush(&*near);
        // All of it is there: between these two nothing is under way.
        match far.read_to_end(&mut self.received) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            Ok(_) => panic!("nobody has closed the socket"),
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
                let kinds = [
                    io::ErrorKind::BrokenPipe,
                    io::ErrorKind::WriteZero,
                    io::ErrorKind::InvalidData,
                ];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }

    fn rebuild(&mut self) {
        let unsent = self.queue.take_unsent();
        assert!(self.queue.is_empty() && self.queue.pending_bytes() == 0);
        self.sent = 0;
        self.queue = WriteQueue::new().with_budget(self.budget);
        for part in unsent {
            assert!(!part.is_empty());
            self.queue.push(part);
        }
    }

    fn check(&self) {
        assert!(self.pushed.starts_with(&self.received), "the stream differs");
        let pending = self.pushed.len() - self.received.len();
        assert_eq!(self.queue.pending_bytes(), pending as u64);
        assert_eq!(self.queue.flushed_bytes(), self.sent + self.received.len() as u64);
        assert_eq!(self.queue.is_empty(), pending == 0);
    }

    /// What was sent and is right need not be looked at again.
    fn forget(&mut self) {
        self.sent += self.received.len() as u64;
        self.pushed.drain(..self.received.len());
        self.received.clear();
    }

    fn push(&mut self, part: impl Into<Outgoing>, bytes: &[u8]) {
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
        Op::Flush(plan) => state.flush(plan),
        Op::Send => state.send(),
        Op::Budget(budget) => {
            state.budget = (*budget).into();
            state.rebuild();
        }
        Op::FlushAll => {
            while !state.queue.is_empty() {
                state.flush(&[]);
            }
            assert_eq!(state.received, state.pushed);
        }
        Op::Requeue => state.rebuild(),
        Op::Clear => {
            let dropped = state.queue.clear();
            assert_eq!(dropped, (state.pushed.len() - state.received.len()) as u64);
            state.pushed.truncate(state.received.len());
        }
    }
    state.check();
    state.forget();
}

impl Model for Queue {
    type Op = Op;

    fn new() -> Self {
        Self {
            queue: WriteQueue::new(),
            pushed: Vec::new(),
            received: Vec::new(),
            sent: 0,
            budget: 64 * 1024,
            #[cfg(unix)]
            socket: None,
        }
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        step(self, op, salt);
    }

    fn finish(mut self) {
        step(&mut self, &Op::FlushAll, 0);
    }
}
