//! The server: one thread, one ring, one buffer group.
#![allow(unsafe_code, reason = "the memory of a submitted request must stay until its completion")]

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

use bytebuf::{
    BufferRing, BufferRingStats, Consume, Pool, Received, Registration, SendOperation, WriteQueue,
};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use rustix::io::Errno;
use slab::Slab;

const GROUP: u16 = 1;
const BLOCK: usize = 4096;

/// Maximum bytes of one send, so that connections take turns.
const MAX_SEND: usize = 256 * 1024;

/// The kind of a request, in the upper half of its user data; the lower half is the connection.
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const CANCEL: u64 = 4 << 32;

pub(crate) struct Server {
    ring: IoUring,
    buffers: BufferRing,
    listener: TcpListener,
    connections: Slab<Connection>,
    /// Requests that wait for space in the ring.
    requests: VecDeque<squeue::Entry>,
    /// False while no descriptor is free for another connection.
    is_accepting: bool,
    /// Connections whose receive is armed as soon as there are blocks.
    to_arm: Vec<usize>,
}

struct Connection {
    socket: TcpStream,
    peer: SocketAddr,
    queue: WriteQueue,
    /// The send in flight.
    operation: Option<SendOperation>,
    is_armed: bool,
    /// Nothing more is received: the peer has shut down its direction, or a call failed.
    has_ended: bool,
    error: Option<io::Error>,
}

/// A connection that has ended.
pub(crate) struct Ended {
    pub(crate) peer: SocketAddr,
    pub(crate) bytes: u64,
    pub(crate) error: Option<io::Error>,
}

impl Server {
    pub(crate) fn new(
        listener: TcpListener,
        pool: &Pool,
        blocks: u16,
        consume: Consume,
    ) -> io::Result<Self> {
        let ring = IoUring::builder().setup_single_issuer().setup_coop_taskrun().build(1024)?;
        let mut buffers = BufferRing::new(pool, GROUP, blocks, BLOCK, consume)?;
        let call = |r: Registration| {
            let submitter = ring.submitter();
            // SAFETY: `buffers` keeps the memory until it is unregistered.
            unsafe {
                submitter.register_buf_ring_with_flags(r.address, r.entries, r.group, r.flags)
            }
        };
        // SAFETY: registered once, as its contract requires.
        unsafe { buffers.register(call) }?;
        buffers.refill();
        let (requests, to_arm) = (VecDeque::new(), Vec::new());
        let connections = Slab::new();
        let is_accepting = false;
        let mut server =
            Self { ring, buffers, listener, connections, requests, is_accepting, to_arm };
        server.accept();
        Ok(server)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Returns the bytes sent on the open connections.
    pub(crate) fn echoed(&self) -> u64 {
        self.connections.iter().map(|(_, connection)| connection.queue.flushed_bytes()).sum()
    }

    pub(crate) fn held(&self) -> BufferRingStats {
        self.buffers.stats()
    }

    /// Waits for completions and acts on them. Returns the connections that have ended.
    pub(crate) fn turn(&mut self) -> io::Result<Vec<Ended>> {
        self.submit_and_wait()?;
        let completed: Vec<_> = self.ring.completion().collect();
        let mut ended = Vec::new();
        for entry in completed {
            let at = entry.user_data() as u32 as usize;
            match entry.user_data() & !u64::from(u32::MAX) {
                ACCEPT => {
                    self.accepted(&entry)?;
                    continue;
                }
                RECEIVE => self.received(at, &entry),
                SEND => self.sent(at, &entry),
                _ => continue,
            }
            ended.extend(self.proceed(at));
        }
        if !self.is_accepting && !ended.is_empty() {
            self.accept();
        }
        self.arm();
        Ok(ended)
    }

    fn submit_and_wait(&mut self) -> io::Result<()> {
        while !self.requests.is_empty() {
            let mut submission = self.ring.submission();
            while let Some(request) = self.requests.front() {
                // SAFETY: a receive has no memory of its own. The operation has the memory of a send, and its connection
                // keeps it until the completion. A connection is kept until none of its requests is in flight.
                if unsafe { submission.push(request) }.is_err() {
                    break;
                }
                self.requests.pop_front();
            }
            drop(submission);
            if !self.requests.is_empty() {
                self.ring.submit()?;
            }
        }
        match self.ring.submit_and_wait(1) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other.map(drop),
        }
    }

    fn request(&mut self, request: squeue::Entry, user_data: u64) {
        self.requests.push_back(request.user_data(user_data));
    }

    fn accept(&mut self) {
        self.is_accepting = true;
        let listener = types::Fd(self.listener.as_raw_fd());
        self.request(opcode::AcceptMulti::new(listener).build(), ACCEPT);
    }

    fn accepted(&mut self, entry: &cqueue::Entry) -> io::Result<()> {
        let error = (entry.result() < 0).then(|| Errno::from_raw_os_error(-entry.result()));
        if let Some(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) = error {
            // Another attempt would fail at once: the next one follows the end of a connection.
            self.is_accepting = false;
            return if self.connections.is_empty() { Err(error.into()) } else { Ok(()) };
        }
        if !cqueue::more(entry.flags()) {
            self.accept();
        }
        // Any other error concerns one connection.
        if error.is_some() {
            return Ok(());
        }
        // SAFETY: the completion passes the ownership of a new descriptor.
        let socket = unsafe { TcpStream::from_raw_fd(entry.result()) };
        // Fails if the peer has gone.
        let Ok(peer) = socket.set_nodelay(true).and_then(|()| socket.peer_addr()) else {
            return Ok(());
        };
        let at = self.connections.insert(Connection {
            socket,
            peer,
            queue: WriteQueue::new(),
            operation: None,
            is_armed: false,
            has_ended: false,
            error: None,
        });
        self.to_arm.push(at);
        Ok(())
    }

    fn received(&mut self, at: usize, entry: &cqueue::Entry) {
        // SAFETY: called once for each completion of the group, in the order of the queue.
        let taken = unsafe { self.buffers.take(entry.result(), entry.flags()) };
        let connection = &mut self.connections[at];
        connection.is_armed = taken.is_armed;
        match taken.received {
            Received::Bytes(bytes) => _ = connection.queue.push(bytes),
            Received::Bundle(parts) => {
                parts.into_iter().for_each(|part| _ = connection.queue.push(part));
            }
            Received::End => connection.has_ended = true,
            Received::Failed(error) => connection.fail(error),
            // The receive is armed again by `proceed`.
            _ => {}
        }
    }

    fn sent(&mut self, at: usize, entry: &cqueue::Entry) {
        let connection = &mut self.connections[at];
        let Some(operation) = connection.operation.take() else { return };
        // These sends copy, so nothing stays in flight.
        let settled = connection.queue.settle(operation, entry.result(), entry.flags());
        if let Err(error) = settled.sent {
            connection.fail(error);
        }
    }

    /// Starts the requests that a connection can make now, or ends it.
    fn proceed(&mut self, at: usize) -> Option<Ended> {
        let connection = &mut self.connections[at];
        if connection.error.is_none() && connection.operation.is_none() {
            // `begin` fails only if it cannot read a file, and none is queued.
            connection.operation = connection.queue.begin(MAX_SEND).unwrap_or_default();
            if let Some(operation) = &connection.operation {
                let socket = types::Fd(connection.socket.as_raw_fd());
                let request = opcode::SendMsg::new(socket, operation.message().cast())
                    .flags(operation.message_flags())
                    .build();
                self.requests.push_back(request.user_data(SEND | at as u64));
            }
        }
        let may_receive = !connection.has_ended && connection.queue.is_writable();
        if may_receive && !connection.is_armed {
            self.to_arm.push(at);
        } else if connection.is_armed && !may_receive {
            // The server does not read from a peer that does not read its echo.
            self.request(opcode::AsyncCancel::new(RECEIVE | at as u64).build(), CANCEL);
        } else if connection.has_ended && connection.operation.is_none() && !connection.is_armed {
            let connection = self.connections.remove(at);
            let bytes = connection.queue.flushed_bytes();
            return Some(Ended { peer: connection.peer, bytes, error: connection.error });
        }
        None
    }

    /// Offers fresh blocks and arms the receives that wait for them. Without a block a receive fails at once.
    fn arm(&mut self) {
        self.buffers.refill();
        if self.buffers.stats().offered == 0 {
            return;
        }
        for at in std::mem::take(&mut self.to_arm) {
            let Some(connection) = self.connections.get_mut(at) else { continue };
            if !std::mem::replace(&mut connection.is_armed, true) {
                let socket = types::Fd(connection.socket.as_raw_fd());
                self.request(opcode::RecvMulti::new(socket, GROUP).build(), RECEIVE | at as u64);
            }
        }
    }
}

impl Connection {
    /// Shuts down both directions, so that requests in flight complete.
    fn fail(&mut self, error: io::Error) {
        self.has_ended = true;
        self.error.get_or_insert(error);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let submitter = self.ring.submitter();
        // SAFETY: the group is registered with this ring. If the call fails, the memory leaks.
        let _ = unsafe { self.buffers.unregister(|group| submitter.unregister_buf_ring(group)) };
    }
}
