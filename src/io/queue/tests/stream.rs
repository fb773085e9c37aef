//! Whatever the kernel or a writer refuses or cuts short, the peer sees the stream that was pushed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use proptest::prelude::*;
use rustix::io::Errno;

use super::super::tail::SMALL;
use super::{Flush, WriteQueue, fd_path, pattern};
use crate::buf::{ByteView, CompositeByteBuf};
use crate::io::file::region::FileRegion;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::{file_with, read_available, unix_pair};

/// What a test pushes; the stream it must give is computed without the crate.
#[derive(Clone, Debug)]
enum Item {
    View(usize),
    Static,
    Composite(Vec<usize>),
    Copy(usize),
    File { start: usize, len: usize },
}

const FILE_LEN: usize = 200_000;

fn item() -> impl Strategy<Value = Item> {
    let len = prop_oneof![3 => 0..40_usize, 2 => 1000..1050_usize, 1 => 0..20_000_usize];
    let file_len = prop_oneof![2 => 0..300_usize, 2 => 16_000..17_000_usize, 1 => 0..100_000_usize];
    prop_oneof![
        4 => len.clone().prop_map(Item::View),
        1 => Just(Item::Static),
        1 => prop::collection::vec(len.clone(), 0..5).prop_map(Item::Composite),
        2 => len.prop_map(Item::Copy),
        2 => (0..FILE_LEN / 2, file_len).prop_map(|(start, len)| Item::File { start, len }),
    ]
}

/// Pushes an item and appends what it stands for to `stream`.
fn push(
    queue: &mut WriteQueue,
    stream: &mut Vec<u8>,
    (salt, item): (usize, &Item),
    file: &Arc<File>,
    contents: &[u8],
) {
    let before = (queue.pending_bytes(), stream.len());
    match *item {
        Item::View(len) => {
            let bytes = pattern(len, salt as u8);
            stream.extend_from_slice(&bytes);
            queue.push(bytes);
        }
        Item::Static => {
            stream.extend_from_slice(b"static");
            queue.push("static");
        }
        Item::Composite(ref lens) => {
            let parts: Vec<_> = lens.iter().map(|len| pattern(*len, salt as u8)).collect();
            stream.extend(parts.iter().flatten());
            queue.push(parts.into_iter().collect::<CompositeByteBuf>());
        }
        Item::Copy(len) => {
            let bytes = pattern(len, salt as u8);
            stream.extend_from_slice(&bytes);
            queue.push_copy(&bytes);
        }
        Item::File { start, len } => {
            stream.extend_from_slice(&contents[start..start + len]);
            queue.push(FileRegion::new(file.clone(), start as u64..(start + len) as u64));
        }
    }
    assert_eq!(queue.pending_bytes() - before.0, (stream.len() - before.1) as u64);
}

/// What goes wrong with the coming calls, over and over.
fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
    let errno = prop::sample::select(vec![
        Errno::INTR,
        Errno::AGAIN,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::IO,
        Errno::NOSPC,
        Errno::CONNRESET,
        Errno::PIPE,
    ]);
    let one = prop_oneof![
        3 => Just(Outcome::Pass),
        3 => (1..3000_usize).prop_map(Outcome::Short),
        1 => (1..4_usize).prop_map(Outcome::Short),
        1 => errno.prop_map(|errno| Outcome::Fail(errno.raw_os_error())),
        // Where there is another path, this one is not supported.
        1 => Just(Outcome::Fail(Errno::NOSYS.raw_os_error())),
    ];
    // At the end one that lets the queue come to its end.
    prop::collection::vec(one, 0..12).prop_map(|mut plan| {
        plan.push(Outcome::Pass);
        plan
    })
}

fn cycle(plan: Vec<Outcome>) -> impl FnMut(Call, usize) -> Outcome {
    let mut plan = VecDeque::from(plan);
    let mut asked = 0_usize;
    move |call, _| {
        // Corks pass, and each round of the plan begins one later, so that no loop keeps step with it for ever.
        if call.is_of_pool() || call == Call::Cork {
            return Outcome::Pass;
        }
        asked += 1;
        plan.rotate_left(1 + usize::from(asked.is_multiple_of(plan.len())) % plan.len());
        let has_another_path =
            !matches!(call, Call::Send | Call::Write | Call::Read | Call::ReadAt);
        match plan[0] {
            Outcome::Fail(errno) if errno == Errno::NOSYS.raw_os_error() && !has_another_path => {
                Outcome::Pass
            }
            other => other,
        }
    }
}

/// A writer that keeps to the same kind of plan.
struct ErraticWriter {
    received: Vec<u8>,
    plan: Box<dyn FnMut(Call, usize) -> Outcome>,
}

impl Write for ErraticWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(bufs.len() <= 1024 && bufs.iter().all(|buf| !buf.is_empty()));
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        let taken = match (self.plan)(Call::Write, offered) {
            Outcome::Pass | Outcome::Completed(_) => offered,
            Outcome::Short(most) => offered.min(most),
            Outcome::Nothing => 0,
            Outcome::Fail(errno) => return Err(io::Error::from_raw_os_error(errno)),
        };
        let end = self.received.len() + taken;
        bufs.iter().for_each(|buf| self.received.extend_from_slice(buf));
        self.received.truncate(end);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        panic!("the queue does not flush its writer")
    }
}

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(500)))]

    /// Sent once, over a real socket: whatever the kernel refuses or cuts short, however often the
    /// caller comes back, and whatever it pushes in between, the peer sees the stream.
    #[test]
    fn the_stream_survives_every_plan(
        items in prop::collection::vec(item(), 0..30),
        at_once in 0..30_usize,
        plan in outcomes(),
    ) {
        let contents = pattern(FILE_LEN, 99);
        let file = Arc::new(file_with(&contents));
        let (mut queue, mut stream) = (WriteQueue::new().with_budget(50_000), Vec::new());
        let mut items = items.iter().enumerate();
        let (out, mut peer) = unix_pair();
        let mut received = Vec::new();
        for item in items.by_ref().take(at_once) {
            push(&mut queue, &mut stream, item, &file, &contents);
        }
        with_plan(cycle(plan), || loop {
            let before = queue.flushed_bytes();
            let flush = queue.flush(&out);
            read_available(&mut peer, &mut received);
            assert_eq!(queue.flushed_bytes(), received.len() as u64);
            assert_eq!(queue.pending_bytes(), (stream.len() - received.len()) as u64);
            if let Ok(flush) = flush {
                assert_eq!(flush.bytes(), queue.flushed_bytes() - before);
                assert_eq!(flush.is_done(), queue.is_empty());
            }
            match items.next() {
                Some(item) => push(&mut queue, &mut stream, item, &file, &contents),
                None if queue.is_empty() => break,
                None => {}
            }
        });
        prop_assert!(received == stream);
    }

    /// The same for a writer, and for what is handed back in the middle.
    #[test]
    fn a_writer_gets_the_same_stream(
        items in prop::collection::vec(item(), 0..30),
        plan in outcomes(),
        give_up_after in 0..20_usize,
    ) {
        let contents = pattern(FILE_LEN, 98);
        let file = Arc::new(file_with(&contents));
        let (mut queue, mut stream) = (WriteQueue::new().with_budget(50_000), Vec::new());
        for item in items.iter().enumerate() {
            push(&mut queue, &mut stream, item, &file, &contents);
        }
        let mut out = ErraticWriter { received: Vec::new(), plan: Box::new(cycle(plan)) };
        for _ in 0..give_up_after {
            let _ = queue.flush_into(&mut out).map(Flush::bytes);
            assert_eq!(queue.flushed_bytes(), out.received.len() as u64);
        }
        let unsent = queue.take_unsent();
        prop_assert!(queue.is_empty() && queue.pending_bytes() == 0);
        let mut rest = WriteQueue::new();
        for part in unsent {
            prop_assert!(!part.is_empty());
            rest.push(part);
        }
        out.plan = Box::new(|_, _| Outcome::Pass);
        while !rest.flush_into(&mut out).unwrap().is_done() {}
        prop_assert!(out.received == stream);
    }
}

/// A socket that holds next to nothing, so that the kernel itself cuts every call short.
#[test]
fn a_small_socket_buffer_cuts_everywhere_and_loses_nothing() {
    let contents = pattern(3_000_000, 7);
    let file = Arc::new(file_with(&contents));
    let mut queue = WriteQueue::new();
    let mut stream = Vec::new();
    for i in 0..60 {
        let bytes = pattern(50 * i * i, i as u8);
        let (start, end) = (i * 1000, i * 50_000);
        stream.extend_from_slice(&bytes);
        queue.push(bytes);
        if start < end {
            stream.extend_from_slice(&contents[start..end]);
            queue.push(FileRegion::new(file.clone(), start as u64..end as u64));
        }
    }
    let (out, mut peer) = UnixStream::pair().unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&out, 1).unwrap();
    out.set_nonblocking(true).unwrap();
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received).unwrap()
    });
    let mut full = 0;
    while let Flush::WouldBlock(_) | Flush::BudgetSpent(_) = queue.flush(&out).unwrap() {
        full += 1;
        let mut fds = [rustix::event::PollFd::new(&out, rustix::event::PollFlags::OUT)];
        rustix::event::poll(&mut fds, None).unwrap();
    }
    drop(out);
    assert!(full > 100, "the buffer was not small: {full}");
    assert!(reader.join().unwrap() == stream);
}

#[test]
fn no_call_passes_the_limit_on_slices() {
    let part = ByteView::from(pattern(SMALL + 1, 0));
    for parts in [1, 1023, 1024, 1025, 5000] {
        let mut queue = WriteQueue::new().with_budget(u64::MAX);
        for _ in 0..parts {
            queue.push(part.clone());
        }
        let out = tempfile::tempfile().unwrap();
        assert_eq!(queue.flush(&out).unwrap(), Flush::Done((parts * part.len()) as u64));
        assert_eq!(queue.stats().writes, parts.div_ceil(1024) as u64);
        assert_eq!(queue.stats().entries, parts as u64);
        assert!(std::fs::metadata(fd_path(&out)).unwrap().len() == (parts * part.len()) as u64);
    }
}
