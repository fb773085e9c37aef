//! Frames by `bytebuf::codec` and by `tokio_util::codec`, over one loopback connection each, in turns.
//!
//! ```text
//! cargo bench --features tokio --bench framed -- [--quick] [--only DIRECTION] [--sizes SIZE,..] [--sleep] [--congestion NAME]
//! cargo bench --features tokio --bench framed -- --count SYSTEM SIZE DIRECTION     # under strace -f -c
//! ```
//!
//! A separate thread is the peer. The measured thread runs a current-thread runtime; its cost is its processor
//! time, as the kernel accounts it to the thread. Frames are length-prefixed. *receive*: the peer sends a stream of
//! frames, each is decoded and dropped. *send*: clones of one `Bytes` are fed, and flushed at the end. *forward*: each
//! received frame is fed to the connection again, which is flushed when no frame is ready.
//!
//! The calls are those that the codec makes to the socket; `--count` runs one job alone, for `strace`.
//!
//! Two kinds of work of the kernel swing by more than the codecs differ, so they are left out unless they are asked for. With
//! `--sleep` the peer sleeps while it can neither send nor receive (it polls otherwise): the kernel wakes it in the middle of a
//! send, at the sender's cost. With `--congestion bbr` (otherwise reno) timers pace the sender, also at the cost of the thread
//! that they interrupt. The table has the sleeps of the peer.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt::set_tcp_congestion;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes of a measured stream.
const STREAM: usize = 32 << 20;
/// The maximum number of frames of a stream.
const FRAMES: usize = 100_000;
const SIZES: [usize; 6] = [16, 128, 1024, 8 * 1024, 64 * 1024, 1 << 20];
const ROUNDS: usize = 21;
/// The most bytes that the peer sends with one call, unless a frame is longer.
const PIECE: usize = 1 << 20;
const LIMIT: usize = 64 << 20;

/// A socket that counts its calls.
struct Counted {
    socket: tokio::net::TcpStream,
    calls: usize,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.calls += 1;
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.calls += 1;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls += 1;
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Receive,
    Send,
    Forward,
}

/// Returns the processor time of the thread.
type Clock = fn() -> Duration;

/// The cost of a stream of frames.
#[derive(Clone, Copy)]
struct Cost {
    nanos: f64,
    calls: f64,
    /// The sleeps of the peer.
    sleeps: f64,
}

/// What the kernel does at the cost of the measured thread, beside its calls.
#[derive(Clone, Copy)]
struct Conditions<'a> {
    congestion: &'a str,
    peer_sleeps: bool,
}

/// A congestion control without timers.
const RENO: &str = "reno";

/// Frames of one codec over a socket; both codecs run the same code.
macro_rules! system {
    ($name:ident, $codec:path, $sent:expr) => {
        mod $name {
            use super::*;
            use $codec as codec;

            pub(super) type Frames = codec::Framed<Counted, codec::LengthDelimitedCodec>;

            pub(super) fn frames(socket: Counted) -> Frames {
                codec::LengthDelimitedCodec::builder().max_frame_length(LIMIT).new_framed(socket)
            }

            /// Runs one stream and returns the number of received frames.
            pub(super) async fn run(
                frames: &mut Frames,
                direction: Direction,
                size: usize,
                count: usize,
            ) {
                let sent = $sent;
                let frame = Bytes::from(vec![7; size]);
                match direction {
                    Direction::Receive => {
                        for _ in 0..count {
                            assert_eq!(next(frames).await.len(), size);
                        }
                    }
                    Direction::Send => {
                        for _ in 0..count {
                            feed(frames, frame.clone()).await;
                        }
                        flush(frames).await;
                    }
                    Direction::Forward => {
                        let mut left = count;
                        while left > 0 {
                            let frame = next(frames).await;
                            left -= 1;
                            feed(frames, sent(frame)).await;
                            while let Some(frame) = ready(frames).await {
                                left -= 1;
                                feed(frames, sent(frame)).await;
                            }
                            flush(frames).await;
                        }
                    }
                }
            }

            type Frame = <codec::LengthDelimitedCodec as codec::Decoder>::Item;

            pub(super) async fn next(frames: &mut Frames) -> Frame {
                poll_fn(|cx| Pin::new(&mut *frames).poll_next(cx)).await.unwrap().unwrap()
            }

            /// Returns a frame if one is ready.
            async fn ready(frames: &mut Frames) -> Option<Frame> {
                poll_fn(|cx| match Pin::new(&mut *frames).poll_next(cx) {
                    Poll::Ready(frame) => Poll::Ready(frame.map(Result::unwrap)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await
            }

            async fn feed<I>(frames: &mut Frames, frame: I)
            where
                codec::LengthDelimitedCodec: codec::Encoder<I, Error = io::Error>,
            {
                poll_fn(|cx| Sink::<I>::poll_ready(Pin::new(&mut *frames), cx)).await.unwrap();
                Pin::new(&mut *frames).start_send(frame).unwrap();
            }

            async fn flush(frames: &mut Frames) {
                poll_fn(|cx| Sink::<Bytes>::poll_flush(Pin::new(&mut *frames), cx)).await.unwrap();
            }

            /// Measures one stream, with the peer in a thread.
            pub(super) fn measure(
                direction: Direction,
                size: usize,
                count: usize,
                clock: Clock,
                conditions: Conditions<'_>,
            ) -> Cost {
                let (socket, far) = pair(conditions.congestion);
                let peer_sleeps = conditions.peer_sleeps;
                let runtime = runtime();
                runtime.block_on(async {
                    let mut frames = frames(socket());
                    // One-time growth is over.
                    let peer =
                        std::thread::spawn(move || serve(far, direction, size, count, peer_sleeps));
                    let before = clock();
                    run(&mut frames, direction, size, count).await;
                    let nanos = (clock() - before).as_nanos() as f64;
                    let calls = frames.get_ref().calls as f64;
                    drop(frames);
                    let sleeps = peer.join().unwrap() as f64;
                    let [nanos, calls, sleeps] =
                        [nanos, calls, sleeps].map(|all| all / count as f64);
                    Cost { nanos, calls, sleeps }
                })
            }

            /// Returns the resident KiB before and after one frame of 64 MiB is received and sent back, while the
            /// connection waits for the next one.
            pub(super) fn burst() -> (u64, u64) {
                let (socket, mut peer) = pair(RENO);
                runtime().block_on(async {
                    let mut frames = frames(socket());
                    peer.write_all(b"\0\0\0\x01x").unwrap();
                    drop(next(&mut frames).await);
                    assert!(ready(&mut frames).await.is_none());
                    let before = resident();
                    let peer = std::thread::spawn(move || {
                        peer.write_all(&(LIMIT as u32).to_be_bytes()).unwrap();
                        let piece = vec![7; 1 << 16];
                        for _ in 0..LIMIT >> 16 {
                            peer.write_all(&piece).unwrap();
                        }
                        let mut back = vec![0; 1 << 16];
                        for _ in 0..LIMIT >> 16 {
                            peer.read_exact(&mut back).unwrap();
                        }
                        peer.read_exact(&mut [0; 4]).unwrap();
                        peer
                    });
                    let sent = $sent;
                    let frame = next(&mut frames).await;
                    assert_eq!(frame.len(), LIMIT);
                    feed(&mut frames, sent(frame)).await;
                    flush(&mut frames).await;
                    let _peer = peer.join().unwrap();
                    for _ in 0..20 {
                        assert!(ready(&mut frames).await.is_none());
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    (before, resident())
                })
            }
        }
    };
}

// Each sends received bytes without a copy.
system!(ours, bytebuf::codec, |frame: bytebuf::ByteBuf| frame);
system!(theirs, tokio_util::codec, |frame: bytes::BytesMut| frame.freeze());

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn pair(congestion: &str) -> (impl FnOnce() -> Counted + use<>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    for end in [&socket, &peer] {
        // Keeps the default where it is refused.
        let _ = set_tcp_congestion(end, congestion);
    }
    socket.set_nonblocking(true).unwrap();
    let counted = || Counted { socket: tokio::net::TcpStream::from_std(socket).unwrap(), calls: 0 };
    (counted, peer)
}

/// The other end, on one thread: sends the frames, reads them, or both. Returns the number of its sleeps.
fn serve(
    mut socket: TcpStream,
    direction: Direction,
    size: usize,
    count: usize,
    sleeps_if_idle: bool,
) -> u64 {
    let frame = [&(size as u32).to_be_bytes()[..], &vec![7; size]].concat();
    let length = frame.len() * count;
    let many = frame.repeat((PIECE / frame.len()).max(1));
    let mut buffer = vec![0; 1 << 18];
    let (mut sent, mut received) = match direction {
        Direction::Receive => (0, length),
        Direction::Send => (length, 0),
        Direction::Forward => (0, 0),
    };
    socket.set_nonblocking(true).unwrap();
    while sent < length || received < length {
        let mut moved = 0;
        if sent < length {
            let from = sent % many.len();
            let to = many.len().min(from + length - sent);
            let written = if_ready(socket.write(&many[from..to]));
            (sent, moved) = (sent + written, moved + written);
        }
        if received < length {
            let most = buffer.len().min(length - received);
            let read = if_ready(socket.read(&mut buffer[..most]));
            (received, moved) = (received + read, moved + read);
        }
        if moved == 0 && sleeps_if_idle {
            let mut events = PollFlags::empty();
            events.set(PollFlags::OUT, sent < length);
            events.set(PollFlags::IN, received < length);
            rustix::event::poll(&mut [PollFd::new(&socket, events)], None).unwrap();
        } else if moved == 0 {
            std::thread::yield_now();
        }
    }
    sleeps()
}

/// Returns the number of bytes, 0 if the socket is full or empty.
fn if_ready(call: io::Result<usize>) -> usize {
    match call {
        Ok(0) => panic!("the connection has ended"),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        call => call.unwrap(),
    }
}

/// Returns the number of times that this thread has waited.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns whether the direction is to be measured: all are, unless one is named.
fn is_chosen(args: &[String], direction: Direction) -> bool {
    value(args, "--only").is_none_or(|only| format!("{direction:?}").eq_ignore_ascii_case(only))
}

/// Returns the argument behind the option.
fn value<'a>(args: &'a [String], option: &str) -> Option<&'a String> {
    args.iter().position(|arg| arg == option).and_then(|at| args.get(at + 1))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let directions = [Direction::Receive, Direction::Send, Direction::Forward];
    let conditions = Conditions {
        congestion: value(&args, "--congestion").map_or(RENO, String::as_str),
        peer_sleeps: args.iter().any(|arg| arg == "--sleep"),
    };
    if let [flag, system, size, direction] = &args[..]
        && flag == "--count"
    {
        let size: usize = size.parse().expect("a size in bytes");
        let direction = directions
            .into_iter()
            .find(|one| format!("{one:?}").eq_ignore_ascii_case(direction))
            .expect("receive, send or forward");
        let count = (STREAM / size).min(FRAMES);
        let measure = if system == "ours" { ours::measure } else { theirs::measure };
        // Keeps the clock out of the counts of valgrind and strace.
        let cost = measure(direction, size, count, || Duration::ZERO, conditions);
        return println!("{count} frames, {:.4} calls each", cost.calls);
    }
    let (rounds, share) =
        if args.iter().any(|arg| arg == "--quick") { (1, 16) } else { (ROUNDS, 1) };
    let sizes = value(&args, "--sizes").map_or(SIZES.to_vec(), |sizes| {
        sizes.split(',').map(|size| size.parse().expect("a size in bytes")).collect()
    });
    println!(
        "| frames | size | CPU ns per frame | tokio_util | ratio | calls per frame | tokio_util | ratio \
         | sleeps of the peer | tokio_util |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for direction in directions.into_iter().filter(|direction| is_chosen(&args, *direction)) {
        for &size in &sizes {
            let count = ((STREAM / size).min(FRAMES) / share).max(4);
            let mut costs = Vec::new();
            for round in 0..=rounds {
                let pair = if round % 2 == 0 {
                    let ours = ours::measure(direction, size, count, processor_time, conditions);
                    (ours, theirs::measure(direction, size, count, processor_time, conditions))
                } else {
                    let theirs =
                        theirs::measure(direction, size, count, processor_time, conditions);
                    (ours::measure(direction, size, count, processor_time, conditions), theirs)
                };
                costs.push(pair);
            }
            // The first round fills the caches.
            let costs = &costs[1..];
            let of = |part: fn(&(Cost, Cost)) -> f64| median(costs.iter().map(part).collect());
            println!(
                "| {} | {size} | {:.1} | {:.1} | {:.2} | {:.4} | {:.4} | {:.2} | {:.4} | {:.4} |",
                format!("{direction:?}").to_lowercase(),
                of(|c| c.0.nanos),
                of(|c| c.1.nanos),
                of(|c| c.0.nanos / c.1.nanos),
                of(|c| c.0.calls),
                of(|c| c.1.calls),
                of(|c| c.0.calls / c.1.calls),
                of(|c| c.0.sleeps),
                of(|c| c.1.sleeps),
            );
        }
    }
    if rounds > 1 {
        let (before, after) = ours::burst();
        println!(
            "\nresident around a frame of 64 MiB and its echo: {before} KiB before, {after} KiB after"
        );
        let (before, after) = theirs::burst();
        println!("with tokio_util: {before} KiB before, {after} KiB after");
    }
}
