//! Zero-copy sends over real connections. The peers read on request: until then, what was sent
//! and is beyond their window lies in the sender's pages alone, over loopback too.

use std::cell::Cell;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::*;
use crate::buf::ByteBuf;
use crate::io::{Flush, MappedFile, Payload};
use crate::pool::Pool;
use crate::sys::{Call, Completion, Outcome, with_plan};
use crate::test_data::pattern;
use crate::test_io::{accepted, file_with};

const PART: usize = 64 * 1024;

/// A connection whose receiver takes little before it is read.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    sockopt::set_socket_recv_buffer_size(&listener, 16 * 1024).unwrap();
    let (out, peer) = accepted(&listener);
    out.set_nonblocking(true).unwrap();
    (out, peer)
}

/// The bytes of part number `n`.
fn contents(n: usize) -> Vec<u8> {
    pattern(PART, (n * 7) as u8)
}

/// Part number `n`, in memory of the pool.
fn part(pool: &Pool, n: usize) -> ByteBuf {
    let mut part = pool.alloc(PART);
    part.extend_from_slice(&contents(n));
    part
}

fn zero_copy() -> WriteQueue {
    WriteQueue::new().with_budget(u64::MAX).with_zero_copy(PART / 2)
}

fn read_to_end(mut peer: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    received
}

/// Waits until the socket can be written to, or has something in its error queue.
fn wait(out: &TcpStream) {
    poll(&mut [PollFd::new(out, PollFlags::OUT)], None).unwrap();
}

/// Waits for all completions.
fn reap_all(queue: &mut WriteQueue, out: &TcpStream) {
    while queue.reap_completions(out).unwrap() > 0 {
        poll(&mut [PollFd::new(out, PollFlags::empty())], None).unwrap();
    }
}

fn flush_all(queue: &mut WriteQueue, out: &TcpStream) {
    while !queue.flush(out).unwrap().is_done() {
        wait(out);
    }
}

/// Answers all that is read from the error queue, and lets the rest pass.
fn reporting(
    mut report: impl FnMut() -> Option<Completion> + 'static,
) -> impl FnMut(Call, usize) -> Outcome {
    move |call, _| match call {
        Call::Completion => {
            report().map_or(Outcome::Fail(Errno::AGAIN.raw_os_error()), Outcome::Completed)
        }
        _ => Outcome::Pass,
    }
}

#[test]
fn zero_copy_turns_off_over_loopback() {
    let (out, peer) = connection();
    let reader = std::thread::spawn(|| read_to_end(peer));
    let mut queue = zero_copy();
    let mut stream = Vec::new();
    for n in 0..100 {
        queue.push("a header");
        queue.push(part(Pool::global(), n));
        stream.extend_from_slice(b"a header");
        stream.extend(contents(n));
        flush_all(&mut queue, &out);
    }
    reap_all(&mut queue, &out);
    drop(out);
    assert!(reader.join().unwrap() == stream);
    let stats = queue.stats();
    assert_eq!(queue.flushed_bytes(), stream.len() as u64);
    assert_eq!(stats.zero_copy_bytes + stats.written_bytes, stream.len() as u64);
    assert!(stats.zero_copy_sends >= MAX_COPIED, "{stats:?}");
    assert_eq!(stats.zero_copy_completions, stats.zero_copy_sends);
    assert_eq!(stats.zero_copy_copied, stats.zero_copy_sends);
    assert_eq!(queue.zero_copy.as_ref().unwrap().state, State::Off);
    let controls = stats.zero_copy_controls;
    queue.push(part(Pool::global(), 0));
    assert_eq!(queue.flush(UnixStream::pair().unwrap().0).unwrap(), Flush::Done(PART as u64));
    assert_eq!(queue.stats().zero_copy_controls, controls, "off costs nothing");
}

#[test]
fn only_memory_that_can_be_held_is_sent_without_a_copy() {
    let (out, peer) = connection();
    let reader = std::thread::spawn(|| read_to_end(peer));
    static BYTES: [u8; PART] = [b's'; PART];
    let file = file_with(&contents(1));
    let mapped = MappedFile::snapshot(&file, 0..PART as u64).unwrap();
    let held: [Payload; 4] = [
        part(Pool::global(), 0).into(),
        BYTES[..].into(),
        mapped.view().clone().into(),
        part(Pool::global(), 2).freeze().slice(1..PART / 2 + 1).into(),
    ];
    let copied: [Payload; 4] = [
        contents(3).into(),
        bytes::Bytes::from(contents(4)).into(),
        part(Pool::global(), 5).freeze().slice(..PART / 2 - 1).into(),
        "small".into(),
    ];
    let mut stream =
        [&contents(0), &BYTES[..], &contents(1), &contents(2)[1..][..PART / 2]].concat();
    let held_length = stream.len() as u64;
    stream.extend([&contents(3), &contents(4), &contents(5)[..PART / 2 - 1], b"small"].concat());
    let mut queue = zero_copy();
    for part in held.into_iter().chain(copied) {
        queue.push(part);
        flush_all(&mut queue, &out);
    }
    reap_all(&mut queue, &out);
    drop(out);
    assert!(reader.join().unwrap() == stream);
    // The rest of a part that was taken in pieces may be below the threshold.
    let stats = queue.stats();
    assert!(stats.zero_copy_bytes > held_length - 4 * PART as u64 / 2, "{stats:?}");
    assert!(stats.zero_copy_bytes <= held_length, "{stats:?}");
    assert!(stats.zero_copy_sends >= 4, "{stats:?}");
}

#[test]
fn a_small_header_is_copied_and_leaves_before_the_zero_copy_part() {
    let (out, peer) = connection();
    let mut queue = zero_copy();
    queue.push("header");
    queue.push(part(Pool::global(), 0));
    queue.push(part(Pool::global(), 1));
    queue.push("trailer");
    assert!(queue.flush(&out).unwrap().is_done());
    let stats = queue.stats();
    assert_eq!((stats.writes, stats.written_bytes), (2, 13));
    assert_eq!((stats.zero_copy_sends, stats.zero_copy_bytes), (1, 2 * PART as u64));
    assert_eq!(queue.in_flight_bytes(), 2 * PART as u64);
    drop(out);
    let stream = [b"header", &contents(0)[..], &contents(1), b"trailer"].concat();
    assert!(read_to_end(peer) == stream);
}

#[test]
fn other_descriptors_than_tcp_sockets_are_asked_once_and_copied_to() {
    let (out, mut peer) = UnixStream::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    for to in [out.as_fd(), file.as_fd()] {
        let mut queue = zero_copy();
        for _ in 0..3 {
            queue.push(part(Pool::global(), 0));
            assert_eq!(queue.flush(to).unwrap(), Flush::Done(PART as u64));
            peer.set_nonblocking(true).unwrap();
            let _ = peer.read_to_end(&mut Vec::new());
        }
        let stats = queue.stats();
        assert_eq!((stats.writes, stats.zero_copy_sends, stats.zero_copy_fallbacks), (3, 0, 0));
        assert!(stats.zero_copy_controls <= 2, "{stats:?}");
    }
}

#[test]
fn a_socket_is_identified_when_a_flush_reaches_a_part_for_zero_copy() {
    let (out, peer) = connection();
    let reader = std::thread::spawn(|| read_to_end(peer));
    let mut queue = WriteQueue::new().with_budget(10_000).with_zero_copy(PART / 2);
    for _ in 0..10 {
        queue.push(vec![b'x'; 2000]);
    }
    queue.push(part(Pool::global(), 1));
    assert_eq!(queue.flush(&out).unwrap(), Flush::BudgetSpent(10_000));
    assert_eq!(queue.stats().zero_copy_controls, 0, "the part is behind the budget");
    flush_all(&mut queue, &out);
    assert!(queue.stats().zero_copy_sends > 0);
    reap_all(&mut queue, &out);
    drop(out);
    assert!(reader.join().unwrap() == [vec![b'x'; 20_000], contents(1)].concat());
}

/// The numbers of its sends are not known to a second queue, and those of another socket not to the first.
#[test]
fn zero_copy_joins_one_queue_to_one_socket() {
    let (out, _peer) = connection();
    let (other, _other_peer) = connection();
    let (mut queue, mut second) = (zero_copy(), zero_copy());
    let sends = |queue: &mut WriteQueue, out: &TcpStream| {
        queue.push(part(Pool::global(), 0));
        assert!(queue.flush(out).unwrap().is_done());
        queue.stats().zero_copy_sends
    };
    assert_eq!(sends(&mut queue, &out), 1);
    assert_eq!(sends(&mut second, &out), 0);
    assert_eq!(sends(&mut queue, &other), 1);
    assert_eq!(sends(&mut queue, &out), 2);
    assert_eq!(second.zero_copy.as_ref().unwrap().state, State::Off);
    assert_eq!(queue.reap_completions(&other).unwrap(), 2 * PART as u64, "not this one's");
}

/// With nothing in flight there is no completion to wait for; else the next completion lifts the limit.
#[test]
fn at_the_limit_of_sends_in_flight_parts_are_copied_until_one_completes() {
    for (sends_first, state) in [(0_u64, State::Off), (1, State::Full)] {
        let (out, peer) = connection();
        let mut queue = zero_copy();
        let mut sends = 0;
        let refuse_one = move |call, _| match call {
            Call::SendZeroCopy => {
                sends += 1;
                let refused = sends == sends_first + 1;
                if refused { Outcome::Fail(Errno::NOBUFS.raw_os_error()) } else { Outcome::Pass }
            }
            Call::Completion if sends < 2 => Outcome::Fail(Errno::AGAIN.raw_os_error()),
            Call::Completion => Outcome::Completed(Completion { first: 0, last: 0, copied: false }),
            _ => Outcome::Pass,
        };
        let (mut stream, mut kept) = (Vec::new(), Vec::new());
        with_plan(refuse_one, || {
            for n in 0..3 {
                let part = part(Pool::global(), n).freeze();
                // The completion is made up.
                kept.push(part.clone());
                queue.push(part);
                stream.extend(contents(n));
                assert_eq!(queue.flush(&out).unwrap(), Flush::Done(PART as u64));
                if n as u64 == sends_first {
                    assert_eq!(queue.zero_copy.as_ref().unwrap().state, state);
                }
            }
        });
        let stats = queue.stats();
        assert_eq!((stats.zero_copy_fallbacks, stats.writes), (1, 3 - 2 * sends_first));
        assert_eq!(stats.zero_copy_sends, 2 * sends_first);
        drop(out);
        assert!(read_to_end(peer) == stream, "nothing lost, nothing twice");
    }
}

#[test]
fn a_socket_that_refuses_the_flag_is_copied_to() {
    let (out, peer) = connection();
    let mut queue = zero_copy();
    let refuse = |call, _| match call {
        Call::SendZeroCopy => Outcome::Fail(Errno::OPNOTSUPP.raw_os_error()),
        _ => Outcome::Pass,
    };
    with_plan(refuse, || {
        queue.push(part(Pool::global(), 0));
        queue.push(part(Pool::global(), 1));
        assert!(queue.flush(&out).unwrap().is_done());
    });
    let stats = queue.stats();
    assert_eq!((stats.zero_copy_fallbacks, stats.zero_copy_sends, stats.writes), (1, 0, 1));
    drop(out);
    assert!(read_to_end(peer) == [contents(0), contents(1)].concat());
}

/// The number of sends so far, for plans that report them.
type Sends = Rc<Cell<u64>>;

#[test]
fn only_consecutive_copied_completions_turn_zero_copy_off() {
    let (out, peer) = connection();
    let reader = std::thread::spawn(|| read_to_end(peer));
    let mut queue = zero_copy();
    // Each send completes in the next flush, and the fifth was not copied. The completions are made up, so the
    // memory is kept.
    let mut kept = Vec::new();
    let (sends, mut reported) = (Sends::default(), 0);
    let made = sends.clone();
    let report = move || {
        let number = reported as u32;
        (reported < made.get()).then(|| {
            reported += 1;
            Completion { first: number, last: number, copied: number != 4 }
        })
    };
    let mut stream = Vec::new();
    with_plan(reporting(report), || {
        for n in 0..30 {
            let part = part(Pool::global(), n).freeze();
            kept.push(part.clone());
            queue.push(part);
            stream.extend(contents(n));
            while !queue.flush(&out).unwrap().is_done() {
                sends.set(queue.stats().zero_copy_sends);
                wait(&out);
            }
            sends.set(queue.stats().zero_copy_sends);
        }
    });
    // Four, the fifth, eight more; and what the flush made that knew of the last but one.
    assert!((13..16).contains(&sends.get()), "{sends:?}");
    assert_eq!(queue.zero_copy.as_ref().unwrap().state, State::Off);
    drop(out);
    assert!(reader.join().unwrap() == stream);
}

#[test]
fn after_an_unexpected_completion_the_queue_copies_and_releases_nothing() {
    let (out, peer) = connection();
    let mut queue = zero_copy();
    let mut kept = Vec::new();
    let unexpected = || Some(Completion { first: 7, last: 7, copied: false });
    with_plan(reporting(unexpected), || {
        for n in 0..3 {
            let part = part(Pool::global(), n).freeze();
            kept.push(part.clone());
            queue.push(part);
            assert!(queue.flush(&out).unwrap().is_done());
        }
    });
    assert_eq!(queue.stats().zero_copy_sends, 1);
    for _ in 0..3 {
        assert_eq!(queue.reap_completions(&out).unwrap(), PART as u64);
    }
    assert!(!kept[0].is_unique() && kept[1].is_unique());
    drop(out);
    assert_eq!(read_to_end(peer).len(), 3 * PART);
}

#[test]
fn a_connection_that_breaks_completes_all_sends() {
    let (out, peer) = connection();
    let mut queue = zero_copy();
    let mut kept = Vec::new();
    for n in 0..8 {
        let part = part(Pool::global(), n).freeze();
        kept.push(part.clone());
        queue.push(part);
    }
    let _ = queue.flush(&out).unwrap();
    assert!(queue.in_flight_bytes() > 0);
    // With bytes that were not read, this is a reset.
    drop(peer);
    wait(&out);
    queue.push("more");
    let error = loop {
        match queue.flush(&out) {
            Ok(_) => wait(&out),
            Err(error) => break error,
        }
    };
    assert!([io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&error.kind()));
    reap_all(&mut queue, &out);
    let unsent = queue.pending_bytes();
    assert_eq!(queue.flushed_bytes() + unsent, 8 * PART as u64 + 4);
    assert_eq!(queue.take_unsent().iter().map(Payload::len).sum::<u64>(), unsent);
    assert!(kept.iter().all(ByteView::is_unique), "memory comes back with its last holder");
}

/// Other handles of the memory continue to read it; the last one does not write to it.
#[test]
fn other_handles_keep_their_memory_when_the_queue_is_dropped() {
    let pool = Pool::builder().build();
    let (out, peer) = connection();
    let mut queue = zero_copy();
    let cached = part(&pool, 0).freeze();
    for _ in 0..12 {
        queue.push(cached.clone());
    }
    let sent = queue.flush(&out).unwrap().bytes() as usize;
    assert!(queue.in_flight_bytes() > 0);
    drop(queue);
    assert!(cached == contents(0)[..]);
    assert!(!cached.is_unique(), "the kernel has it");
    let cached = cached.try_into_mut().unwrap_err();
    assert!(cached == contents(0)[..]);
    drop(cached);
    drop(out);
    let received = read_to_end(peer);
    assert_eq!(received.len(), sent);
    assert!(received.chunks(PART).all(|part| part == &contents(0)[..part.len()]));
}

/// A process that has locked its memory can't exchange pages. The block is lost, and keeps its pool: not
/// where leaks are looked for.
#[test]
#[cfg(not(asan))]
fn a_block_whose_pages_cannot_be_replaced_is_never_used_again() {
    let pool = Pool::builder().build();
    let (out, peer) = connection();
    let mut queue = zero_copy();
    let part = part(&pool, 0);
    let place = part.as_ptr();
    queue.push(part);
    assert!(queue.flush(&out).unwrap().is_done());
    let refuse = |call, _| match call {
        Call::AdviseMemory => Outcome::Fail(Errno::INVAL.raw_os_error()),
        _ => Outcome::Pass,
    };
    with_plan(refuse, || drop(queue));
    assert_eq!(pool.stats().live, PART, "it counts as held");
    let others: Vec<_> = (0..64).map(|n| self::part(&pool, n)).collect();
    assert!(others.iter().all(|other| other.as_ptr() != place));
    drop(out);
    assert!(read_to_end(peer) == contents(0));
}

#[test]
fn a_budget_is_charged_until_the_send_completes() {
    let pool = Pool::builder().build().budget("tenant", 4 * PART);
    let (out, peer) = connection();
    let mut queue = zero_copy();
    for n in 0..4 {
        queue.push(part(&pool, n));
    }
    assert!(queue.flush(&out).unwrap().is_done());
    assert!(pool.try_alloc(PART).is_err(), "all of it is in flight");
    let reader = std::thread::spawn(|| read_to_end(peer));
    reap_all(&mut queue, &out);
    assert!(pool.try_alloc(PART).is_ok());
    drop(out);
    assert_eq!(reader.join().unwrap().len(), 4 * PART);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.clamp(1, 60)))]

    /// Whatever fails or comes up short, sends and completions alike, while every block that returns to the pool is
    /// written to at once: the peer sees the stream.
    #[test]
    fn the_stream_survives_every_plan(
        parts in prop::collection::vec((1..PART, any::<bool>()), 1..40),
        plan in prop::collection::vec(
            prop_oneof![
                4 => Just(Outcome::Pass),
                2 => (1..PART).prop_map(Outcome::Short),
                1 => prop::sample::select(vec![Errno::NOBUFS, Errno::AGAIN, Errno::INTR, Errno::NOMEM])
                    .prop_map(|errno| Outcome::Fail(errno.raw_os_error())),
            ],
            1..12,
        ),
        give_up_at in 0..80_usize,
    ) {
        let pool = Pool::builder().thread_cache(0).build();
        let (out, peer) = connection();
        let reader = std::thread::spawn(|| read_to_end(peer));
        let (mut queue, mut stream) = (WriteQueue::new().with_zero_copy(4096), Vec::new());
        let mut turns = plan.into_iter().cycle();
        let mut calls = 0;
        let plan = move |call, _| {
            calls += 1;
            let limited = matches!(call, Call::Send | Call::SendZeroCopy | Call::Completion);
            // In the end all passes, so that it ends.
            if limited && calls < 400 { turns.next().unwrap() } else { Outcome::Pass }
        };
        with_plan(plan, || {
            for (n, &(length, flush)) in parts.iter().enumerate() {
                let mut part = part(&pool, n);
                part.truncate(length);
                stream.extend_from_slice(&part);
                queue.push(part);
                drop(self::part(&pool, n + 1));
                if n == give_up_at {
                    // Another queue continues, which may not send without copying.
                    let rest = queue.take_unsent();
                    queue = WriteQueue::new().with_zero_copy(4096);
                    rest.into_iter().for_each(|part| {
                        queue.push(part);
                    });
                }
                if flush {
                    let _ = queue.flush(&out).map(Flush::bytes);
                }
            }
            while !queue.is_empty() {
                if queue.flush(&out).is_ok_and(|flush| flush.bytes() == 0) {
                    wait(&out);
                }
            }
        });
        drop(queue);
        drop(out);
        prop_assert!(reader.join().unwrap() == stream);
    }
}

/// What a test does to a send in flight, before the memory is used for something else.
#[derive(Clone, Copy, Debug)]
enum Ending {
    QueueFirst,
    SocketFirst,
    QueueAlone,
}

/// Fills the connection with parts of `pool`, drops the queue while most of it is in flight and has not left,
/// writes to all the memory that the pool gives: whether the peer reads what was sent.
fn arrives_whole(pool: &Pool, size: usize, ending: Ending) -> bool {
    let (out, peer) = connection();
    let mut queue = WriteQueue::new().with_budget(u64::MAX).with_zero_copy(1);
    let mut stream = Vec::new();
    let parts = 512 * 1024 / size.min(512 * 1024) * 2;
    let mut places = Vec::new();
    for n in 0..parts {
        let mut part = pool.alloc(size);
        let bytes: Vec<u8> = (0..size).map(|at| (at / 3 + n * 7) as u8 & 0x7f).collect();
        part.extend_from_slice(&bytes);
        places.push(part.as_ptr().addr());
        stream.extend(bytes);
        queue.push(part);
    }
    let sent = queue.flush(&out).unwrap().bytes() as usize;
    assert!(sent > 4 * 64 * 1024, "{sent} bytes fit the connection");
    let out = match ending {
        Ending::QueueFirst => {
            drop(queue);
            drop(out);
            None
        }
        Ending::SocketFirst => {
            drop(out);
            drop(queue);
            None
        }
        Ending::QueueAlone => {
            drop(queue);
            Some(out)
        }
    };
    let mut others = Vec::new();
    let mut again = 0;
    for _ in 0..parts {
        let mut other = pool.alloc(size);
        again += usize::from(places.contains(&other.as_ptr().addr()));
        other.resize(size, 0xee);
        others.push(other);
    }
    assert!(size > 1 << 20 || again > 0, "the pool gives the same places again");
    drop(out);
    let received = read_to_end(peer);
    assert_eq!(received.len(), sent);
    received == stream[..sent]
}

#[test]
fn memory_in_flight_when_the_queue_is_dropped_is_never_written_to() {
    for ending in [Ending::QueueFirst, Ending::SocketFirst, Ending::QueueAlone] {
        for (zeroed, huge) in [(false, false), (true, false), (false, true)] {
            for size in [16 * 1024, 40 * 1024, PART, 1 << 20, (1 << 20) + 1] {
                let pool = Pool::builder().chunk_size(4 << 20);
                let pool = pool.zero_on_release(zeroed).huge_pages(huge).build();
                assert!(arrives_whole(&pool, size, ending));
            }
        }
    }
}
