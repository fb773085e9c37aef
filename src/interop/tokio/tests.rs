use std::future::poll_fn;
use std::io::{self, Write};
use std::task::{Context, Poll, Waker};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, unix::pipe};

use super::WriteReady;
use crate::buf::{ByteBuf, CompositeByteBuf};
use crate::io::{FileRegion, RecvSizer, Splice, WriteQueue};
use crate::pool::Pool;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::{file_with, tcp_pair, unix_pair};
use crate::test_runtime::run;

/// More than any socket holds, in memory and as a file.
fn long_queue() -> (WriteQueue, Vec<u8>) {
    let contents: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 11) as u8).collect();
    let file = file_with(&contents);
    let mut queue = WriteQueue::new();
    queue.push("head");
    queue.push(FileRegion::new(file, 0..contents.len() as u64));
    queue.push(contents.clone());
    (queue, [b"head", &contents[..], &contents].concat())
}

async fn sends_everything(out: impl WriteReady, mut from: impl AsyncReadExt + Unpin) {
    let (mut queue, stream) = long_queue();
    let send = async {
        queue.flush_all(&out).await.unwrap();
        drop(out);
    };
    let receive = async {
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        received
    };
    let ((), received) = both(send, receive).await;
    assert!(received == stream);
    assert!(queue.is_empty());
}

async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(move |cx| {
        if a_done.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            a_done = Some(value);
        }
        if b_done.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            b_done = Some(value);
        }
        if a_done.is_some() && b_done.is_some() {
            return Poll::Ready((a_done.take().unwrap(), b_done.take().unwrap()));
        }
        Poll::Pending
    })
    .await
}

#[test]
#[allow(deprecated, reason = "the new constructor is unsafe; a std stream keeps its promise")]
fn every_kind_of_stream_gets_everything() {
    run(async {
        let (out, from) = UnixStream::pair().unwrap();
        sends_everything(out, from).await;

        let (out, from) = pipe::pipe().unwrap();
        sends_everything(out, from).await;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        sends_everything(out, listener.accept().await.unwrap().0).await;

        let (out, from) = unix_pair();
        let out = AsyncFd::new(out).unwrap();
        sends_everything(out, UnixStream::from_std(from).unwrap()).await;
    });
}

#[test]
fn a_proxy_carries_both_directions_and_their_ends() {
    run(async {
        let (client, front) = UnixStream::pair().unwrap();
        let (back, mut server) = UnixStream::pair().unwrap();
        let (mut there, mut here) = (Splice::new(), Splice::new());
        let proxy = async {
            let upstream = async {
                let moved = there.transfer_all(&front, &back).await.unwrap();
                crate::shutdown_write(&back).unwrap();
                moved
            };
            let downstream = async {
                let moved = here.transfer_all(&back, &front).await.unwrap();
                crate::shutdown_write(&front).unwrap();
                moved
            };
            both(upstream, downstream).await
        };
        let (mut from_proxy, to_proxy) = client.into_split();
        let (mut queue, stream) = long_queue();
        let ends = async {
            let send = async {
                queue.flush_all(to_proxy.as_ref()).await.unwrap();
                drop(to_proxy);
            };
            // The server answers only when the request has ended.
            let serve = async {
                let mut request = Vec::new();
                server.read_to_end(&mut request).await.unwrap();
                let mut answer = WriteQueue::new();
                answer.push(request);
                answer.flush_all(&server).await.unwrap();
                drop(server);
            };
            let receive = async {
                let mut received = Vec::new();
                from_proxy.read_to_end(&mut received).await.unwrap();
                received
            };
            both(send, both(serve, receive)).await.1.1
        };
        let (moved, received) = both(proxy, ends).await;
        assert!(received == stream);
        assert_eq!(moved, (stream.len() as u64, stream.len() as u64));
    });
}

/// Tokio reports each change of readiness once, so what follows an urgent byte must not wait for the next
/// one.
#[test]
#[cfg(target_os = "linux")]
fn a_transfer_gets_past_urgent_bytes_while_the_peer_is_silent() {
    use rustix::net::{SendFlags, send};

    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (front, _) = listener.accept().await.unwrap();
        let (back, mut server) = UnixStream::pair().unwrap();
        let mut splice = Splice::new();
        let ends = async move {
            for _ in 0..3 {
                let parts = [(&b"before"[..], SendFlags::empty()), (b"!", SendFlags::OOB)];
                for (bytes, flags) in
                    parts.into_iter().chain([(&b"behind"[..], SendFlags::empty())])
                {
                    assert_eq!(send(&client, bytes, flags).unwrap(), bytes.len());
                }
                let mut arrived = [0; 12];
                server.read_exact(&mut arrived).await.unwrap();
                assert_eq!(&arrived, b"beforebehind");
            }
            drop(client);
            server
        };
        let (moved, _server) = both(splice.transfer_all(&front, &back), ends).await;
        assert_eq!(moved.unwrap(), 36);
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    run(async {
        let (out, mut from) = UnixStream::pair().unwrap();
        let (mut queue, stream) = long_queue();
        let mut received = Vec::new();
        while !queue.is_empty() {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = std::pin::pin!(queue.flush_all(&out)).poll(&mut cx);
            while from.try_read_buf(&mut received).is_ok() {}
            tokio::task::yield_now().await;
        }
        drop(out);
        from.read_to_end(&mut received).await.unwrap();
        assert!(received == stream);
    });
}

#[test]
fn a_spent_budget_gives_way_and_wakes() {
    run(async {
        let (out, _from) = UnixStream::pair().unwrap();
        let mut queue = WriteQueue::new().with_budget(10);
        queue.push("fifteen bytes..");
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            queue.poll_flush(cx, &out)
        })
        .await
        .unwrap();
        assert_eq!(polls, 2);
    });
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    run(async {
        let (out, from) = UnixStream::pair().unwrap();
        drop(from);
        let mut queue = WriteQueue::new();
        queue.push("unread");
        let error = queue.flush_all(&out).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(queue.pending_bytes(), 6);
    });
}

#[test]
fn receiving_waits_without_memory_and_ends_with_the_stream() {
    run(async {
        let (socket, mut peer) = UnixStream::pair().unwrap();
        let (mut sizer, mut input) = (RecvSizer::new(), ByteBuf::new());
        let pool = Pool::builder().build();
        let mut parts = CompositeByteBuf::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sizer.poll_receive(&mut cx, &socket, &mut input).is_pending());
        assert!(sizer.poll_receive_vectored(&mut cx, &socket, &pool, &mut parts).is_pending());
        assert_eq!((input.capacity(), pool.stats().live), (0, 0));

        let late = async { peer.write_all(b"first").await.unwrap() };
        let (received, ()) = both(sizer.receive_some(&socket, &mut input), late).await;
        assert_eq!((received.unwrap(), &input[..]), (5, &b"first"[..]));

        let late = async { peer.write_all(b"second").await.unwrap() };
        let parted = poll_fn(|cx| sizer.poll_receive_vectored(cx, &socket, &pool, &mut parts));
        let (received, ()) = both(parted, late).await;
        assert_eq!((received.unwrap(), &parts), (6, &CompositeByteBuf::from("second")));

        drop(peer);
        assert_eq!(sizer.receive_some(&socket, &mut input).await.unwrap(), 0);
        assert_eq!(&input[..], b"first");
    });
}

/// To tokio, a stream that was once ready with an error is closed for writing, and no wait for it ever ends
/// otherwise than at once.
#[test]
fn zero_copy_is_not_used_over_tokio() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut from = listener.accept().await.unwrap().0;
        let mut queue = WriteQueue::new().with_zero_copy(1);
        let mut stream = Vec::new();
        for n in 0..100 {
            let part = ByteBuf::from(&[n; 60_000][..]);
            stream.extend_from_slice(&part);
            queue.push(part);
        }
        let send = async {
            queue.flush_all(&out).await.unwrap();
            drop(out);
        };
        let receive = async {
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.unwrap();
            received
        };
        assert!(both(send, receive).await.1 == stream);
        assert_eq!(queue.stats().zero_copy_sends + queue.stats().zero_copy_controls, 0);
    });
}

/// Through a full disk, which is full once, and pauses of the peer.
#[test]
fn an_upload_is_gathered_into_its_file_and_a_full_disk_loses_none_of_it() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
    let (peer, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let sent = bytes.clone();
    let sender = std::thread::spawn(move || (&peer).write_all(&sent).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload");
    let file = std::fs::File::create(&path).unwrap();
    let mut refuse = 2;
    let full = rustix::io::Errno::NOSPC.raw_os_error();
    // The portable system calls write to a file as they send to a socket.
    let plan = move |call, _| match call {
        Call::Write | Call::Send if refuse > 0 => {
            refuse -= 1;
            if refuse == 0 { Outcome::Fail(full) } else { Outcome::Short(1000) }
        }
        _ => Outcome::Pass,
    };
    let mut splice = Splice::new();
    with_plan(plan, || {
        run(async {
            let socket = UnixStream::from_std(socket).unwrap();
            let error = splice.transfer_to_file(&socket, &file).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(splice.held_bytes() > 0);
            assert_eq!(splice.transfer_to_file(&socket, &file).await.unwrap(), 3_000_000);
        });
    });
    sender.join().unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert!(splice.system_calls() > 0 && splice.held_bytes() == 0);
}

#[test]
fn a_socket_whose_peer_is_gone_has_no_direction_left_to_end() {
    let (left, right) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(right);
    crate::shutdown_write(&left).unwrap();
    let (socket, mut peer) = tcp_pair();
    crate::shutdown_write(&socket).unwrap();
    let mut end = Vec::new();
    io::Read::read_to_end(&mut peer, &mut end).unwrap();
    drop(peer);
    crate::shutdown_write(&socket).unwrap();
    assert!(crate::shutdown_write(tempfile::tempfile().unwrap()).is_err());
}
