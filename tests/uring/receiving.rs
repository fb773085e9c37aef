//! A buffer group on a real ring.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bytebuf::{BufferRing, ByteBuf, Consume, Pool, Received, WriteQueue};

use crate::resource_baseline::ResourceBaseline;
use crate::ring::{CANCEL, Completion, RECEIVE, Ring, SEND, Sender};
use crate::test_data::pattern;
use crate::test_io::tcp_pair;

const GROUP: u16 = 3;
const BLOCK: usize = 4096;

fn buffers(ring: &mut Ring, pool: &Pool, entries: u16, consume: Consume) -> Option<BufferRing> {
    let mut buffers = BufferRing::new(pool, GROUP, entries, BLOCK, consume).unwrap();
    if let Err(error) = ring.register(&mut buffers) {
        // Before Linux 5.19, and 6.12 for parts of blocks.
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
        println!("SKIPPED: {consume:?}: {error}");
        return None;
    }
    buffers.refill();
    Some(buffers)
}

fn take(buffers: &mut BufferRing, completion: &Completion) -> (Received, bool) {
    // SAFETY: the tests take each completion of the group once, in order.
    let taken = unsafe { buffers.take(completion.result, completion.flags) };
    (taken.received, taken.is_armed)
}

fn bytes(received: Received) -> Vec<u8> {
    match received {
        Received::Bytes(bytes) => bytes.to_vec(),
        Received::Bundle(parts) => parts.concat(),
        other => panic!("no bytes: {other:?}"),
    }
}

const CONNECTIONS: usize = 64;
const MESSAGE: usize = 10_000;
const ROUNDS: usize = 3;

/// Each connection sends its messages, and reads them back after all have sent theirs.
fn client(address: std::net::SocketAddr) {
    let mut sockets: Vec<_> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    for round in 0..ROUNDS {
        let message = |n: usize| pattern(MESSAGE + n + round * 100, 0);
        for (n, socket) in sockets.iter_mut().enumerate() {
            socket.write_all(&message(n)).unwrap();
        }
        for (n, socket) in sockets.iter_mut().enumerate() {
            let expected = message(n);
            let mut received = vec![0; expected.len()];
            socket.read_exact(&mut received).unwrap();
            assert!(received == expected, "connection {n}");
        }
    }
}

#[test]
fn sixty_four_connections_share_eight_buffers() {
    let _baseline = ResourceBaseline::take();
    let kinds = [Consume::Whole, Consume::Incremental];
    for (consume, is_bundle) in kinds.map(|kind| [(kind, false), (kind, true)]).concat() {
        let Some(mut ring) = Ring::new() else { return };
        let pool = Pool::builder().build();
        let Some(mut buffers) = buffers(&mut ring, &pool, 8, consume) else { continue };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || client(address));
        let accept = |_| {
            let socket = listener.accept().unwrap().0;
            socket.set_nodelay(true).unwrap();
            Sender::new(socket, WriteQueue::new())
        };
        let mut connections: Vec<_> = (0..CONNECTIONS).map(accept).collect();
        for (n, connection) in connections.iter().enumerate() {
            ring.receive(&connection.socket, GROUP, is_bundle, RECEIVE | n as u64);
        }
        let mut open = CONNECTIONS;
        while open > 0 {
            let completion = ring.wait();
            let connection = &mut connections[completion.user_data as u32 as usize];
            let number = u64::from(completion.user_data as u32);
            if completion.user_data & !0xffff_ffff == SEND {
                connection.complete(&completion).unwrap();
                connection.begin(&mut ring, SEND | number);
                continue;
            }
            let (received, is_armed) = take(&mut buffers, &completion);
            buffers.refill();
            match received {
                Received::Bytes(bytes) => _ = connection.queue.push(bytes),
                Received::Bundle(parts) => {
                    parts.into_iter().for_each(|part| _ = connection.queue.push(part));
                }
                Received::Starved => {}
                Received::End => {
                    open -= 1;
                    continue;
                }
                other => panic!("{other:?}"),
            }
            if !is_armed {
                ring.receive(&connection.socket, GROUP, is_bundle, RECEIVE | number);
            }
            connection.begin(&mut ring, SEND | number);
        }
        client.join().unwrap();
        let echoed: u64 = connections.iter().map(|c| c.queue.flushed_bytes()).sum();
        let sent: usize = (0..CONNECTIONS).map(|n| ROUNDS * (MESSAGE + n) + 300).sum();
        assert_eq!(echoed, sent as u64);
        println!("{consume:?}, bundles {is_bundle}: {:?}", buffers.stats());
        ring.unregister(&mut buffers);
        drop((buffers, connections));
        Pool::flush_thread();
        assert_eq!(pool.stats().live_blocks, 0);
    }
}

#[test]
fn a_cancelled_receive_leaves_its_bytes_in_the_socket() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    let Some(mut buffers) = buffers(&mut ring, &pool, 4, Consume::Whole) else { return };
    let message = b"received in two parts";
    for cut in 0..=message.len() {
        let (mut peer, mut socket) = tcp_pair();
        ring.receive(&socket, GROUP, false, RECEIVE);
        peer.write_all(&message[..cut]).unwrap();
        let mut received = Vec::new();
        while received.len() < cut {
            let completion = ring.wait_for(RECEIVE);
            received.extend(bytes(take(&mut buffers, &completion).0));
        }
        ring.cancel(RECEIVE);
        let (cancelled, is_armed) = take(&mut buffers, &ring.wait_for(RECEIVE));
        assert!(matches!(cancelled, Received::Cancelled) && !is_armed, "{cancelled:?}");
        peer.write_all(&message[cut..]).unwrap();
        drop(peer);
        socket.read_to_end(&mut received).unwrap();
        assert_eq!(received, message, "{cut}");
        buffers.refill();
    }
    ring.unregister(&mut buffers);
}

#[test]
fn after_unregistering_nothing_is_written_and_the_next_registration_receives() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    let Some(mut buffers) = buffers(&mut ring, &pool, 4, Consume::Whole) else { return };
    let (mut peer, socket) = tcp_pair();
    ring.receive(&socket, GROUP, false, RECEIVE);
    ring.submit();
    ring.unregister(&mut buffers);
    peer.write_all(b"first ").unwrap();
    let (received, is_armed) = take(&mut buffers, &ring.wait_for(RECEIVE));
    assert!(matches!(received, Received::Starved) && !is_armed, "{received:?}");

    // A request that stays armed from one registration to the next receives into that.
    ring.register(&mut buffers).unwrap();
    buffers.refill();
    ring.receive(&socket, GROUP, false, RECEIVE);
    let (received, is_armed) = take(&mut buffers, &ring.wait_for(RECEIVE));
    assert!(is_armed);
    assert_eq!(bytes(received), b"first ");
    ring.unregister(&mut buffers);
    ring.register(&mut buffers).unwrap();
    buffers.refill();
    peer.write_all(b"second").unwrap();
    let (received, _) = take(&mut buffers, &ring.wait_for(RECEIVE));
    assert_eq!(bytes(received), b"second");
    ring.unregister(&mut buffers);
}

#[test]
fn a_ring_that_is_gone_has_written_nothing_and_its_memory_is_free() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build();
    let Some(mut buffers) = buffers(&mut ring, &pool, 4, Consume::Whole) else { return };
    let (mut peer, mut socket) = tcp_pair();
    ring.receive(&socket, GROUP, false, RECEIVE);
    ring.submit();
    drop(ring);
    peer.write_all(b"still there").unwrap();
    drop(peer);
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"still there");
    // SAFETY: the ring is gone with its requests.
    unsafe { buffers.unregister(|_| Ok(())) }.unwrap();
    drop(buffers);
    Pool::flush_thread();
    assert_eq!(pool.stats().live_blocks, 0);
}

#[test]
fn a_pool_at_its_limit_starves_the_ring_until_views_are_dropped() {
    let _baseline = ResourceBaseline::take();
    let Some(mut ring) = Ring::new() else { return };
    let pool = Pool::builder().build().budget("two blocks", 2 * BLOCK);
    let Some(mut buffers) = buffers(&mut ring, &pool, 4, Consume::Whole) else { return };
    assert_eq!(buffers.stats().empty, 2);
    let (mut peer, socket) = tcp_pair();
    let message = pattern(10 * BLOCK, 0);
    peer.write_all(&message).unwrap();
    let (mut kept, mut received) = (Vec::<ByteBuf>::new(), Vec::new());
    ring.receive(&socket, GROUP, false, RECEIVE);
    while received.len() < message.len() {
        let (taken, is_armed) = take(&mut buffers, &ring.wait_for(RECEIVE));
        match taken {
            Received::Bytes(bytes) => {
                received.extend_from_slice(&bytes);
                kept.push(bytes);
            }
            Received::Starved => {
                assert_eq!((buffers.refill(), kept.len()), (4, 2));
                kept.clear();
                Pool::flush_thread();
                assert_eq!(buffers.refill(), 2);
            }
            other => panic!("{other:?}"),
        }
        if !is_armed {
            ring.receive(&socket, GROUP, false, RECEIVE);
        }
    }
    assert!(received == message);
    assert!(buffers.stats().starved >= 4);
    ring.cancel(RECEIVE);
    while ring.wait().user_data != CANCEL {}
    ring.unregister(&mut buffers);
}
