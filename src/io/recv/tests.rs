use std::io::Write;
use std::os::unix::net::UnixStream;

use bytes::Buf;

use super::*;
use crate::sys::{Call, Outcome, with_plan};

#[test]
fn the_size_follows_the_peer_and_stays_in_range() {
    let mut sizer = RecvSizer::with_range(100, 5000);
    for _ in 0..10 {
        sizer.record(sizer.size(), sizer.size());
    }
    assert_eq!(sizer.size(), 5000);
    sizer.record(2000, 5000);
    assert_eq!(sizer.size(), 5000, "it was well used");
    sizer.record(1000, 5000);
    assert_eq!(sizer.size(), 2000, "it falls at once");
    sizer.record(0, 2000);
    assert_eq!(sizer.size(), 100);
    let mut extreme = RecvSizer::with_range(1, usize::MAX);
    for _ in 0..100 {
        extreme.record(usize::MAX, usize::MAX);
    }
    assert_eq!(extreme.size(), usize::MAX);
    extreme.record(usize::MAX / 4, usize::MAX);
    assert_eq!(extreme.size(), usize::MAX / 4 * 2);
}

#[test]
fn a_stream_arrives_whole_through_a_growing_buffer() {
    let stream: Vec<u8> = (0..500_000_u32).map(|i| (i / 3) as u8).collect();
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let send = stream.clone();
    let feeder = std::thread::spawn(move || peer.write_all(&send).unwrap());
    let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
    while sizer.receive(&socket, &mut input).unwrap() > 0 {}
    feeder.join().unwrap();
    assert!(input == stream[..]);
}

#[test]
fn a_failure_keeps_what_was_held_and_holds_nothing_else() {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    peer.write_all(b"held, then more").unwrap();
    let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
    let mut plan = vec![
        Outcome::Fail(rustix::io::Errno::IO.raw_os_error()),
        Outcome::Short(6),
        Outcome::Fail(rustix::io::Errno::CONNRESET.raw_os_error()),
        Outcome::Fail(rustix::io::Errno::INTR.raw_os_error()),
        Outcome::Pass,
    ]
    .into_iter();
    with_plan(
        move |call, _| match call {
            Call::Read => plan.next().unwrap_or(Outcome::Pass),
            _ => Outcome::Pass,
        },
        || {
            assert!(sizer.receive(&socket, &mut input).is_err());
            assert_eq!(input.capacity(), 0);
            assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 6);
            assert!(sizer.receive(&socket, &mut input).is_err());
            assert_eq!(&input[..], b"held, ");
            assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 9);
            assert_eq!(&input[..], b"held, then more");
        },
    );
}

#[test]
fn waiting_with_a_few_bytes_holds_no_more_than_four_times_their_memory() {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let pool = Pool::builder().build();
    for part in [1, 100, 3000] {
        let mut sizer = RecvSizer::with_range(64 * 1024, 64 * 1024);
        let mut input = pool.alloc(10);
        peer.write_all(&vec![5; part]).unwrap();
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), part);
        for _ in 0..2 {
            let idle = sizer.receive(&socket, &mut input).unwrap_err();
            assert_eq!(idle.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(input[..], vec![5; part][..]);
            let live = pool.stats().live;
            assert!(live <= (4 * part).max(256), "{live} bytes are held for {part}");
        }
        peer.write_all(b"more").unwrap();
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 4);
        assert_eq!(input[part..], b"more"[..]);
    }
}

#[test]
fn a_stream_arrives_whole_through_many_blocks() {
    let stream: Vec<u8> = (0..500_000_u32).map(|i| (i / 3) as u8).collect();
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let send = stream.clone();
    let feeder = std::thread::spawn(move || peer.write_all(&send).unwrap());
    let pool = Pool::builder().build();
    let (mut sizer, mut input) = (RecvSizer::new(), CompositeByteBuf::new());
    let mut largest = 0;
    loop {
        let before = input.len();
        match sizer.receive_vectored(&socket, &pool, &mut input).unwrap() {
            0 => break,
            received => largest = largest.max(received),
        }
        assert!(input.len() > before);
    }
    feeder.join().unwrap();
    assert!(input == stream[..]);
    assert!(largest > LARGEST_BLOCK, "one call fills several blocks: {largest}");
    let parts = input.components().len();
    let kept = pool.stats().live;
    assert!(kept <= 2 * stream.len() + parts * RANGE.0, "{kept} bytes are kept by {parts}");
}

/// Every boundary of the blocks, and every way that a call ends.
#[test]
fn many_blocks_hold_exactly_what_was_received() {
    let pool = Pool::builder().build();
    let mut dirty = pool.alloc(LARGEST_BLOCK);
    dirty.resize(LARGEST_BLOCK, 0xAA);
    drop(dirty);
    let bytes: Vec<u8> = (0..100_u8).collect();
    for sent in 0..=bytes.len() {
        let (mut peer, socket) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        peer.write_all(&bytes[..sent]).unwrap();
        let mut sizer = RecvSizer::with_range(4, 64);
        (0..3).for_each(|_| sizer.record(64, 64));
        let mut input = CompositeByteBuf::from("held");
        let plan = [Outcome::Fail(rustix::io::Errno::INTR.raw_os_error()), Outcome::Short(33)];
        let mut plan = plan.into_iter();
        let plan = move |call, _| match call {
            Call::ReadVectored => plan.next().unwrap_or(Outcome::Pass),
            _ => Outcome::Pass,
        };
        let got = with_plan(plan, || sizer.receive_vectored(&socket, &pool, &mut input));
        match got {
            Ok(received) => assert_eq!(received, sent.min(33)),
            Err(e) => assert_eq!((e.kind(), sent), (io::ErrorKind::WouldBlock, 0)),
        }
        assert_eq!(input.slice(4..), bytes[..sent.min(33)]);
        // 4, 4, 8, 16, 32: as many of them as are needed.
        let needed = [0, 4, 8, 16, 32].iter().filter(|before| sent.min(33) > **before).count();
        assert_eq!(input.components().len(), 1 + needed);
        drop(peer);
        while sizer.receive_vectored(&socket, &pool, &mut input).unwrap() > 0 {}
        assert_eq!(input.slice(4..), bytes[..sent]);
    }
    assert_eq!(pool.stats().live, 0);
}

#[test]
fn a_pool_with_little_left_gives_less_capacity_and_an_empty_one_an_error() {
    let pool = Pool::builder().build();
    let tenant = pool.budget("tenant", 3000);
    let (mut peer, socket) = UnixStream::pair().unwrap();
    peer.write_all(&[1; 5000]).unwrap();
    let mut sizer = RecvSizer::with_range(1024, 64 * 1024);
    (0..3).for_each(|_| sizer.record(64 * 1024, 64 * 1024));
    let mut input = CompositeByteBuf::new();
    assert_eq!(sizer.receive_vectored(&socket, &tenant, &mut input).unwrap(), 2048);
    // Less than the least size of the sizer: it still receives.
    let mut last = 2048;
    let error = loop {
        match sizer.receive_vectored(&socket, &tenant, &mut input) {
            Ok(received) => {
                assert!((1..=last).contains(&received), "{received} after {last}");
                last = received;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    assert!(tenant.try_alloc(1).is_err(), "not a byte was left");
    assert_eq!(input, vec![1; input.len()]);
    let left = 5000 - input.len();
    drop(input);
    let mut rest = CompositeByteBuf::new();
    while rest.len() < left {
        assert!(sizer.receive_vectored(&socket, &tenant, &mut rest).unwrap() > 0);
    }
}

#[test]
fn a_receive_uses_the_spare_capacity_when_the_pool_has_no_more() {
    let tenant = Pool::builder().build().budget("tenant", 8192);
    let (mut peer, socket) = UnixStream::pair().unwrap();
    let mut sizer = RecvSizer::with_range(16 * 1024, 64 * 1024);
    let mut input = tenant.alloc(8192);
    input.extend_from_slice(b"held ");
    peer.write_all(b"a request").unwrap();
    assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 9);
    assert_eq!(input, b"held a request"[..]);

    // The sizer requests 16 KiB; the tenant has 4 KiB left beside the held bytes.
    drop(input);
    let mut input = tenant.budget("part", 5120).alloc(1024);
    input.resize(1024, b'.');
    peer.write_all(&[b'.'; 9000]).unwrap();
    let received = sizer.receive(&socket, &mut input).unwrap();
    assert!(received > 0 && input.len() == 1024 + received && input.iter().all(|&b| b == b'.'));

    // Full, with no memory left: an error, and never 0, which means the end.
    let mut full = tenant.budget("full", 64).alloc(64);
    full.resize(64, 1);
    let error = sizer.receive(&socket, &mut full).unwrap_err();
    assert_eq!((error.kind(), full.len()), (io::ErrorKind::OutOfMemory, 64));
}

#[test]
fn a_buffer_keeps_its_maximum_and_allocates_from_its_own_pool() {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut sizer = RecvSizer::with_range(4096, 4096);
    let mut input = ByteBuf::new();
    input.set_max_capacity(1000).unwrap();
    let idle = sizer.receive(&socket, &mut input).unwrap_err();
    assert_eq!((idle.kind(), input.capacity()), (io::ErrorKind::WouldBlock, 0));
    peer.write_all(&[7; 3000]).unwrap();
    assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 1000);
    let full = sizer.receive(&socket, &mut input).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::OutOfMemory);
    input.advance(400);
    assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 400);
    assert_eq!((input.len(), input.max_capacity()), (1000, 1000));

    let tenant = Pool::builder().build().budget("tenant", 8192);
    let used = || tenant.budget_stats().unwrap().used;
    for capacity in [100, 0] {
        let mut input = tenant.alloc(capacity);
        peer.write_all(&[7; 1600]).unwrap();
        assert!(sizer.receive(&socket, &mut input).unwrap() > 0);
        assert!(used() >= 4096);
        input.clear();
        while sizer.receive(&socket, &mut input).is_ok() {
            input.clear();
        }
        // Nothing is held while it waits, and the next bytes are charged again.
        assert_eq!((input.capacity(), used()), (0, 0));
        peer.write_all(&[7; 10]).unwrap();
        assert_eq!(sizer.receive(&socket, &mut input).unwrap(), 10);
        assert!(used() > 0);
    }
}

#[test]
#[should_panic(expected = "receive sizes from 0 to 10")]
fn a_least_size_of_zero_is_refused() {
    let _ = RecvSizer::with_range(0, 10);
}

#[test]
fn what_was_received_is_kept_when_a_shedder_panics() {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    peer.write_all(b"!").unwrap();
    let shed = |_: &crate::BudgetStats| panic!("no memory is given up");
    let tenant = Pool::builder().build().budget_shedding("tenant", 64 + 2048, shed);
    // A small component that is shared: the byte is copied behind it, into a new block.
    let held = tenant.copy_from_slice(b"held");
    let mut input = CompositeByteBuf::from_iter(["x"; 16]);
    input.insert(16, held.clone());
    let mut sizer = RecvSizer::new();
    let receive = std::panic::AssertUnwindSafe(|| {
        sizer.receive_vectored(&socket, &tenant, &mut input).map(drop)
    });
    assert!(std::panic::catch_unwind(receive).is_err());
    assert_eq!(input, "xxxxxxxxxxxxxxxxheld!");
}
