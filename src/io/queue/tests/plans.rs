//! Random plans of partial writes and errors over random mixes of parts: the streams are identical.
//!
//! 2000 of them, or as many as `PLANS` says: 100 000 in `ci/test.sh`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Flush, WriteQueue};
use crate::buf::{ByteView, CompositeByteBuf};
use crate::io::file::region::FileRegion;
use crate::sys::{Call, Outcome, with_plan};

/// Steele, Lea and Flood's SplitMix64.
pub(in crate::io::queue) struct Random(pub(in crate::io::queue) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::io::queue) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// What parts are cut out of, in memory and in a file.
struct Source {
    bytes: ByteView,
    file: Arc<File>,
}

const LEN: usize = 64 * 1024;

impl Source {
    fn new() -> Source {
        let bytes: Vec<u8> = (0..LEN).map(|i| (i * 31) as u8 ^ (i >> 8) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Source { bytes: bytes.into(), file: Arc::new(file) }
    }

    /// Pushes one random part, and appends what it stands for to `stream`.
    fn push(&self, random: &mut Random, queue: &mut WriteQueue, stream: &mut Vec<u8>) {
        // Around every border that the queue knows.
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
        0..3 => Outcome::Pass,
        3 => Outcome::Short(1 + random.below(4)),
        4 | 5 => Outcome::Short(1 + random.below(3000)),
        6 if matches!(call, Call::Sendfile | Call::SpliceIn | Call::CopyRange) => {
            Outcome::Fail(Errno::NOSYS.raw_os_error())
        }
        _ => Outcome::Fail(ERRNOS[random.below(ERRNOS.len())].raw_os_error()),
    }
}

/// One plan: what arrives, beside what was pushed.
fn run(source: &Source, seed: u64, (out, peer): &mut (UnixStream, UnixStream)) {
    let mut random = Random(seed);
    let mut queue = WriteQueue::new().with_budget(1 + random.below(50_000) as u64);
    let (mut stream, mut received) = (Vec::new(), Vec::new());
    let mut parts = random.below(12);
    let at_once = random.below(parts + 1);
    for _ in 0..at_once {
        source.push(&mut random, &mut queue, &mut stream);
    }
    parts -= at_once;
    let mut faults = Random(!seed);
    with_plan(
        move |call, _| outcome(&mut faults, call),
        || {
            while parts > 0 || !queue.is_empty() {
                let flushed = queue.flush(&*out).map(Flush::is_done).unwrap_or(false);
                assert!(!flushed || queue.is_empty(), "plan {seed}");
                match peer.read_to_end(&mut received) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    other => panic!("plan {seed}: {other:?}"),
                }
                assert_eq!(queue.flushed_bytes(), received.len() as u64, "plan {seed}");
                if parts > 0 {
                    source.push(&mut random, &mut queue, &mut stream);
                    parts -= 1;
                }
            }
        },
    );
    assert!(received == stream, "plan {seed}");
}

#[test]
fn random_plans_over_random_parts_give_identical_streams() {
    let plans = std::env::var("PLANS").map_or(2000, |plans| plans.parse().expect("a number"));
    let source = Source::new();
    let mut pair = UnixStream::pair().unwrap();
    pair.0.set_nonblocking(true).unwrap();
    pair.1.set_nonblocking(true).unwrap();
    for plan in 0..plans {
        run(&source, plan, &mut pair);
        if plan > 0 && plan % 10_000 == 0 {
            println!("{plan} plans");
        }
    }
    println!("{plans} plans, identical streams");
}
