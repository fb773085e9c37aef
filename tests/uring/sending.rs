//! The operations of a queue on a real ring.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

use bytebuf::{ByteView, FileRegion, Pool, WriteQueue};

use crate::resource_baseline::ResourceBaseline;
use crate::ring::{Ring, SEND, Sender};
use crate::test_data::pattern;
use crate::test_io::{file_with, tcp_pair};

const LARGE: usize = 64 * 1024;

/// Fills the queue with all that it takes; the stream that comes out of that.
fn fill(queue: &mut WriteQueue, pool: &Pool) -> Vec<u8> {
    let mut stream = Vec::new();
    for n in 0..4 {
        let large = pattern(LARGE + n, 0);
        let body = pattern(100_000 + n, 0);
        let file = file_with(&body);
        queue.push(format!("header {n}"));
        queue.push(pool.copy_from_slice(&large));
        queue.push(FileRegion::new(file, 0..body.len() as u64));
        (0..20).for_each(|_| _ = queue.push(vec![n as u8; 2000]));
        stream.extend_from_slice(format!("header {n}").as_bytes());
        stream.extend(large);
        stream.extend(body);
        stream.extend(vec![n as u8; 40_000]);
    }
    stream
}

/// Sends all, until nothing is in flight.
fn drain<S: AsFd>(ring: &mut Ring, sender: &mut Sender<S>) {
    sender.begin(ring, SEND);
    while !sender.queue.is_empty() || sender.in_flight() > 0 {
        let completion = ring.wait_for(SEND);
        sender.complete(&completion).unwrap();
        sender.begin(ring, SEND);
    }
}

fn reader(mut peer: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        received
    })
}

#[test]
fn buffers_and_files_arrive_once_by_every_method() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    for threshold in [usize::MAX, LARGE] {
        let (out, peer) = tcp_pair();
        let reader = reader(peer);
        let mut sender = Sender::new(out, WriteQueue::new().with_zero_copy(threshold));
        let stream = fill(&mut sender.queue, &pool);
        drain(&mut ring, &mut sender);
        let stats = sender.queue.stats();
        assert_eq!(stats.zero_copy_operations > 0, threshold == LARGE, "{stats:?}");
        assert!(stats.operation_bytes > 0 && stats.sendfile_bytes > 0, "{stats:?}");
        // Over loopback the kernel copies, and says so.
        assert_eq!(stats.copied_operations, stats.zero_copy_operations);
        drop(sender);
        assert!(reader.join().unwrap() == stream);
    }
    Pool::flush_thread();
    assert_eq!(pool.stats().live_blocks, 0);
}

/// Such a socket refuses, and the refused operation still owes a notification.
#[test]
fn a_socket_that_must_copy_gets_the_stream_by_copying() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    let (out, peer) = UnixStream::pair().unwrap();
    let reader = reader(peer);
    let mut sender = Sender::new(out, WriteQueue::new().with_zero_copy(LARGE));
    let stream = fill(&mut sender.queue, &pool);
    drain(&mut ring, &mut sender);
    let stats = sender.queue.stats();
    assert_eq!((stats.zero_copy_operations, stats.refused_operations), (1, 1), "{stats:?}");
    drop(sender);
    assert!(reader.join().unwrap() == stream);
}

/// The peer reads only after the cancel. What the operation has sent by then is gone from the queue, however much
/// that is, and the rest continues.
#[test]
fn a_cancelled_send_continues_where_it_ended() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    for threshold in [usize::MAX, LARGE] {
        let pool = Pool::builder().build();
        let (out, peer) = tcp_pair();
        let bytes = pattern(16 << 20, 0);
        let mut sender = Sender::new(out, WriteQueue::new().with_zero_copy(threshold));
        sender.queue.push(pool.copy_from_slice(&bytes));
        sender.queue.push(ByteView::from_static(b"the end"));
        sender.begin(&mut ring, SEND);
        ring.cancel(SEND);
        // It ends by the cancel, or with what the socket takes at once.
        let first = sender.complete(&ring.wait_for(SEND));
        let sent = first.unwrap_or_else(|error| {
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            0
        });
        assert_eq!(sender.queue.flushed_bytes(), sent);
        assert!((sent as usize) < bytes.len());
        let reader = reader(peer);
        drain(&mut ring, &mut sender);
        drop(sender);
        let received = reader.join().unwrap();
        assert!(received == [&bytes[..], b"the end"].concat());
        Pool::flush_thread();
        assert_eq!(pool.stats().live_blocks, 0);
    }
}

/// The queue is dropped while zero-copy sends are in flight, before their completions arrive.
#[test]
fn a_queue_may_end_while_its_sends_are_in_flight() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    let (out, peer) = tcp_pair();
    let bytes = pattern(LARGE, 0);
    let mut sender = Sender::new(out, WriteQueue::new().with_zero_copy(LARGE));
    sender.queue.push(pool.copy_from_slice(&bytes));
    sender.begin(&mut ring, SEND);
    assert_eq!(sender.complete(&ring.wait_for(SEND)).unwrap(), LARGE as u64);
    drop(sender);
    // The block is free at once; its next owner gets other pages.
    let mut next = pool.alloc(LARGE);
    next.resize(LARGE, 0xff);
    assert!(reader(peer).join().unwrap() == bytes);
    while !ring.wait().is_notification() {}
}
