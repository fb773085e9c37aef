//! Connections over loopback, each with a thread at the other end.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use rustix::net::{RecvFlags, recv, sockopt};

/// A connection over loopback, with the most common congestion control.
pub(crate) fn tcp() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    for end in [&here, &there] {
        end.set_nodelay(true)?;
        // Otherwise the default of the system; both sides of a ratio use the same connection.
        let _ = sockopt::set_tcp_congestion(end, "cubic");
    }
    Ok((here, there))
}

/// A sink: a thread receives and counts all bytes.
pub(crate) struct Sink {
    out: OwnedFd,
    taken: Arc<AtomicU64>,
}

impl Sink {
    /// Discards bytes that arrive over TCP, without a copy.
    pub(crate) fn tcp() -> io::Result<Self> {
        let (out, peer) = tcp()?;
        Ok(Self::reading(out.into(), peer.into(), RecvFlags::TRUNC))
    }

    /// Copies bytes from a unix socket, which cannot discard them.
    pub(crate) fn unix() -> io::Result<Self> {
        let (out, peer) = UnixStream::pair()?;
        Ok(Self::reading(out.into(), peer.into(), RecvFlags::empty()))
    }

    fn reading(out: OwnedFd, peer: OwnedFd, flags: RecvFlags) -> Self {
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while let Ok((_, bytes @ 1..)) = recv(&peer, &mut buffer[..], flags) {
                count.fetch_add(bytes as u64, Ordering::Release);
            }
        });
        Self { out, taken }
    }

    /// Waits until this many bytes have arrived since the last call.
    pub(crate) fn await_bytes(&self, bytes: usize) {
        while self.taken.load(Ordering::Acquire) != bytes as u64 {
            thread::yield_now();
        }
        self.taken.store(0, Ordering::Release);
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.out.as_fd()
    }
}

/// A source over TCP: a thread sends the requested number of bytes.
pub(crate) struct Source {
    pub(crate) stream: TcpStream,
    requests: Sender<usize>,
}

impl Source {
    pub(crate) fn new() -> io::Result<Self> {
        let (stream, mut peer) = tcp()?;
        let (requests, orders) = mpsc::channel::<usize>();
        thread::spawn(move || -> io::Result<()> {
            let bytes = vec![7; 256 * 1024];
            for order in orders {
                let mut left = order;
                while left > 0 {
                    left -= peer.write(&bytes[..left.min(bytes.len())])?;
                }
            }
            Ok(())
        });
        Ok(Self { stream, requests })
    }

    pub(crate) fn request(&self, bytes: usize) {
        self.requests.send(bytes).expect("the sender lives as long as its channel");
    }
}

/// Writes all bytes, however few each call takes.
pub(crate) fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::write(&to, bytes)?;
        bytes = &bytes[written..];
    }
    Ok(())
}
