//! What is kept back, and for how long, on a socket where Nagle's algorithm is on.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt;

use super::{Flush, WriteQueue};
use crate::buf::ByteView;
use crate::io::file::region::FileRegion;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::{file_with, tcp_pair};

fn file(len: usize) -> FileRegion {
    FileRegion::new(file_with(&vec![b'f'; len]), 0..len as u64)
}

type Fill = fn(&mut WriteQueue);

/// A queue into a connection whose peer answers each message when it has it all.
struct Exchange {
    queue: WriteQueue,
    out: TcpStream,
    fill: Fill,
    peer: Option<JoinHandle<()>>,
}

impl Exchange {
    fn new(fill: Fill) -> Self {
        let (out, mut peer) = tcp_pair();
        let mut queue = WriteQueue::new().with_budget(u64::MAX);
        fill(&mut queue);
        let mut message = vec![0; queue.pending_bytes() as usize];
        queue.clear();
        let peer = std::thread::spawn(move || {
            while peer.read_exact(&mut message).is_ok() && peer.write_all(b"!").is_ok() {}
        });
        Self { queue, out, fill, peer: Some(peer) }
    }

    fn round_trip(&mut self) -> Duration {
        (self.fill)(&mut self.queue);
        let start = Instant::now();
        while !self.queue.flush(&self.out).unwrap().is_done() {}
        self.out.read_exact(&mut [0]).unwrap();
        start.elapsed()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        _ = self.out.shutdown(Shutdown::Write);
        _ = self.peer.take().map(JoinHandle::join);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The peer acknowledges late what it does not answer, by 40 ms, except at the beginning of a connection. So most round
/// trips of a mixture that waits take that much longer than those beside it without Nagle's algorithm. A busy machine makes
/// some of them longer too, but not each time.
#[test]
fn no_mixture_of_buffers_and_files_waits_for_an_acknowledgement() {
    let mixtures: [(&str, Fill); 8] = [
        ("header, file, tail", |queue| {
            queue.push("header");
            queue.push(file(20_000));
            queue.push("tail");
        }),
        ("file, tail", |queue| {
            queue.push(file(20_000));
            queue.push("tail");
        }),
        ("two files", |queue| {
            queue.push(file(20_001));
            queue.push(file(20_003));
        }),
        ("small file between large ones", |queue| {
            queue.push(file(100_000));
            queue.push(file(100));
            queue.push(file(100_000));
        }),
        ("file alone", |queue| _ = queue.push(file(70_001))),
        ("header, file", |queue| {
            queue.push("header");
            queue.push(file(70_001));
        }),
        ("more buffers than one call takes", |queue| {
            (0..1030).for_each(|_| _ = queue.push(vec![b'b'; 1025]));
        }),
        ("five files with headers and tails", |queue| {
            for _ in 0..5 {
                queue.push("header");
                queue.push(file(17_000));
                queue.push("tail");
            }
        }),
    ];
    for (name, fill) in mixtures {
        let mut differences = (0..20).map(|_| {
            let (mut tested, mut reference) = (Exchange::new(fill), Exchange::new(fill));
            assert!(!tested.out.nodelay().unwrap());
            reference.out.set_nodelay(true).unwrap();
            let trips = (0..8).map(|_| (tested.round_trip(), reference.round_trip()));
            let (trips, without) = trips.unzip();
            assert!(!sockopt::tcp_cork(&tested.out).unwrap(), "{name}: the socket stays corked");
            median(trips).saturating_sub(median(without))
        });
        let is_soon = |difference| difference < Duration::from_millis(20);
        assert!(differences.any(is_soon), "{name}: it waits in every attempt");
    }
}

/// What a flush leaves kept back would wait for 200 ms, or until the next flush.
#[test]
fn nothing_stays_kept_back_after_a_flush_that_fails() {
    for errno in [Errno::IO, Errno::AGAIN, Errno::NOMEM] {
        for fails in [Call::Sendfile, Call::Send] {
            let (out, mut peer) = tcp_pair();
            peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut queue = WriteQueue::new();
            queue.push("header");
            queue.push(file(20_000));
            queue.push("tail");
            let corks = Rc::new(RefCell::new(0));
            let seen = corks.clone();
            let mut turn = 0;
            let plan = move |call, _| {
                *seen.borrow_mut() += usize::from(call == Call::Cork);
                turn += usize::from(call == fails);
                // The second send is that of the tail.
                let fail = call == fails && (fails == Call::Sendfile || turn == 2);
                if fail { Outcome::Fail(errno.raw_os_error()) } else { Outcome::Pass }
            };
            let flush = with_plan(plan, || queue.flush(&out));
            assert_eq!(flush.is_ok(), errno == Errno::AGAIN);
            let sent = if fails == Call::Send { 20_006 } else { 6 };
            assert_eq!(queue.flushed_bytes(), sent);
            peer.read_exact(&mut vec![0; sent as usize]).unwrap();
            let is_kept_back = fails == Call::Sendfile;
            assert_eq!(*corks.borrow() > 0, is_kept_back);
            assert_eq!(queue.stats().corks, *corks.borrow() as u64);
            assert!(!sockopt::tcp_cork(&out).unwrap(), "{fails:?} {errno:?}");
        }
    }
}

#[test]
fn a_cork_of_the_callers_stays() {
    let (out, mut peer) = tcp_pair();
    sockopt::set_tcp_cork(&out, true).unwrap();
    let mut queue = WriteQueue::new();
    queue.push(file(20_000));
    queue.push("tail");
    assert!(queue.flush(&out).unwrap().is_done());
    assert!(sockopt::tcp_cork(&out).unwrap());
    assert_eq!(queue.stats().corks, 2, "it asks for each of two options, and sets none");
    drop(out);
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 20_004);
}

#[test]
fn a_panic_in_a_flush_leaves_no_cork() {
    struct Panics;
    impl AsRef<[u8]> for Panics {
        fn as_ref(&self) -> &[u8] {
            &[b'x'; 2000]
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("an owner of memory panics");
        }
    }
    let (out, _peer) = tcp_pair();
    let mut queue = WriteQueue::new();
    queue.push(file(20_000));
    queue.push(ByteView::from_owner(Panics));
    queue.push(file(20_000));
    let flush = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.flush(&out)));
    assert!(flush.is_err());
    assert!(!sockopt::tcp_cork(&out).unwrap());
    assert_eq!(queue.flush(&out).unwrap(), Flush::Done(20_000));
}

#[test]
fn only_a_file_with_something_behind_it_costs_calls_to_push() {
    let (out, mut peer) = tcp_pair();
    let reader = std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    let mut queue = WriteQueue::new();
    let corks = |parts: &[usize], queue: &mut WriteQueue| {
        let before = queue.stats().corks;
        for &len in parts {
            if len > 16 * 1024 {
                queue.push(file(len))
            } else {
                queue.push(vec![0; len])
            };
        }
        while !queue.flush(&out).unwrap().is_done() {}
        queue.stats().corks - before
    };
    assert_eq!(corks(&[100, 2000, 5000], &mut queue), 0);
    assert_eq!(corks(&[100, 20_000], &mut queue), 0);
    // Nagle's algorithm and the cork are read, and the first is turned off and on.
    assert_eq!(corks(&[100, 20_000, 100], &mut queue), 4);
    assert_eq!(corks(&[20_000, 20_000, 20_000, 1], &mut queue), 4);
    assert!(!out.nodelay().unwrap());
    out.set_nodelay(true).unwrap();
    assert_eq!(corks(&[100, 20_000, 100], &mut queue), 1);
    assert!(out.nodelay().unwrap());
    drop(out);
    reader.join().unwrap().unwrap();
}
