//! Sizes, lying traits and losses for what holds descriptors: files, queues, splices, segments.

use super::outcome;
use super::resource_baseline::ResourceBaseline;
use bytebuf::{
    ByteBuf, ByteView, CompositeByteBuf, FileRegion, MappedFile, MappedFileMut, Pool, RecvSizer,
    Segment, Splice, Spliced, WriteQueue,
};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

const TEXT: &[u8] = b"0123456789";

/// Around nothing, around the content, around the most that a file can have, around all numbers.
const NUMBERS: [u64; 10] = [
    0,
    1,
    10,
    11,
    i64::MAX as u64 - 1,
    i64::MAX as u64,
    i64::MAX as u64 + 1,
    u64::MAX - 10,
    u64::MAX - 1,
    u64::MAX,
];

fn pairs() -> impl Iterator<Item = (u64, u64)> {
    NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b)))
}

/// Takes the baseline of a test that may use a pipe, which the crate keeps for the next transfer.
fn baseline_and_a_pipe() -> ResourceBaseline {
    let baseline = ResourceBaseline::take();
    baseline.lose_descriptors(2);
    baseline
}

/// A file that holds [`TEXT`].
fn text() -> io::Result<Arc<File>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(TEXT)?;
    Ok(Arc::new(file))
}

/// Two ends of a connection, of which the first does not block.
fn connection() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, peer) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, peer))
}

fn received(mut peer: UnixStream) -> Vec<u8> {
    let mut received = Vec::new();
    peer.read_to_end(&mut received).expect("what was sent");
    received
}

#[test]
fn a_region_beyond_the_end_of_its_file_is_sent_up_to_the_end() -> io::Result<()> {
    let _baseline = baseline_and_a_pipe();
    let file = text()?;
    for (a, b) in pairs().filter(|(a, b)| a <= b) {
        let there = TEXT.get(a.min(10) as usize..b.min(10) as usize).unwrap_or_default();
        let (out, peer) = connection()?;
        let targets = [out.as_fd().try_clone_to_owned()?, tempfile::tempfile()?.into()];
        for target in &targets {
            let mut region = FileRegion::new(file.clone(), a..b);
            // Whatever it is of these, it neither panics nor changes the region.
            _ = (region.prefetch(), region.read_all().is_ok());
            let sent = std::iter::from_fn(|| region.transfer_to(target).ok().filter(|&n| n > 0));
            assert_eq!(sent.sum::<u64>(), there.len() as u64, "{a}..{b}");
            assert_eq!(region.len(), b - a - there.len() as u64);
            assert_eq!(region.transfer_to(target).is_ok(), region.is_empty());
        }
        drop((out, targets));
        assert_eq!(received(peer), there);
    }
    Ok(())
}

#[test]
fn mapping_a_range_succeeds_within_the_file_and_fails_beyond_it() -> io::Result<()> {
    let _baseline = baseline_and_a_pipe();
    let file = text()?;
    let directory = tempfile::tempdir()?;
    for (a, b) in pairs() {
        let mapped = outcome(|| MappedFile::snapshot(&file, a..b));
        assert_eq!(mapped.is_ok(), a <= b);
        if let Ok(Ok(map)) = mapped {
            assert!(a == b || map[..] == TEXT[a as usize..b as usize]);
        } else {
            assert!(a > b || (a < b && b > 10), "{a}..{b}");
        }
        let mut map = MappedFileMut::create_in(directory.path(), 10)?;
        let flushed = outcome(|| map.flush(a as usize..b as usize));
        assert_eq!(flushed.is_ok(), a <= b && b <= 10);
    }
    for n in NUMBERS {
        let map = MappedFileMut::create_in(directory.path(), n as usize);
        assert_eq!(map.map(|map| map.len()).ok(), (n <= 11).then_some(n as usize));
    }
    Ok(())
}

#[test]
fn a_segment_of_any_size_works_or_is_refused() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("log");
    for capacity in NUMBERS {
        assert!(Segment::create(&path, capacity).is_err(), "none of these is a segment's");
        assert!(!path.exists());
    }
    let mut segment = Segment::create(&path, 4096)?;
    let first = segment.append(TEXT)?;
    let end = segment.publish()?;
    for (a, b) in pairs() {
        let fits = a <= b && b <= end;
        assert_eq!(segment.slice(a..b).is_ok(), fits);
        assert_eq!(segment.region(a..b).is_ok(), fits);
    }
    for position in NUMBERS.into_iter().chain([first, first + 1, end - 1, end, end + 1]) {
        let records: io::Result<Vec<_>> = segment.records(position).collect();
        assert_eq!(records.is_ok(), position == first || position == end, "{position}");
        // Nothing is durable yet.
        assert_eq!(segment.next_valid(position)?, segment.start());
    }
    Ok(())
}

#[test]
fn a_splice_moves_no_more_than_any_limit() -> io::Result<()> {
    let _baseline = baseline_and_a_pipe();
    let file = text()?;
    for (a, b) in pairs() {
        let ((source, mut sender), (target, peer)) = (connection()?, connection()?);
        sender.write_all(TEXT)?;
        drop(sender);
        let mut splice = Splice::new().with_limit(a).with_budget(b);
        while !matches!(splice.transfer(&source, &target)?, Spliced::Done(_)) {}
        drop(target);
        assert_eq!(received(peer), TEXT[..a.min(10) as usize]);
        assert_eq!((splice.moved_bytes(), splice.held_bytes()), (a.min(10), 0));

        let (target, peer) = connection()?;
        let mut splice = Splice::new().with_offset(a).with_limit(b);
        // Where no file has an offset, there is nothing, or an error.
        let done = splice.transfer(&*file, &target);
        assert!(a > 11 || b == 0 || matches!(done, Ok(Spliced::Done(_))), "{a} {b}: {done:?}");
        drop(target);
        let there = TEXT.get(a.min(10) as usize..a.saturating_add(b).min(10) as usize);
        assert_eq!(received(peer), there.unwrap_or_default());
    }
    Ok(())
}

#[test]
fn a_queue_sends_no_more_than_any_limit() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    let file = text()?;
    let large = vec![1; 40_000];
    let expected = [b"head", &large[..], &large[..], TEXT].concat();
    for (a, b) in pairs() {
        let queue = || WriteQueue::new().with_budget(a).with_zero_copy(b as usize);
        assert_eq!(outcome(|| queue().with_watermarks(a, b)).is_ok(), a <= b);
        // One byte at a time would take long.
        let mut queue = if a > 1 { queue() } else { queue().with_budget(10_000) };
        queue.push("head");
        queue.push(large.clone());
        queue.push(ByteBuf::from(&large[..]));
        queue.push(FileRegion::new(file.clone(), 0..10));
        let (out, mut peer) = connection()?;
        let (mut stream, mut space) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let before = queue.flushed_bytes();
            let flush = queue.flush(&out)?;
            assert_eq!(flush.bytes(), queue.flushed_bytes() - before);
            assert!(flush.bytes() <= a.max(10_000));
            if flush.bytes() > 0 {
                let n = peer.read(&mut space)?;
                stream.extend_from_slice(&space[..n]);
            }
            if flush.is_done() {
                break;
            }
        }
        drop(out);
        peer.read_to_end(&mut stream)?;
        assert_eq!(stream, expected, "{a} {b}");
    }
    Ok(())
}

#[test]
fn a_receive_of_any_size_is_what_came_or_an_error() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    for (min, max) in pairs().filter(|&(min, max)| 0 < min && min <= max) {
        let sizer = || RecvSizer::with_range(min as usize, max as usize);
        let (socket, mut peer) = connection()?;
        peer.write_all(TEXT)?;
        let mut into = ByteBuf::new();
        match sizer().receive(&socket, &mut into) {
            Ok(n) => assert_eq!(into, TEXT[..n]),
            Err(error) => {
                assert!(min > 11 && error.kind() == ErrorKind::OutOfMemory, "{error}");
                assert_eq!((into.len(), into.capacity()), (0, 0));
            }
        }
        peer.write_all(TEXT)?;
        let (mut parts, rest) =
            (CompositeByteBuf::new(), [TEXT[into.len()..].to_vec(), TEXT.to_vec()]);
        let n = sizer().receive_vectored(&socket, Pool::global(), &mut parts)?;
        assert!(n > 0 && parts == rest.concat()[..n]);
    }
    Ok(())
}

/// One descriptor when it is asked first, another the next time.
struct Fickle([UnixStream; 2], Cell<usize>);

impl AsFd for Fickle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0[self.1.replace(1 - self.1.get())].as_fd()
    }
}

#[test]
fn a_descriptor_that_changes_gets_no_byte_twice() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    let mut queue = WriteQueue::new().with_zero_copy(1);
    (0..100_u8).for_each(|i| _ = queue.push(ByteView::from(vec![i; 20_000])));
    let ((a, mut from_a), (b, mut from_b)) = (connection()?, connection()?);
    [&from_a, &from_b].into_iter().try_for_each(|peer| peer.set_nonblocking(true))?;
    let (out, mut seen) = (Fickle([a, b], Cell::new(0)), vec![0; 100]);
    let mut space = vec![0; 1 << 16];
    let mut arrived = 0;
    while arrived < 2_000_000 {
        _ = queue.flush(&out)?;
        for peer in [&mut from_a, &mut from_b] {
            while let Ok(n) = peer.read(&mut space) {
                space[..n].iter().for_each(|&byte| seen[usize::from(byte)] += 1);
                arrived += n;
            }
        }
    }
    assert!(seen.iter().all(|&count| count == 20_000), "{seen:?}");
    assert_eq!((queue.flushed_bytes(), queue.pending_bytes()), (2_000_000, 0));
    Ok(())
}

#[test]
fn memory_of_a_file_that_shrank_is_an_error_to_send() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    let file = tempfile::tempfile()?;
    file.set_len(65_536)?;
    // SAFETY: the promise is broken below, and the memory left to the kernel alone from then on.
    #[allow(unsafe_code, reason = "what the kernel makes of a promise that was broken")]
    let map = unsafe { MappedFile::map(&file, 0..65_536)? };
    file.set_len(0)?;
    let (out, peer) = connection()?;
    for mut queue in [WriteQueue::new(), WriteQueue::new().with_zero_copy(4096)] {
        queue.push(map.view().clone());
        assert_eq!(
            queue.flush(&out).unwrap_err().raw_os_error(),
            Some(Errno::FAULT.raw_os_error())
        );
        assert_eq!((queue.flushed_bytes(), queue.pending_bytes()), (0, 65_536));
    }
    drop(out);
    assert_eq!(received(peer), b"");
    Ok(())
}

#[test]
fn forgotten_handles_cost_their_descriptors_and_nothing_else() -> io::Result<()> {
    let baseline = baseline_and_a_pipe();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("log");
    let file = text()?;
    // Each loses its descriptors and blocks, and takes nothing that others need.
    for _ in 0..2 {
        let mut queue = WriteQueue::new();
        queue.push(ByteBuf::from(&[1; 5000][..]));
        queue.push(FileRegion::new(file.try_clone()?, 0..10));
        std::mem::forget(queue);

        let ((source, mut sender), (target, _peer)) = (connection()?, connection()?);
        let mut splice = Splice::new();
        while let Ok(1..) = (&target).write(&[0; 4096]) {}
        sender.write_all(TEXT)?;
        assert_eq!(splice.transfer(&source, &target)?, Spliced::TargetFull(0));
        assert_eq!(splice.held_bytes(), 10);
        std::mem::forget(splice);

        let mut other = Splice::new();
        let (target, mut peer) = connection()?;
        sender.write_all(b"more")?;
        drop(sender);
        assert_eq!(other.transfer(&source, &target)?, Spliced::Done(4));
        peer.read_exact(&mut [0; 4])?;

        std::mem::forget(MappedFile::snapshot(&file, 0..10)?);
        std::mem::forget(MappedFileMut::create_in(directory.path(), 10)?);
    }
    let mut segment = Segment::create(&path, 4096)?;
    segment.append(TEXT)?;
    segment.publish()?;
    std::mem::forget(segment);
    // It is locked, as it is still there; what was published can be read all the same.
    assert_eq!(Segment::open(&path).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert!(std::fs::read(&path)?.windows(10).any(|window| window == TEXT));

    // A file, a pipe and a file in memory each time, and the log.
    baseline.lose_descriptors(2 * (1 + 2 + 1) + 1);
    // A queue's block each time, and a log's buffer, in as many chunks.
    baseline.lose(3 * ((4 << 20) + (256 << 10)), 3);
    Ok(())
}
