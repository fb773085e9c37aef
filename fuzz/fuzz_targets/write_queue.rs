//! Buffers, composites and file regions through a `WriteQueue` into a writer that takes them as it
//! likes, against the flat stream: every byte once, in order, whatever ended a flush.
#![no_main]

use arbitrary::Arbitrary;
use bytebuf::{ByteView, CompositeByteBuf, FileRegion, Flush, Outgoing, WriteQueue};
use bytebuf_fuzz::{pattern, pool};
use bytes::BufMut;
use libfuzzer_sys::fuzz_target;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::{Arc, OnceLock};

#[derive(Arbitrary, Debug)]
enum Op {
    Push(Source, u16),
    Composite(Vec<u8>),
    Copy(u16),
    File {
        start: u16,
        len: u16,
    },
    Flush(Vec<Answer>),
    FlushAll,
    /// What is unsent goes on to another queue.
    Requeue,
    Clear,
}

#[derive(Arbitrary, Debug)]
enum Source {
    Static,
    Adopted,
    Pooled,
}

/// What the writer does with one call.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Answer {
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

#[derive(Arbitrary, Debug)]
struct Input {
    budget: u16,
    ops: Vec<Op>,
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

struct State {
    queue: WriteQueue,
    /// All that was pushed, less what was cleared.
    pushed: Vec<u8>,
    received: Vec<u8>,
    /// What had been received when this queue began.
    origin: usize,
    budget: u64,
}

impl State {
    fn new(budget: u64) -> Self {
        let queue = WriteQueue::new().with_budget(budget);
        Self { queue, pushed: Vec::new(), received: Vec::new(), origin: 0, budget }
    }

    fn flush(&mut self, plan: &[Answer]) {
        let before = self.received.len();
        let mut peer = Peer { plan: plan.iter(), received: &mut self.received };
        let result = self.queue.flush_into(&mut peer);
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

    fn check(&self) {
        assert!(self.pushed.starts_with(&self.received), "the stream differs");
        let pending = self.pushed.len() - self.received.len();
        assert_eq!(self.queue.pending_bytes(), pending as u64);
        assert_eq!(self.queue.flushed_bytes(), (self.received.len() - self.origin) as u64);
        assert_eq!(self.queue.is_empty(), pending == 0);
    }

    fn push(&mut self, part: impl Into<Outgoing>, bytes: &[u8]) {
        self.pushed.extend_from_slice(bytes);
        let position = self.queue.push(part);
        assert_eq!(position, (self.pushed.len() - self.origin) as u64);
    }
}

fn step(state: &mut State, op: &Op, salt: u8) {
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
        Op::FlushAll => {
            while !state.queue.is_empty() {
                state.flush(&[]);
            }
            assert_eq!(state.received, state.pushed);
        }
        Op::Requeue => {
            let unsent = state.queue.take_unsent();
            assert!(state.queue.is_empty() && state.queue.pending_bytes() == 0);
            state.origin = state.received.len();
            state.queue = WriteQueue::new().with_budget(state.budget);
            for part in unsent {
                assert!(!part.is_empty());
                state.queue.push(part);
            }
        }
        Op::Clear => {
            let dropped = state.queue.clear();
            assert_eq!(dropped, (state.pushed.len() - state.received.len()) as u64);
            state.pushed.truncate(state.received.len());
        }
    }
    state.check();
}

fuzz_target!(|input: Input| {
    let mut state = State::new(input.budget.into());
    for (salt, op) in input.ops.iter().enumerate() {
        step(&mut state, op, salt as u8);
    }
    step(&mut state, &Op::FlushAll, 0);
});
