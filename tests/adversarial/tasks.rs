//! Readiness that lies or panics, and futures that are forgotten.

use super::outcome;
use super::resource_baseline::ResourceBaseline;
use bytebuf::{ByteBuf, ReadReady, RecvSizer, Splice, WriteQueue, WriteReady};
use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A socket that does what it is asked, and says of every second call that it has not. It is ready for
/// some calls, and panics behind one of them if it is told to.
struct Liar {
    socket: UnixStream,
    calls: Cell<usize>,
    panics: usize,
}

const READY: usize = 50;

impl Liar {
    fn new(socket: UnixStream, panics: usize) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, calls: Cell::new(0), panics })
    }

    fn poll(&self) -> Poll<io::Result<()>> {
        if self.calls.get() % READY == READY - 1 {
            self.calls.set(self.calls.get() + 1);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call<R>(&self, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let nth = self.calls.replace(self.calls.get() + 1);
        let done = call();
        assert_ne!(nth, self.panics, "a stream that has enough");
        if nth.is_multiple_of(2) { Err(ErrorKind::WouldBlock.into()) } else { done }
    }
}

impl AsFd for Liar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl WriteReady for Liar {
    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll()
    }

    fn try_write<R>(&self, write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.call(write)
    }
}

impl ReadReady for Liar {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll()
    }

    fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.call(read)
    }
}

/// Never, for [`Liar::panics`].
const NEVER: usize = usize::MAX;

fn bytes() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i / 3) as u8).collect()
}

/// Makes a future anew and polls it once, again and again, until it is done; each but the last is forgotten,
/// or left by a panic. Between them `peer` is read.
fn run(
    peer: &mut UnixStream,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
) -> io::Result<Vec<u8>> {
    peer.set_nonblocking(true)?;
    let mut seen = Vec::new();
    loop {
        let polled = outcome(|| poll(&mut Context::from_waker(Waker::noop())));
        _ = peer.read_to_end(&mut seen);
        if let Ok(Poll::Ready(done)) = polled {
            return done.map(|()| seen);
        }
    }
}

fn poll_and_forget<T>(
    mut future: Pin<Box<dyn Future<Output = T> + '_>>,
    cx: &mut Context<'_>,
) -> Poll<T> {
    let polled = future.as_mut().poll(cx);
    std::mem::forget(future);
    polled
}

#[test]
fn a_stream_that_reports_an_error_after_a_write_gets_every_byte_once() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    for panics in [NEVER, 0, 1, 2, 3, 7] {
        let (ours, mut peer) = UnixStream::pair()?;
        let out = Liar::new(ours, panics)?;
        let mut queue = WriteQueue::new().with_budget(30_000);
        bytes().chunks(7000).for_each(|part| _ = queue.push(part.to_vec()));
        let seen = run(&mut peer, |cx| poll_and_forget(Box::pin(queue.flush_all(&out)), cx))?;
        assert!(seen == bytes(), "{panics}");
        assert_eq!((queue.flushed_bytes(), queue.pending_bytes()), (100_000, 0));
    }
    Ok(())
}

#[test]
fn a_splice_with_false_readiness_moves_every_byte_once() -> io::Result<()> {
    let baseline = ResourceBaseline::take();
    // Its pipe is kept for the next one.
    baseline.lose_descriptors(2);
    for panics in [NEVER, 0, 1, 2, 3, 7] {
        let ((mut sender, from), (to, mut peer)) = (UnixStream::pair()?, UnixStream::pair()?);
        let (from, to) = (Liar::new(from, panics)?, Liar::new(to, panics)?);
        sender.write_all(&bytes())?;
        drop(sender);
        let mut splice = Splice::new().with_budget(30_000);
        let seen = run(&mut peer, |cx| {
            let moving = poll_and_forget(Box::pin(splice.transfer_all(&from, &to)), cx);
            moving.map_ok(|moved| assert_eq!(moved, 100_000))
        })?;
        assert!(seen == bytes(), "{panics}");
    }
    Ok(())
}

#[test]
fn a_receive_with_false_readiness_keeps_what_arrived() -> io::Result<()> {
    let _baseline = ResourceBaseline::take();
    for panics in [NEVER, 0, 1, 2, 3, 7] {
        let (mut sender, from) = UnixStream::pair()?;
        sender.write_all(&bytes())?;
        drop(sender);
        let from = Liar::new(from, panics)?;
        let (mut sizer, mut input) = (RecvSizer::with_range(1000, 1000), ByteBuf::new());
        let cx = &mut Context::from_waker(Waker::noop());
        while input.len() < 100_000 {
            let receiving = Box::pin(sizer.receive_some(&from, &mut input));
            _ = outcome(|| poll_and_forget(receiving, cx));
        }
        assert!(input == bytes(), "{panics}");
    }
    Ok(())
}
