//! One connection: it receives requests and sends responses in the same order.
//!
//! One task runs both directions, so the broker receives and executes a request while earlier responses wait for a sync, for
//! batches or for a slow peer. At most [`MAX_IN_FLIGHT`](limits::MAX_IN_FLIGHT) responses are outstanding; then the connection
//! receives no more.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytebuf::{ByteBuf, Payload, Pool, WriteQueue};
use bytes::Buf;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::Api;
use crate::broker::{Broker, Memory};
use crate::limits;
use crate::stats::count;

/// A response that is not known yet.
pub(crate) struct Answer {
    /// The parts of the response. An error ends the connection.
    parts: Pin<Box<dyn Future<Output = io::Result<Vec<Payload>>> + Send>>,
    /// The bytes that it keeps of the memory of requests.
    kept: usize,
}

impl Answer {
    pub(crate) fn new(
        parts: impl Future<Output = io::Result<Vec<Payload>>> + Send + 'static,
    ) -> Self {
        Self::keeping(0, parts)
    }

    /// An answer that keeps a request of this length.
    pub(crate) fn keeping(
        length: usize,
        parts: impl Future<Output = io::Result<Vec<Payload>>> + Send + 'static,
    ) -> Self {
        let kept = if length > limits::FIRST_BLOCK { length } else { 0 };
        Self { parts: Box::pin(parts), kept }
    }
}

/// Serves a peer until it disconnects, violates the protocol or a limit, or the socket fails.
pub(crate) async fn serve(broker: &Arc<Broker>, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = broker.peer(stream)?;
    let (sender, answers) = mpsc::channel(limits::MAX_IN_FLIGHT);
    let kept = AtomicUsize::new(0);
    let mut writing = pin!(write(broker, stream, answers, &kept));
    let reading = async {
        let mut inbox = Inbox::new(broker);
        while let Some(frame) = inbox.receive(broker, stream).await? {
            count(&broker.stats.requests, 1);
            let answer = broker.answer(frame, &peer).await?;
            let Some(answer) = answer else { continue };
            kept.fetch_add(answer.kept, Ordering::Relaxed);
            if sender.send(answer).await.is_err() {
                break;
            }
        }
        // The peer has disconnected, so no response is left to send.
        Ok(sender)
    };
    tokio::select! {
        ended = &mut writing => ended,
        ended = reading => match ended {
            Ok(_sender) => Ok(()),
            Err(error) => {
                // Earlier requests are answered first, within a limited time. The sender is dropped.
                let _ = timeout(broker.options.stalled, writing).await;
                Err(error)
            }
        },
    }
}

pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Waits for `work` until a moment that may change meanwhile, and so is looked at again after each `interval`.
async fn wait_until<T>(
    work: impl Future<Output = T>,
    interval: Duration,
    until: impl Fn() -> Instant,
) -> io::Result<T> {
    let mut work = pin!(work);
    loop {
        let moment = until().min(Instant::now() + interval);
        match timeout_at(moment, work.as_mut()).await {
            Ok(done) => return Ok(done),
            Err(_) if Instant::now() >= until() => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

/// Sends each answer, in order. `kept` counts the bytes of requests that the answers keep.
async fn write(
    broker: &Broker,
    stream: &TcpStream,
    mut answers: mpsc::Receiver<Answer>,
    kept: &AtomicUsize,
) -> io::Result<()> {
    let interval = broker.options.stalled / limits::HURRY;
    let mut queue = WriteQueue::new().with_budget(limits::FLUSH);
    let mut next = None;
    while let Some(answer) = match next.take() {
        Some(answer) => Some(answer),
        None => answers.recv().await,
    } {
        // It may wait for long, unless others need the memory of the requests behind it.
        let begun = Instant::now();
        let until = || match kept.load(Ordering::Relaxed) > 0 && broker.requests.is_wanted() {
            true => begun + interval,
            false => Instant::now() + interval,
        };
        let parts = wait_until(answer.parts, interval, until).await?;
        kept.fetch_sub(answer.kept, Ordering::Relaxed);
        let mut in_memory = push(&mut queue, parts?);
        // The same flush sends short responses that are ready.
        while queue.pending_bytes() < limits::TOGETHER
            && let Ok(mut answer) = answers.try_recv()
        {
            match poll_fn(|cx| Poll::Ready(answer.parts.as_mut().poll(cx))).await {
                Poll::Ready(parts) => {
                    kept.fetch_sub(answer.kept, Ordering::Relaxed);
                    in_memory += push(&mut queue, parts?);
                }
                Poll::Pending => {
                    next = Some(answer);
                    break;
                }
            }
        }
        flush(broker, stream, &mut queue, in_memory, kept).await?;
    }
    Ok(())
}

/// Sends all that is queued, of which `in_memory` bytes are not files.
async fn flush(
    broker: &Broker,
    stream: &TcpStream,
    queue: &mut WriteQueue,
    in_memory: u64,
    kept: &AtomicUsize,
) -> io::Result<()> {
    let interval = broker.options.stalled / limits::HURRY;
    let begun = Instant::now();
    let (mut sent, mut progress) = (0, begun);
    while !queue.is_empty() {
        let before = queue.stats();
        let flushed = timeout(interval, queue.flush_all(stream)).await;
        let moved = broker.stats.flushed(before, queue.stats());
        if let Ok(flushed) = flushed {
            flushed?;
            continue;
        }
        // The peer reads slowly. A file may wait for it; memory is kept from other peers only for a time.
        let (now, in_memory) = (Instant::now(), in_memory > limits::FIRST_BLOCK as u64);
        let is_wanted = in_memory && (broker.responses.is_wanted() || broker.copies.is_wanted())
            || kept.load(Ordering::Relaxed) > 0 && broker.requests.is_wanted();
        let patience = if is_wanted { interval } else { broker.options.stalled };
        if moved > 0 {
            (sent, progress) = (sent + moved, now);
        }
        let is_slow = now >= begun + patience + limits::time_for(sent);
        if now >= progress + patience || is_slow && (in_memory || is_wanted) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Queues the parts of a response; returns the number of its bytes that are in memory.
fn push(queue: &mut WriteQueue, parts: Vec<Payload>) -> u64 {
    let mut in_memory = 0;
    for part in parts {
        in_memory += if matches!(part, Payload::File(_)) { 0 } else { part.len() };
        queue.push(part);
    }
    in_memory
}

/// Received bytes that are not a whole request yet.
struct Inbox {
    bytes: ByteBuf,
    /// For requests that need more than the first block.
    memory: Memory,
}

impl Inbox {
    fn new(broker: &Broker) -> Self {
        Self {
            bytes: ByteBuf::new(),
            memory: broker.requests.part("connection", limits::CONNECTION_BYTES),
        }
    }

    /// Receives the next request, without its length; `None` if the peer disconnected.
    ///
    /// While the peer sends nothing, this holds no memory. A request that does not fit in the first
    /// block gets one of its own, and is received where it stays.
    async fn receive(
        &mut self,
        broker: &Broker,
        stream: &TcpStream,
    ) -> io::Result<Option<ByteBuf>> {
        // When the first byte of the request was there, or its predecessor was complete.
        let mut begun = Instant::now();
        let idle_until = begun + broker.options.idle;
        loop {
            let length = self.length()?;
            if let Some(length) = length
                && self.bytes.len() >= length
            {
                let mut frame = self.bytes.split_to(length);
                frame.advance(4);
                return Ok(Some(frame));
            }
            let stalled = broker.options.stalled;
            match self.bytes.len() {
                0 => wait_until(stream.readable(), broker.options.idle, || idle_until).await??,
                _ => {
                    let until = || begun + self.patience(stalled);
                    wait_until(stream.readable(), stalled / limits::HURRY, until).await??;
                }
            }
            if self.bytes.is_empty() {
                begun = Instant::now();
            }
            let asked = Instant::now();
            self.make_space(length).await?;
            // The wait for memory does not count as the peer's time.
            begun += asked.elapsed();
            count(&broker.stats.receives, 1);
            match self.receive_some(stream) {
                Ok(0) if self.bytes.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => count(&broker.stats.received, n as u64),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
            if self.bytes.is_empty() {
                self.bytes = ByteBuf::new();
            }
        }
    }

    /// How long the rest of a request may take.
    fn patience(&self, stalled: Duration) -> Duration {
        let holds = self.bytes.capacity() > limits::FIRST_BLOCK;
        let is_wanted = holds && self.memory.is_wanted();
        let patience = if is_wanted { stalled / limits::HURRY } else { stalled };
        patience + limits::time_for(self.bytes.len() as u64)
    }

    /// Receives into the space there is.
    fn receive_some(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let space = self.bytes.capacity() - self.bytes.len();
        let mut received = 0;
        let more = stream.try_io(Interest::READABLE, || {
            let filled = self.bytes.read_into_spare(|space| {
                recv(stream, space, RecvFlags::empty()).map(|((filled, _), _)| filled)
            });
            received = filled?;
            // The socket is empty now. Reporting `WouldBlock` saves the call that would find nothing.
            let is_empty = (1..space).contains(&received);
            if is_empty { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match more {
            Err(error) if received == 0 => Err(error),
            _ => Ok(received),
        }
    }

    /// The length of the request with the length in front of it, once that has been received.
    fn length(&self) -> io::Result<Option<usize>> {
        let (Some(length), Some(key)) = (self.bytes.peek_i32(0), self.bytes.peek_i16(4)) else {
            return Ok(None);
        };
        let produces = key == Api::Produce.key();
        let most = if produces { limits::MAX_PRODUCE } else { limits::MAX_REQUEST };
        match usize::try_from(length) {
            Ok(length) if (8..=most).contains(&length) => Ok(Some(4 + length)),
            _ => Err(invalid(format!("a request of {length} bytes; 8 to {most} are allowed"))),
        }
    }

    /// Makes space for more of a request, which may be of known length.
    async fn make_space(&mut self, length: Option<usize>) -> io::Result<()> {
        let (held, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity > held {
            return Ok(());
        }
        let most = (held * limits::AHEAD).max(limits::FIRST_BLOCK);
        let size = length.unwrap_or(limits::FIRST_BLOCK).max(held + 1).min(most);
        let mut block = match size {
            // The number of connections bounds these blocks, so that an unfinished large request does not delay a
            // small request of another connection.
            0..=limits::FIRST_BLOCK => Pool::global().try_alloc(size).map_err(io::Error::other)?,
            _ => self.memory.replace(&self.bytes, size).await?,
        };
        if length == Some(size) {
            // The next request begins in another block, so that this one is released with its request.
            block.set_max_capacity(size).map_err(io::Error::other)?;
        }
        block.extend_from_slice(&self.bytes);
        self.bytes = block;
        Ok(())
    }
}
