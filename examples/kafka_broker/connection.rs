//! One connection: it receives requests and sends responses in the same order.
//!
//! One task runs both directions, so the broker receives and executes a request while earlier responses wait for a sync, for
//! batches or for a slow peer. At most [`MAX_IN_FLIGHT`](limits::MAX_IN_FLIGHT) responses are outstanding; then the connection
//! receives no more.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytebuf::{ByteBuf, Payload, Pool, WriteQueue};
use bytes::Buf;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::Api;
use crate::broker::Broker;
use crate::limits;
use crate::stats::count;

/// The parts of a response, once they are known. An error ends the connection.
pub(crate) type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<Payload>>> + Send>>;

/// Serves a peer until it disconnects, violates the protocol or a limit, or the socket fails.
pub(crate) async fn serve(broker: &Arc<Broker>, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = broker.peer(stream)?;
    let (sender, answers) = mpsc::channel(limits::MAX_IN_FLIGHT);
    let mut writing = pin!(write(broker, stream, answers));
    let reading = async {
        let mut inbox = Inbox::new(broker);
        while let Some(frame) = inbox.receive(broker, stream).await? {
            count(&broker.stats.requests, 1);
            let answer = broker.answer(frame, &peer).await?;
            if let Some(answer) = answer
                && sender.send(answer).await.is_err()
            {
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

/// Sends each answer, in order.
async fn write(
    broker: &Broker,
    stream: &TcpStream,
    mut answers: mpsc::Receiver<Answer>,
) -> io::Result<()> {
    let mut queue = WriteQueue::new().with_budget(limits::FLUSH);
    let mut next = None;
    while let Some(answer) = match next.take() {
        Some(answer) => Some(answer),
        None => answers.recv().await,
    } {
        let mut in_memory = push(&mut queue, answer.await?);
        // The same flush sends short responses that are ready.
        while queue.pending_bytes() < limits::TOGETHER
            && let Ok(mut answer) = answers.try_recv()
        {
            match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
                Poll::Ready(parts) => in_memory += push(&mut queue, parts?),
                Poll::Pending => {
                    next = Some(answer);
                    break;
                }
            }
        }
        let until = Instant::now()
            + broker.options.stalled
            + limits::time_for(usize::try_from(queue.pending_bytes()).unwrap_or(usize::MAX));
        while !queue.is_empty() {
            let before = queue.stats();
            let flushed = timeout(broker.options.stalled, queue.flush_all(stream)).await;
            let now = queue.stats();
            broker.stats.flushed(before, now);
            match flushed {
                Ok(flushed) => flushed?,
                // The peer reads slowly. A file may wait for it; memory is kept from other peers only for a time.
                Err(_)
                    if now.system_calls() > before.system_calls() + 1
                        && (in_memory <= limits::FIRST_BLOCK as u64 || Instant::now() < until) => {}
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
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
    /// The account of this connection, for requests that need more than the first block.
    pool: Pool,
}

impl Inbox {
    fn new(broker: &Broker) -> Self {
        Self {
            bytes: ByteBuf::new(),
            pool: broker.pool.budget("connection", limits::CONNECTION_BYTES),
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
        loop {
            let length = self.length()?;
            if let Some(length) = length
                && self.bytes.len() >= length
            {
                let mut frame = self.bytes.split_to(length);
                frame.advance(4);
                return Ok(Some(frame));
            }
            let until = match self.bytes.len() {
                0 => Instant::now() + broker.options.idle,
                held => begun + broker.options.stalled + limits::time_for(held),
            };
            let ready = timeout_at(until, stream.readable()).await;
            ready.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
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
            0..=limits::FIRST_BLOCK => Pool::global().try_alloc(size),
            _ => self.pool.alloc_wait(size).await,
        }
        .map_err(io::Error::other)?;
        if length == Some(size) {
            // The next request begins in another block, so that this one is released with its request.
            block.set_max_capacity(size).map_err(io::Error::other)?;
        }
        block.extend_from_slice(&self.bytes);
        self.bytes = block;
        Ok(())
    }
}
