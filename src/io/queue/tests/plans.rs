//! Random plans of partial writes and errors over random mixes of parts, to sockets and writers, with random
//! watermarks: the streams are identical, and the queue is writable when it may be and not when it must not be.
//!
//! 2000 of them, or as many as `PLANS` says: 100 000 in `ci/test.sh`.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::io::Errno;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
use super::super::PollWriter;
use super::{Flush, WriteQueue};
use crate::buf::{ByteView, CompositeByteBuf};
use crate::io::file::region::FileRegion;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_data::Random;
use crate::test_io::{file_with, tcp_pair, unix_pair};

/// What parts are cut out of, in memory and in a file.
struct Source {
    bytes: ByteView,
    file: Arc<File>,
}

const LEN: usize = 64 * 1024;

impl Source {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..LEN).map(|i| (i * 31) as u8 ^ (i >> 8) as u8).collect();
        let file = Arc::new(file_with(&bytes));
        Self { bytes: bytes.into(), file }
    }

    /// Pushes one random part, and appends what it stands for to `stream`.
    fn push(&self, random: &mut Random, queue: &mut WriteQueue, stream: &mut Vec<u8>) {
        // Around every boundary that the queue knows.
        let most = [40, 300, 1100, 5000, 17_000][random.below(5).min(random.below(6))];
        let (at, len) = (random.below(LEN - most), random.below(most));
        stream.extend_from_slice(&self.bytes[at..at + len]);
        let part = self.bytes.slice(at..at + len);
        let end = match random.below(5) {
            0 => queue.push_copy(&part),
            1 => queue.push(part.to_vec()),
            2 => {
                let middle = random.below(len + 1);
                let halves = [part.slice(..middle), part.slice(middle..)];
                queue.push(halves.into_iter().collect::<CompositeByteBuf>())
            }
            3 => queue.push(FileRegion::new(self.file.clone(), at as u64..(at + len) as u64)),
            _ => queue.push(part),
        };
        assert_eq!(end - queue.flushed_bytes(), queue.pending_bytes());
    }
}

fn outcome(random: &mut Random, call: Call) -> Outcome {
    const ERRNOS: [Errno; 8] = [
        Errno::INTR,
        Errno::AGAIN,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::IO,
        Errno::NOSPC,
        Errno::CONNRESET,
        Errno::PIPE,
    ];
    match random.below(8) {
        _ if call.is_of_pool() => Outcome::Pass,
        // To push what waits is repeated after a signal, and else it works: the peer waits for what it pushes.
        n if call == Call::Cork => match n {
            0 => Outcome::Fail(Errno::INTR.raw_os_error()),
            _ => Outcome::Pass,
        },
        0..3 => Outcome::Pass,
        3 => Outcome::Short(1 + random.below(4)),
        4 | 5 => Outcome::Short(1 + random.below(3000)),
        6 if matches!(call, Call::Sendfile | Call::SpliceIn | Call::CopyRange) => {
            Outcome::Fail(Errno::NOSYS.raw_os_error())
        }
        _ => Outcome::Fail(ERRNOS[random.below(ERRNOS.len())].raw_os_error()),
    }
}

/// Where a plan sends to.
enum Target<'t> {
    Socket(&'t UnixStream, &'t UnixStream),
    /// With Nagle's algorithm on: what is flushed arrives all the same.
    Tcp(TcpStream, TcpStream),
    Writer(ErraticWriter),
    #[cfg(any(feature = "tokio", feature = "futures-io"))]
    Polled(ErraticWriter),
}

/// A writer that takes part of what it is offered, fails, would block, or reports more than it was offered.
struct ErraticWriter {
    random: Random,
    received: Vec<u8>,
}

impl ErraticWriter {
    fn take(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        let most = match self.random.below(9) {
            0..3 => offered,
            3 => 1 + self.random.below(4),
            4 => 1 + self.random.below(3000),
            5 => return Err(io::ErrorKind::Interrupted.into()),
            6 => return Err(io::ErrorKind::WouldBlock.into()),
            7 => return Ok(offered + 1),
            _ => return Err(io::ErrorKind::ConnectionReset.into()),
        };
        let end = self.received.len() + most.min(offered);
        bufs.iter().for_each(|buf| self.received.extend_from_slice(buf));
        self.received.truncate(end);
        Ok(most.min(offered))
    }
}

impl Write for ErraticWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.take(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.take(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(feature = "tokio", feature = "futures-io"))]
impl PollWriter for ErraticWriter {
    const MAX_CALL: usize = super::super::sink::MAX_WRITER_CALL;

    fn poll_write(&mut self, _: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.random.below(4) == 0 { Poll::Pending } else { Poll::Ready(self.take(bufs)) }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.random.below(2) == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl<'t> Target<'t> {
    fn new(random: &mut Random, (out, peer): &'t (UnixStream, UnixStream)) -> Self {
        let moody = ErraticWriter { random: Random::new(random.next()), received: Vec::new() };
        match random.below(20) {
            0 => {
                let (out, peer) = tcp_pair();
                out.set_nonblocking(true).unwrap();
                peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                Target::Tcp(out, peer)
            }
            1..6 => Target::Writer(moody),
            #[cfg(any(feature = "tokio", feature = "futures-io"))]
            6..11 => Target::Polled(moody),
            _ => Target::Socket(out, peer),
        }
    }

    /// Flushes, and returns whether everything is out.
    fn flush(&mut self, queue: &mut WriteQueue) -> bool {
        let flush = match self {
            Target::Socket(out, _) => queue.flush(*out),
            Target::Tcp(out, _) => queue.flush(&*out),
            Target::Writer(writer) => queue.flush_into(writer),
            #[cfg(any(feature = "tokio", feature = "futures-io"))]
            Target::Polled(writer) => {
                let mut context = Context::from_waker(Waker::noop());
                return match writer.random.below(2) {
                    0 => queue.poll_drain(&mut context, writer).map(|done| done.is_ok()),
                    _ => queue.poll_drain_until_writable(&mut context, writer).map(|done| {
                        assert!(done.is_err() || queue.is_writable());
                        done.is_ok() && queue.is_empty()
                    }),
                } == Poll::Ready(true);
            }
        };
        flush.is_ok_and(Flush::is_done)
    }

    /// Reads what is there: all that was flushed.
    fn receive(&mut self, flushed: u64, received: &mut Vec<u8>) {
        match self {
            Target::Socket(_, peer) => match (&mut &**peer).read_to_end(received) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => panic!("{other:?}"),
            },
            Target::Tcp(_, peer) => {
                let start = received.len();
                received.resize(flushed as usize, 0);
                peer.read_exact(&mut received[start..]).unwrap();
            }
            Target::Writer(writer) => received.append(&mut writer.received),
            #[cfg(any(feature = "tokio", feature = "futures-io"))]
            Target::Polled(writer) => received.append(&mut writer.received),
        }
    }
}

/// What is known of the watermarks without looking at how parts are joined.
struct Watermarks {
    low: u64,
    high: u64,
    /// The most that the parts pushed so far weigh beyond their bytes.
    overhead: u64,
    was_writable: bool,
}

impl Watermarks {
    fn new(random: &mut Random) -> Self {
        let high = random.below(60_000) as u64;
        let low = random.below(high as usize + 1) as u64;
        Self { low, high, overhead: 0, was_writable: true }
    }

    /// After something was pushed, or sent.
    fn check(&mut self, queue: &WriteQueue, pushed: bool) {
        let (pending, is_writable) = (queue.pending_bytes(), queue.is_writable());
        if pushed {
            // A composite becomes two parts, each of which may pin the source's block.
            self.overhead += 2 * (64 + 1024 + LEN as u64);
        }
        let most = pending + self.overhead;
        assert!(!queue.is_empty() || is_writable, "an empty queue is writable");
        assert!(
            pending <= self.high || !is_writable,
            "{pending} bytes are above the high watermark"
        );
        assert!(most > self.low || is_writable, "{most} is not above the low watermark");
        let must_wait = !self.was_writable && (pushed || pending > self.low);
        assert!(!must_wait || !is_writable, "{pending} bytes are above the low watermark");
        self.was_writable = is_writable;
        if queue.is_empty() {
            self.overhead = 0;
        }
    }
}

/// One plan: what arrives, beside what was pushed.
fn run(source: &Source, seed: u64, pair: &(UnixStream, UnixStream)) {
    let mut random = Random::new(seed);
    let mut watermarks = Watermarks::new(&mut random);
    let mut queue = WriteQueue::new()
        .with_budget(1 + random.below(50_000) as u64)
        .with_watermarks(watermarks.low, watermarks.high);
    let mut target = Target::new(&mut random, pair);
    let (mut stream, mut received) = (Vec::new(), Vec::new());
    let mut parts = random.below(12);
    let at_once = random.below(parts + 1);
    let mut push = |queue: &mut WriteQueue, watermarks: &mut Watermarks| {
        source.push(&mut random, queue, &mut stream);
        watermarks.check(queue, true);
    };
    (0..at_once).for_each(|_| push(&mut queue, &mut watermarks));
    parts -= at_once;
    let mut faults = Random::new(!seed);
    with_plan(
        move |call, _| outcome(&mut faults, call),
        || {
            while parts > 0 || !queue.is_empty() {
                let is_done = target.flush(&mut queue);
                assert!(!is_done || queue.is_empty());
                watermarks.check(&queue, false);
                target.receive(queue.flushed_bytes(), &mut received);
                assert_eq!(queue.flushed_bytes(), received.len() as u64);
                if parts > 0 {
                    push(&mut queue, &mut watermarks);
                    parts -= 1;
                }
            }
        },
    );
    assert!(received == stream);
}

#[test]
fn random_plans_over_random_parts_give_identical_streams() {
    let plans = std::env::var("PLANS").map_or(2000, |plans| plans.parse().expect("a number"));
    let source = Source::new();
    let pair = unix_pair();
    for plan in 0..plans {
        let plan_of = std::panic::AssertUnwindSafe(|| run(&source, plan, &pair));
        if let Err(panic) = std::panic::catch_unwind(plan_of) {
            eprintln!("plan {plan}");
            std::panic::resume_unwind(panic);
        }
        if plan > 0 && plan % 10_000 == 0 {
            println!("{plan} plans");
        }
    }
    println!("{plans} plans, identical streams");
}
