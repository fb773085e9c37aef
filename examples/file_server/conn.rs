//! One connection: reads requests from the socket, answers them into a write queue, and flushes the queue to the socket.
//!
//! A connection holds at most: one receive buffer of [`HEAD_MAX`] bytes, only while a request is incomplete; a queue that takes
//! no new request while it is above its watermark; a few open files; and its place in the table until the timeout.

use std::io;
use std::time::{Duration, Instant};

use bytebuf::{ByteBuf, Flush, Pool, Spliced, WriteQueue};
use bytes::Buf;
use rustix::event::epoll::EventFlags;

use crate::body::Rest;
use crate::channel::{Channel, Received};
use crate::http::{self, HEAD_MAX, refuse};
use crate::site::Site;

/// How long the socket stays open after the last reply: closing it with unread bytes resets the
/// connection, and the peer may lose the reply.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Pieces of a file that one connection sends in its turn.
const ROUNDS: usize = 16;
/// Requests answered before a flush.
const BATCH: usize = 64;

#[derive(Debug)]
pub(crate) struct Conn {
    channel: Channel,
    /// Bytes received and not yet consumed; no buffer between requests.
    inbox: Option<ByteBuf>,
    outbox: WriteQueue,
    /// A body that is not in the queue yet, or bypasses it.
    rest: Option<Rest>,
    /// Bytes of a request body to skip.
    skip: u64,
    stage: Stage,
    /// The readiness from edge-triggered events: each flag holds until a call shows the opposite.
    readable: bool,
    blocked: bool,
    hung_up: bool,
    /// All bytes of the peer are received.
    ended: bool,
    /// The time when a byte was last sent, or a request began.
    progress: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Requests are answered.
    Open,
    /// The last reply is in the queue.
    Last,
    /// Everything is sent; further bytes of the peer are discarded until it closes.
    Lingering,
}

/// The action of the loop after a connection's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Waits for an event.
    Wait,
    /// Has more work, after the turns of the others.
    Again,
    Close,
}

/// The reason why the received requests wait.
#[derive(PartialEq, Eq)]
enum Pause {
    /// The next request is incomplete.
    NeedsInput,
    /// The queue must send some replies first.
    Full,
}

impl Conn {
    /// Creates a connection that sends up to `turn` bytes in its turn.
    pub(crate) fn new(channel: Channel, turn: u64, now: Instant) -> Self {
        Self {
            channel,
            inbox: None,
            outbox: WriteQueue::new().with_budget(turn),
            rest: None,
            skip: 0,
            stage: Stage::Open,
            readable: false,
            blocked: false,
            hung_up: false,
            ended: false,
            progress: now,
        }
    }

    /// Records an event.
    pub(crate) fn wake(&mut self, flags: EventFlags) {
        let unread = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.readable |= flags.intersects(unread);
        self.blocked &= !flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
        self.hung_up |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
    }

    /// Runs one turn: receives, answers and sends.
    pub(crate) fn run(&mut self, site: &mut Site, now: Instant) -> Next {
        // After an error the peer has disconnected, or a file is shorter than the announced length:
        // the connection cannot continue.
        self.turn(site, now).unwrap_or(Next::Close)
    }

    /// Receives once: later bytes belong to the next turn (see `file_cache`).
    fn turn(&mut self, site: &mut Site, now: Instant) -> io::Result<Next> {
        if let Some(next) = self.send(site, now)? {
            return Ok(next);
        }
        if !self.readable {
            return Ok(Next::Wait);
        }
        self.receive(site, now)?;
        let next = self.send(site, now)?;
        Ok(next.unwrap_or(if self.readable { Next::Again } else { Next::Wait }))
    }

    /// Answers and sends; returns `None` when it needs more input.
    fn send(&mut self, site: &mut Site, now: Instant) -> io::Result<Option<Next>> {
        for _ in 0..ROUNDS {
            let pause = self.answer(site)?;
            if !self.outbox.is_empty() || self.channel.has_unsent() {
                if self.blocked {
                    return Ok(Some(Next::Wait));
                }
                let flush = self.channel.flush(&mut self.outbox, &mut site.counters)?;
                site.counters.sent += flush.bytes();
                if flush.bytes() > 0 {
                    self.progress = now;
                }
                match flush {
                    Flush::Done(_) => {}
                    Flush::WouldBlock(_) => {
                        self.blocked = true;
                        return Ok(Some(Next::Wait));
                    }
                    Flush::BudgetSpent(_) => return Ok(Some(Next::Again)),
                }
            }
            if pause == Pause::NeedsInput {
                return self.end_if_last(site, now);
            }
            if let Some(next) = self.splice(site, now)? {
                return Ok(Some(next));
            }
            if self.rest.is_none() {
                break;
            }
        }
        Ok(Some(Next::Again))
    }

    /// Splices a body to the socket while the queue is empty; returns `None` when there is nothing left to splice.
    fn splice(&mut self, site: &mut Site, now: Instant) -> io::Result<Option<Next>> {
        let Some(rest) = &mut self.rest else { return Ok(None) };
        if self.blocked {
            return Ok(Some(Next::Wait));
        }
        let Some(spliced) = rest.splice_to(&self.channel, &mut site.counters)? else {
            return Ok(None);
        };
        site.counters.sent += spliced.bytes();
        if spliced.bytes() > 0 {
            self.progress = now;
        }
        self.rest.take_if(|rest| rest.is_empty());
        Ok(match spliced {
            Spliced::Done(_) => None,
            Spliced::TargetFull(_) => {
                self.blocked = true;
                Some(Next::Wait)
            }
            Spliced::BudgetSpent(_) | Spliced::SourceEmpty(_) => Some(Next::Again),
        })
    }

    /// Called when all replies are sent. Ends a connection that takes no further request.
    fn end_if_last(&mut self, site: &mut Site, now: Instant) -> io::Result<Option<Next>> {
        if self.ended {
            return Ok(Some(Next::Close));
        }
        if self.stage == Stage::Last {
            if !self.channel.end(&mut site.counters)? {
                self.blocked = true;
                return Ok(Some(Next::Wait));
            }
            self.stage = Stage::Lingering;
            self.progress = now;
        }
        Ok(None)
    }

    /// Answers the received requests, as many as the queue takes.
    fn answer(&mut self, site: &mut Site) -> io::Result<Pause> {
        for _ in 0..BATCH {
            if let Some(rest) = &mut self.rest {
                if !self.outbox.is_writable() {
                    return Ok(Pause::Full);
                }
                let Some(piece) = rest.piece(&mut site.counters)? else { return Ok(Pause::Full) };
                self.outbox.push(piece);
                self.rest.take_if(|rest| rest.is_empty());
                continue;
            }
            let Some(inbox) = self.inbox.as_mut().filter(|_| self.stage == Stage::Open) else {
                self.inbox = None;
                return Ok(Pause::NeedsInput);
            };
            let skipped = inbox.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            inbox.advance(skipped);
            self.skip -= skipped as u64;
            if inbox.is_empty() {
                self.inbox = None;
                return Ok(Pause::NeedsInput);
            }
            // Checked only with a request to answer: a full queue alone needs no further turn.
            if !self.outbox.is_writable() {
                return Ok(Pause::Full);
            }
            match http::parse(inbox) {
                Ok(None) => return Ok(Pause::NeedsInput),
                Ok(Some((request, length))) => {
                    self.skip = request.body;
                    self.rest = site.reply(&request, &mut self.outbox);
                    let is_last = self.rest.as_ref().is_some_and(Rest::ends_with_connection);
                    if is_last || !request.keep_alive {
                        self.stage = Stage::Last;
                    }
                    inbox.advance(length);
                }
                Err(refusal) => {
                    site.refuse(&refusal, &mut self.outbox);
                    self.stage = Stage::Last;
                }
            }
        }
        Ok(Pause::Full)
    }

    /// Receives up to one full buffer.
    fn receive(&mut self, site: &mut Site, now: Instant) -> io::Result<()> {
        let inbox = self.inbox.get_or_insert_with(|| Pool::global().alloc(HEAD_MAX));
        inbox.discard_read();
        // Skipped bytes of a body belong to an earlier request.
        let begins = inbox.is_empty() && self.skip == 0 && self.stage == Stage::Open;
        // Not zero: a head that fills the buffer has been refused.
        let limit = HEAD_MAX - inbox.len();
        match self.channel.receive(inbox, limit, &mut site.counters)? {
            Received::Bytes(bytes) => {
                if begins {
                    self.progress = now;
                }
                // A short read has emptied the socket, except for the end of the stream.
                let emptied = bytes < limit && self.channel.empties_with_short_reads();
                self.readable = !emptied || self.hung_up;
            }
            Received::Again => {}
            Received::Nothing => self.readable = false,
            Received::End => (self.ended, self.readable) = (true, false),
        }
        Ok(())
    }

    /// Returns whether nothing is queued, and the connection does not linger.
    pub(crate) fn is_idle(&self) -> bool {
        let is_sent = self.outbox.is_empty() && self.rest.is_none() && !self.channel.has_unsent();
        is_sent && self.stage != Stage::Lingering
    }

    /// Takes no further request; queued replies are still sent.
    pub(crate) fn finish(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Last;
        }
    }

    /// Returns whether the connection has exceeded its timeout.
    pub(crate) fn is_overdue(&self, now: Instant, timeout: Duration) -> bool {
        let limit = if self.stage == Stage::Lingering { timeout.min(LINGER_TIME) } else { timeout };
        now.duration_since(self.progress) > limit
    }

    /// Ends an overdue connection: with a reply to a peer that began a request, at once otherwise.
    pub(crate) fn time_out(&mut self, site: &mut Site, now: Instant) -> Next {
        if self.stage != Stage::Open || self.inbox.is_none() || !self.is_idle() {
            return Next::Close;
        }
        site.refuse(&refuse(408, "the request took too long"), &mut self.outbox);
        self.stage = Stage::Last;
        self.run(site, now)
    }

    /// Closes the socket and adds up the counters.
    pub(crate) fn close(self, site: &mut Site) {
        site.counters.add_queue(&self.outbox.stats(), self.channel.calls_of(&self.outbox.stats()));
        self.channel.close(&mut site.counters);
    }
}
