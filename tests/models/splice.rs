//! A `Splice` between sockets, or from a socket to a file, whose ends are fed, read and closed in any
//! order, against positions in one stream: every byte once, in order; none stuck where there is space; the
//! end when the source has ended or the limit is reached, and not before.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use arbitrary::Arbitrary;
use bytebuf::{Splice, Spliced};

use super::Model;
use super::fixtures::pattern;
use super::test_io::unix_pair;

#[derive(Arbitrary, Debug)]
pub enum Op {
    /// The source's peer sends; as much as there is space for.
    Feed(u16),
    Transfer,
    /// The target's peer reads.
    Read(u16),
    /// The source's peer sends no more.
    End,
    /// Finishes, and begins another one.
    Next {
        limit: Option<u16>,
        budget: u16,
        to: To,
    },
}

#[derive(Arbitrary, Debug)]
pub enum To {
    Socket,
    File,
}

enum Target {
    Socket { near: UnixStream, far: UnixStream },
    File(File),
}

/// A transfer, and where in the stream it stands.
pub struct Relay {
    splice: Splice,
    peer: UnixStream,
    source: UnixStream,
    target: Target,
    limit: u64,
    budget: u64,
    /// What was fed, in all.
    stream: Vec<u8>,
    has_ended: bool,
    /// What the target's peer has read.
    read: usize,
}

/// What a call moved; nothing if it would have to wait.
fn or_wait(moved: io::Result<usize>) -> usize {
    match moved {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        moved => moved.expect("a socket in order"),
    }
}

impl Relay {
    fn begin(limit: u64, budget: u64, to: &To) -> Self {
        let (peer, source) = unix_pair();
        let target = match to {
            To::Socket => {
                let (near, far) = unix_pair();
                Target::Socket { near, far }
            }
            To::File => Target::File(tempfile::tempfile().expect("a temporary file")),
        };
        let splice = Splice::new().with_limit(limit).with_budget(budget);
        let (stream, has_ended, read) = (Vec::new(), false, 0);
        Self { splice, peer, source, target, limit, budget, stream, has_ended, read }
    }

    /// How much of what was fed is to arrive.
    fn due(&self) -> u64 {
        self.limit.min(self.stream.len() as u64)
    }

    fn transfer(&mut self) {
        let before = self.splice.moved_bytes();
        let ended = match &self.target {
            Target::Socket { near, .. } => self.splice.transfer(&self.source, near),
            Target::File(file) => self.splice.transfer(&self.source, file),
        };
        let ended = ended.expect("nothing is wrong with either end");
        let (moved, held) = (self.splice.moved_bytes(), self.splice.held_bytes());
        assert_eq!(moved, before + ended.bytes());
        assert_eq!(matches!(ended, Spliced::Done(_)), self.splice.is_done());
        match ended {
            Spliced::Done(_) => {
                assert!(self.has_ended || moved == self.limit);
                assert_eq!((moved, held), (self.due(), 0));
            }
            Spliced::SourceEmpty(_) => {
                assert!(!self.has_ended);
                assert_eq!((moved, held), (self.due(), 0));
            }
            Spliced::TargetFull(_) => {
                assert!(held > 0 && moved > self.read as u64, "the target is empty");
            }
            Spliced::BudgetSpent(bytes) => assert!(bytes >= self.budget.max(1)),
        }
        assert!(moved + held <= self.due());
    }

    fn read(&mut self, most: usize) {
        let mut space = vec![0; most];
        let n = match &mut self.target {
            Target::Socket { far, .. } => or_wait(far.read(&mut space)),
            Target::File(file) => file.read_at(&mut space, self.read as u64).expect("a file"),
        };
        let expected = &self.stream[self.read..];
        assert!(expected.starts_with(&space[..n]), "the stream differs at {}", self.read);
        self.read += n;
        assert!(self.read as u64 <= self.splice.moved_bytes());
    }

    fn end(&mut self) {
        self.peer.shutdown(Shutdown::Write).expect("a socket");
        self.has_ended = true;
    }

    fn finish(&mut self) {
        self.end();
        while !self.splice.is_done() {
            self.transfer();
            self.read(1 << 18);
        }
        while (self.read as u64) < self.due() {
            self.read(1 << 18);
        }
        assert_eq!(self.splice.moved_bytes(), self.due());
    }
}

impl Model for Relay {
    type Op = Op;

    fn new() -> Self {
        Self::begin(u64::MAX, 64 * 1024, &To::Socket)
    }

    fn apply(&mut self, op: &Op, salt: u8) {
        match op {
            Op::Feed(len) if !self.has_ended => {
                let bytes = pattern((*len).into(), salt);
                let n = or_wait(self.peer.write(&bytes));
                self.stream.extend_from_slice(&bytes[..n]);
            }
            Op::Feed(_) => {}
            Op::Transfer => self.transfer(),
            Op::Read(most) => self.read((*most).into()),
            Op::End => self.end(),
            Op::Next { limit, budget, to } => {
                self.finish();
                let limit = limit.map_or(u64::MAX, u64::from);
                *self = Self::begin(limit, (*budget).into(), to);
            }
        }
    }

    fn finish(mut self) {
        Self::finish(&mut self);
    }
}
