//! What a queue does, and in the files of this folder: what it sends whatever goes wrong (`stream.rs`,
//! `plans.rs`), what it holds (`held.rs`), what it keeps back (`nagle.rs`), and where
//! its copies are (`sources.rs`).

mod held;
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
mod nagle;
pub(super) mod plans;
mod sources;
mod stream;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Flush, Payload, WriteQueue};
use crate::buf::{ByteView, CompositeByteBuf};
use crate::io::{FileRegion, FileTruncated};
use crate::pool::{BudgetStats, Pool};
use crate::sys::{Call, Outcome, with_plan};
use crate::test_data::pattern;
use crate::test_io::file_with;

fn fd_path(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[test]
fn small_neighbours_leave_as_one_and_large_parts_are_not_copied() {
    let mut queue = WriteQueue::new();
    for _ in 0..50 {
        queue.push(&b"0123456789"[..]);
    }
    queue.push(pattern(5000, 1));
    queue.push("lone");
    let (out, _peer) = UnixStream::pair().unwrap();
    assert_eq!(queue.flush(&out).unwrap(), Flush::Done(5504));
    let stats = queue.stats();
    assert_eq!((stats.writes, stats.entries, stats.merged_bytes), (1, 3, 500));
}

/// Takes this number of bytes, and then would block.
struct Takes(usize, Vec<u8>);

impl Write for Takes {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let taken = buf.len().min(self.0);
        self.0 -= taken;
        self.1.extend_from_slice(&buf[..taken]);
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn small_parts_go_on_in_one_block_behind_what_a_flush_has_left() {
    let mut queue = WriteQueue::new();
    let mut out = Takes(0, Vec::new());
    let mut stream = Vec::new();
    for i in 0..20_u8 {
        stream.extend_from_slice(&[i; 10]);
        assert_eq!(queue.push([i; 10].to_vec()), stream.len() as u64);
        // The first one is copied when the second comes; three bytes of it are out by then.
        let merged = if i == 0 { 0 } else { stream.len() as u64 - 3 };
        assert_eq!(queue.stats().merged_bytes, merged);
        out.0 = 3;
        assert_eq!(queue.flush_into(&mut out).unwrap(), Flush::WouldBlock(3));
        assert_eq!(queue.pending_bytes(), (stream.len() - out.1.len()) as u64);
    }
    let before = queue.stats();
    let [Payload::Bytes(rest)] = &queue.take_unsent()[..] else { panic!("one block") };
    assert_eq!([&out.1, &rest[..]].concat(), stream);
    assert_eq!(queue.stats(), before);
}

#[test]
fn a_small_file_leaves_with_its_header_in_one_slice() {
    let contents = pattern(10_000, 3);
    let mut queue = WriteQueue::new();
    let mut stream = Vec::new();
    // Three answers to pipelined requests.
    for _ in 0..3 {
        queue.push_copy(b"header");
        queue.push(FileRegion::new(file_with(&contents), 0..10_000));
        stream.extend_from_slice(b"header");
        stream.extend_from_slice(&contents);
    }
    let (out, mut peer) = UnixStream::pair().unwrap();
    assert!(queue.flush(&out).unwrap().is_done());
    let stats = queue.stats();
    assert_eq!((stats.writes, stats.reads, stats.sendfiles), (1, 3, 0));
    drop(out);
    let mut received = Vec::new();
    peer.read_to_end(&mut received).unwrap();
    assert!(received == stream);
}

#[test]
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
fn a_large_file_is_sent_by_the_kernel() {
    let mut queue = WriteQueue::new();
    queue.push("header");
    queue.push(FileRegion::new(file_with(&pattern(100_000, 3)), 0..100_000));
    let out = tempfile::tempfile().unwrap();
    assert!(queue.flush(&out).unwrap().is_done());
    let stats = queue.stats();
    assert_eq!((stats.writes, stats.reads, stats.sendfiles), (1, 0, 1));
    assert_eq!((stats.written_bytes, stats.sendfile_bytes), (6, 100_000));
}

#[test]
fn files_are_not_read_for_a_peer_that_takes_nothing() {
    let file = Arc::new(file_with(&pattern(10_000, 0)));
    let mut queue = WriteQueue::new().with_budget(u64::MAX);
    for _ in 0..1000 {
        queue.push(FileRegion::new(file.clone(), 0..10_000));
    }
    let (out, _peer) = UnixStream::pair().unwrap();
    out.set_nonblocking(true).unwrap();
    for _ in 0..10 {
        assert!(!queue.flush(&out).unwrap().is_done());
    }
    let held = queue.stats().read_bytes - queue.flushed_bytes();
    assert!(held < 100_000, "{held} bytes are held in memory");
}

#[test]
fn a_truncated_file_is_reported_after_the_bytes_before_it() {
    for (promised, kept) in [(5000, 100), (100_000, 40_000)] {
        let file = Arc::new(file_with(&pattern(promised, 0)));
        let mut queue = WriteQueue::new();
        queue.push("first");
        queue.push(FileRegion::new(file.clone(), 0..promised as u64));
        queue.push("last");
        file.set_len(kept as u64).unwrap();
        let mut out = tempfile::tempfile().unwrap();
        // It comes again each time, and moves nothing.
        for _ in 0..2 {
            let error = queue.flush(&out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let truncated = *error.get_ref().unwrap().downcast_ref::<FileTruncated>().unwrap();
            assert_eq!((truncated.expected(), truncated.found()), (promised as u64, kept as u64));
            assert_eq!(queue.flushed_bytes(), 5 + kept as u64);
        }
        out.rewind().unwrap();
        let mut received = Vec::new();
        out.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), 5 + kept);
        let unsent: Vec<u64> = queue.take_unsent().iter().map(Payload::len).collect();
        assert_eq!(unsent, [(promised - kept) as u64, 4]);
    }
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_the_queue_is_whole() {
    let (out, peer) = UnixStream::pair().unwrap();
    drop(peer);
    let mut queue = WriteQueue::new();
    queue.push("nothing reads it.");
    for _ in 0..2 {
        assert_eq!(queue.flush(&out).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!((queue.pending_bytes(), queue.flushed_bytes()), (17, 0));
    }
    assert_eq!(queue.clear(), 17);
    assert!(queue.flush(&out).unwrap().is_done());
}

#[test]
fn a_flush_stops_at_its_budget_exactly() {
    let file = file_with(&pattern(100_000, 0));
    let mut queue = WriteQueue::new().with_budget(30_000);
    queue.push(pattern(45_000, 0));
    queue.push(FileRegion::new(file, 0..100_000));
    let out = tempfile::tempfile().unwrap();
    for _ in 0..4 {
        assert_eq!(queue.flush(&out).unwrap(), Flush::BudgetSpent(30_000));
    }
    assert_eq!(queue.flush(&out).unwrap(), Flush::Done(25_000));
    assert_eq!(queue.flush(&out).unwrap(), Flush::Done(0));
}

#[test]
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
fn a_budget_does_not_cut_the_last_bytes_of_a_file_off() {
    let file = Arc::new(file_with(&pattern(1 << 20, 0)));
    let mut queue = WriteQueue::new();
    let out = tempfile::tempfile().unwrap();
    for n in 1..5 {
        queue.push_copy(&[b'h'; 200]);
        queue.push(FileRegion::new(file.clone(), 0..1 << 20));
        assert_eq!(queue.flush(&out).unwrap(), Flush::Done(200 + (1 << 20)));
        let stats = queue.stats();
        assert_eq!((stats.writes, stats.sendfiles, stats.reads), (n, n, 0));
    }
}

#[test]
fn watermarks_count_files_in_full_and_parts_that_hold_little() {
    let mut queue = WriteQueue::new().with_watermarks(1000, 100_000);
    queue.push(FileRegion::new(file_with(&[]), 0..100_000));
    assert!(!queue.is_writable(), "a file counts");
    queue.clear();
    assert!(queue.is_writable());

    queue.push(pattern(99_000, 0));
    assert!(queue.is_writable());
    let mut few = Vec::with_capacity(98_500);
    struct Some<'a>(&'a mut Vec<u8>);
    impl Write for Some<'_> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let spare = self.0.capacity() - self.0.len();
            self.0.extend_from_slice(&buf[..buf.len().min(spare)]);
            if spare == 0 {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(buf.len().min(spare))
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    queue.push(pattern(2000, 0));
    assert!(!queue.is_writable());
    assert_eq!(queue.flush_into(&mut Some(&mut few)).unwrap(), Flush::WouldBlock(98_500));
    assert!(!queue.is_writable(), "2500 bytes are above the low mark");
    few.clear();
    assert!(queue.flush_into(&mut Some(&mut few)).unwrap().is_done());
    assert!(queue.is_writable());

    // Parts of one byte that can't be merged: the peer pays for each.
    let one = Arc::new(file_with(b"x"));
    for _ in 0..2000 {
        queue.push(FileRegion::new(one.clone(), 0..1));
    }
    assert!(!queue.is_writable());
}

#[test]
fn a_writer_that_lies_or_takes_nothing_changes_nothing() {
    struct Says(usize);
    impl Write for Says {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(self.0)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for says in [0, 11, usize::MAX] {
        let mut queue = WriteQueue::new();
        queue.push("ten bytes.");
        match queue.flush_into(&mut Says(says)) {
            Ok(flush) => assert_eq!((flush, says), (Flush::WouldBlock(0), 0)),
            Err(e) => assert_eq!((e.kind(), says > 0), (io::ErrorKind::InvalidData, true)),
        }
        assert_eq!((queue.pending_bytes(), queue.flushed_bytes()), (10, 0));
    }
}

/// More than any thread or pool keeps for reuse.
#[test]
fn without_memory_try_push_copy_is_an_error_and_changes_nothing() {
    let large = vec![7; 50 << 20];
    let mut queue = WriteQueue::new();
    queue.push_copy(b"before, ");
    let no_memory = |call, _| match call {
        Call::MapMemory => Outcome::Fail(Errno::NOMEM.raw_os_error()),
        _ => Outcome::Pass,
    };
    let error = with_plan(no_memory, || queue.try_push_copy(&large).unwrap_err());
    assert_eq!((error.requested(), queue.pending_bytes()), (large.len(), 8));
    assert_eq!(queue.try_push_copy(b"behind"), Ok(14));
    let mut out = Vec::new();
    assert!(queue.flush_into(&mut out).unwrap().is_done());
    assert_eq!(out, b"before, behind");
}

#[test]
fn positions_show_when_a_message_has_been_sent() {
    let mut queue = WriteQueue::new().with_budget(10);
    let first = queue.push("12345678");
    let second = queue.push("90abcdef");
    let out = tempfile::tempfile().unwrap();
    assert_eq!(queue.flush(&out).unwrap(), Flush::BudgetSpent(10));
    assert!(queue.flushed_bytes() >= first && queue.flushed_bytes() < second);
    assert!(queue.flush(&out).unwrap().is_done());
    assert_eq!(queue.flushed_bytes(), second);
}

#[test]
fn more_bytes_than_there_are_numbers_are_refused_before_anything_changes() {
    let region = FileRegion::new(file_with(&[]), 0..u64::MAX);
    let mut queue = WriteQueue::new();
    queue.push("head");
    queue.push(region.slice(10..u64::MAX));
    let parts = CompositeByteBuf::from_iter(["four", "more"]);
    for part in [region.into(), "seven..".into(), Payload::from(parts)] {
        let pushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.push(part)));
        assert!(pushed.is_err());
        assert_eq!(queue.pending_bytes(), u64::MAX - 6);
    }
    let unsent: Vec<u64> = queue.take_unsent().iter().map(Payload::len).collect();
    assert_eq!(unsent, [4, u64::MAX - 10]);
}

#[test]
fn a_composite_is_in_the_queue_whole_or_not_at_all() {
    let shed = |_: &BudgetStats| panic!("no memory is given up");
    let tenant = Pool::builder().build().budget_shedding("tenant", 64 * 1024 + 128, shed);
    let _rest = tenant.alloc(64 * 1024);
    // The last two are small: they are copied into one block, which the tenant has no memory for.
    let small = ["first", "second"].map(|part| tenant.copy_from_slice(part.as_bytes()));
    let parts = [ByteView::from(vec![7; 2000])].into_iter().chain(small);
    let parts = CompositeByteBuf::from_iter(parts);
    let mut queue = WriteQueue::new();
    queue.push("before ");
    let push = std::panic::AssertUnwindSafe(|| queue.push(parts));
    assert!(std::panic::catch_unwind(push).is_err());
    queue.push("after");
    let mut sent = Vec::new();
    assert!(queue.flush_into(&mut sent).unwrap().is_done());
    assert_eq!(sent, b"before after");
}

/// Through every way of writing, with a part that is not copied and a file between them.
#[test]
fn what_is_written_in_place_keeps_its_order_among_the_parts() {
    use bytes::BufMut;
    use std::fmt::Write;

    let file = FileRegion::open("Cargo.toml").unwrap();
    let contents = std::fs::read("Cargo.toml").unwrap();
    let (mut queue, mut expected) = (WriteQueue::new(), Vec::new());
    let large = vec![7; 100_000];
    for round in 0..200_u32 {
        queue.reserve(round as usize % 70 * 100);
        if round % 3 == 0 {
            queue.push(large.clone());
            expected.extend_from_slice(&large);
        }
        queue.put_bytes(8, 100);
        queue.put_u32(round);
        queue.extend_from_slice(&large[..round as usize * 10]);
        write!(queue, " {round}").unwrap();
        expected.extend_from_slice(&[8; 100]);
        expected.extend_from_slice(&round.to_be_bytes());
        expected.extend_from_slice(&large[..round as usize * 10]);
        expected.extend_from_slice(format!(" {round}").as_bytes());
        if round % 50 == 0 {
            queue.push(file.clone());
            expected.extend_from_slice(&contents);
        }
    }
    assert_eq!(queue.pending_bytes(), expected.len() as u64);
    let mut sent = Vec::new();
    while !queue.flush_into(&mut sent).unwrap().is_done() {}
    assert!(sent == expected);
}
