//! Compares the memory of idle connections. Each kind of server runs in its own process, and its peer in another.
#![allow(unsafe_code, reason = "the kernel writes to buffers that stay with their connections")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};

use bytebuf::{ByteBuf, Consume, Pool, RecvSizer, WriteQueue};
use io_uring::{IoUring, opcode, types};
use rustix::event::epoll;

use crate::output::print_line;
use crate::server::Server;

/// Bytes of the receive buffer of one connection, and of one block of the ring.
const BUFFER: usize = 4096;
const BLOCKS: u16 = 64;

/// Descriptors of a process that are not connections.
const OWN_DESCRIPTORS: u64 = 16;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// `io_uring`, with a buffer and a posted receive for each connection.
    Own,
    /// `io_uring`, with a `BufferRing`.
    Ring,
    /// `epoll`, with a `RecvSizer` for each connection.
    Epoll,
}

/// Runs each kind and prints a table. `descriptors` is the limit of each process.
pub(crate) fn compare(connections: u32, descriptors: u64) -> io::Result<()> {
    let needed = u64::from(connections) + OWN_DESCRIPTORS;
    if descriptors < needed {
        return Err(io::Error::other(format!(
            "{connections} connections need {needed} descriptors, and the hard limit is {descriptors} (`ulimit -Hn`)"
        )));
    }
    print_line(format_args!(
        "{connections} idle connections, each of which has echoed one message"
    ));
    print_line(format_args!(
        "{:34} {:>14} {:>18} {:>14}",
        "", "pool, bytes", "per connection", "resident, KiB"
    ));
    for kind in ["own", "ring", "epoll"] {
        let mut command = myself()?;
        command.args(["--idle", &connections.to_string(), "--measure", kind]);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("{kind}: {}", output.status)));
        }
        print_line(String::from_utf8_lossy(&output.stdout).trim_end());
    }
    Ok(())
}

fn myself() -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Runs the peer: sends a message on each connection, reads the echo, prints `idle`, and keeps the connections until its input ends.
pub(crate) fn connect(address: &str, connections: u32) -> io::Result<()> {
    let mut sockets = Vec::new();
    for _ in 0..connections {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(b"ping")?;
        let mut echo = [0; 4];
        socket.read_exact(&mut echo)?;
        sockets.push(socket);
    }
    print_line("idle");
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// Serves until all connections are idle, then prints the memory that is held.
pub(crate) fn measure(kind: Kind, connections: u32) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let peer = listener.local_addr()?.to_string();
    let before = resident()?;
    let peer = || start_peer(&peer, connections);
    let (name, (_server, mut peer)) = match kind {
        Kind::Own => ("io_uring, a buffer each", own(listener, connections, peer)?),
        Kind::Ring => ("io_uring, BufferRing of 64 x 4 KiB", ring(listener, connections, peer)?),
        Kind::Epoll => ("epoll, RecvSizer", with_epoll(listener, connections, peer)?),
    };
    let mut line = String::new();
    let output = peer.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut line)?;
    if line != "idle\n" {
        return Err(io::Error::other("the peer failed"));
    }
    let held = Pool::global().stats().live;
    let per_connection = held as f64 / f64::from(connections);
    let resident = resident()?.saturating_sub(before);
    print_line(format_args!("{name:34} {held:>14} {per_connection:>18.1} {resident:>14}"));
    drop(peer.stdin.take());
    peer.wait().map(drop)
}

fn start_peer(address: &str, connections: u32) -> io::Result<Child> {
    myself()?
        .args(["--idle", &connections.to_string(), "--connect", address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

/// Returns the resident memory of this process in KiB.
fn resident() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    size.ok_or_else(|| io::Error::other("/proc shows no resident memory"))
}

type Held = (Box<dyn std::any::Any>, Child);

/// Serves from a `BufferRing` until each connection has echoed.
fn ring(
    listener: TcpListener,
    connections: u32,
    peer: impl Fn() -> io::Result<Child>,
) -> io::Result<Held> {
    let mut server = Server::new(listener, Pool::global(), BLOCKS, Consume::Whole)?;
    let peer = peer()?;
    while server.echoed() < 4 * u64::from(connections) {
        server.turn()?;
    }
    Ok((Box::new(server), peer))
}

/// Serves with a buffer for each connection, which must exist before the bytes arrive, until each connection has echoed.
fn own(
    listener: TcpListener,
    connections: u32,
    peer: impl Fn() -> io::Result<Child>,
) -> io::Result<Held> {
    let mut ring: IoUring = IoUring::new(64)?;
    let mut held = Vec::new();
    let peer = peer()?;
    for _ in 0..connections {
        let (socket, _) = listener.accept()?;
        let mut inbox = Pool::global().alloc(BUFFER);
        post(&mut ring, &socket, &mut inbox)?;
        ring.submit_and_wait(1)?;
        let received = ring.completion().next().map_or(0, |entry| entry.result());
        // SAFETY: the kernel has written this many bytes to the spare capacity.
        unsafe { inbox.set_len(usize::try_from(received).unwrap_or(0)) };
        (&socket).write_all(&inbox)?;
        post(&mut ring, &socket, &mut inbox)?;
        held.push((socket, inbox));
    }
    Ok((Box::new((ring, held)), peer))
}

/// Posts a receive into `inbox`. The caller keeps `inbox` with its connection, as long as the ring.
fn post(ring: &mut IoUring, socket: &TcpStream, inbox: &mut ByteBuf) -> io::Result<()> {
    let memory = inbox.as_uninit_mut();
    let (address, len) = (memory.as_mut_ptr().cast(), memory.len() as u32);
    let request = opcode::Recv::new(types::Fd(socket.as_raw_fd()), address, len).build();
    // SAFETY: the caller keeps `inbox`, and does not touch it until the completion.
    unsafe { ring.submission().push(&request) }.map_err(io::Error::other)?;
    ring.submit().map(drop)
}

/// Serves with `epoll` and a `RecvSizer` for each connection until each connection has echoed.
fn with_epoll(
    listener: TcpListener,
    connections: u32,
    peer: impl Fn() -> io::Result<Child>,
) -> io::Result<Held> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut held = Vec::new();
    let peer = peer()?;
    for _ in 0..connections {
        let (socket, _) = listener.accept()?;
        let data = epoll::EventData::new_u64(held.len() as u64);
        epoll::add(&poll, &socket, data, epoll::EventFlags::IN)?;
        held.push((socket, RecvSizer::new(), WriteQueue::new()));
        let mut events = Vec::with_capacity(16);
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let (socket, sizer, queue) = &mut held[event.data.u64() as usize];
            let mut inbox = ByteBuf::new();
            sizer.receive(socket.as_fd(), &mut inbox)?;
            queue.push(inbox);
            while !queue.flush(&*socket)?.is_done() {}
        }
    }
    Ok((Box::new((poll, held)), peer))
}
