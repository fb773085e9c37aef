//! The event loop: one thread, one epoll, every connection.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll::{Event, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv};
use rustls::ServerConfig;
use slab::Slab;

use crate::channel::Channel;
use crate::conn::{Conn, Next};
use crate::poller::Poller;
use crate::report::Counters;
use crate::site::Site;
use crate::tls::Session;

const LISTENER: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;

/// Maximum connections accepted in one turn.
const ACCEPTS: usize = 64;
/// How often the loop checks the timeouts of the connections.
const TICK: Duration = Duration::from_secs(1);

/// Limits on clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum open connections; further clients wait in the listener's backlog.
    pub(crate) connections: usize,
    /// How long a connection may go without a byte sent or a request begun.
    pub(crate) timeout: Duration,
    /// How long replies may continue after the first signal.
    pub(crate) grace: Duration,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All replies are sent.
    Finished,
    /// A second signal, or the end of the grace time, left this many connections unfinished.
    CutShort(usize),
}

#[derive(Debug)]
pub(crate) struct Server {
    poller: Poller,
    /// `None` after a signal.
    listener: Option<TcpListener>,
    /// The listener is not in the epoll until a connection is closed or a descriptor is free.
    is_full: bool,
    limits: Limits,
    /// When the server ends, even with unfinished replies; set by the first signal.
    deadline: Option<Instant>,
    signals: UnixStream,
    conns: Slab<Slot>,
    /// Connections with something to do, each of them once.
    due: Vec<usize>,
    next_tick: Instant,
    site: Site,
    /// The configuration, if connections use TLS.
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Debug)]
struct Slot {
    conn: Conn,
    is_due: bool,
}

impl Server {
    /// Creates a server of `site` for the clients of `listener`, which ends after a byte from `signals`.
    pub(crate) fn new(
        listener: TcpListener,
        signals: UnixStream,
        site: Site,
        limits: Limits,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        listener.set_nonblocking(true)?;
        signals.set_nonblocking(true)?;
        poller.add(&listener, LISTENER, EventFlags::IN)?;
        poller.add(&signals, SIGNALS, EventFlags::IN)?;
        Ok(Self {
            poller,
            listener: Some(listener),
            is_full: false,
            limits,
            deadline: None,
            signals,
            conns: Slab::new(),
            due: Vec::new(),
            next_tick: Instant::now() + TICK,
            site,
            tls,
        })
    }

    /// Runs until a signal ends the server, and returns the counters.
    pub(crate) fn run(mut self) -> io::Result<(Counters, Ending)> {
        let (mut events, mut due) = (Vec::with_capacity(512), Vec::new());
        while self.listener.is_some() || !self.conns.is_empty() {
            self.wait(&mut events)?;
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            self.site.begin_turn();
            let (mut arrivals, mut signalled) = (false, false);
            for Event { data, flags } in events.drain(..) {
                match data.u64() {
                    LISTENER => arrivals = true,
                    SIGNALS => signalled = true,
                    key => self.wake(key as usize, flags),
                }
            }
            std::mem::swap(&mut self.due, &mut due);
            for key in due.drain(..) {
                self.drive(key, now);
            }
            if now >= self.next_tick {
                self.tick(now);
            }
            // After the requests that came in the same turn.
            if signalled && self.signalled(now)? == Next::Close {
                break;
            }
            // Last, because a new connection may get the key of one that was closed, for which this turn
            // may have events.
            if arrivals {
                self.accept(now)?;
            }
            self.site.end_turn();
        }
        Ok(self.end())
    }

    /// Closes the remaining connections and completes the counters.
    fn end(mut self) -> (Counters, Ending) {
        let ending = match self.conns.len() {
            0 => Ending::Finished,
            left => Ending::CutShort(left),
        };
        self.conns.drain().for_each(|slot| slot.conn.close(&mut self.site));
        let mut counters = self.site.counters;
        counters.system_calls += self.poller.waits;
        counters.empty_polls = self.poller.empty_polls;
        (counters, ending)
    }

    fn wait(&mut self, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        let timeout = if !self.due.is_empty() {
            Some(Duration::ZERO)
        } else if let Some(deadline) = self.deadline {
            Some(deadline.saturating_duration_since(Instant::now()).min(TICK))
        } else if self.conns.is_empty() && !self.is_full {
            self.site.close_files();
            None
        } else {
            Some(TICK)
        };
        self.poller.wait(events, timeout, self.site.counters.sent)
    }

    fn wake(&mut self, key: usize, flags: EventFlags) {
        if let Some(slot) = self.conns.get_mut(key) {
            slot.conn.wake(flags);
            self.make_due(key);
        }
    }

    fn make_due(&mut self, key: usize) {
        if !std::mem::replace(&mut self.conns[key].is_due, true) {
            self.due.push(key);
        }
    }

    fn drive(&mut self, key: usize, now: Instant) {
        // It may have been closed since it became due.
        let Some(slot) = self.conns.get_mut(key) else { return };
        slot.is_due = false;
        let next = slot.conn.run(&mut self.site, now);
        self.follow(key, next);
    }

    fn follow(&mut self, key: usize, next: Next) {
        match next {
            Next::Wait => {}
            Next::Again => self.make_due(key),
            Next::Close => {
                self.conns.remove(key).conn.close(&mut self.site);
                self.resume_listening();
            }
        }
    }

    /// Once a second: ends overdue connections, closes the cached files, and accepts again if that
    /// was paused.
    fn tick(&mut self, now: Instant) {
        self.next_tick = now + TICK;
        self.site.close_files();
        let timeout = self.limits.timeout;
        let overdue = self.conns.iter().filter(|(_, slot)| slot.conn.is_overdue(now, timeout));
        for key in overdue.map(|(key, _)| key).collect::<Vec<_>>() {
            let next = self.conns[key].conn.time_out(&mut self.site, now);
            self.follow(key, next);
        }
        self.resume_listening();
    }

    /// Listens again after a shortage that may have ended.
    fn resume_listening(&mut self) {
        if let Some(listener) = self.listener.as_ref().filter(|_| self.is_full) {
            self.is_full = self.poller.add(listener, LISTENER, EventFlags::IN).is_err();
        }
    }

    /// Stops listening until a connection is closed or the next tick. Otherwise the listener would be
    /// ready in every turn. Clients wait in its backlog.
    fn pause_listening(&mut self) -> rustix::io::Result<()> {
        if let Some(listener) = &self.listener {
            self.is_full = true;
            self.poller.remove(listener)?;
        }
        Ok(())
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return Ok(()) };
            if self.conns.len() >= self.limits.connections {
                return Ok(self.pause_listening()?);
            }
            self.site.counters.system_calls += 1;
            match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => self.admit(socket, now)?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return Ok(self.pause_listening()?);
                }
                // This client has disconnected; the others are not affected.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Adds a new connection. Its events are edge-triggered, so that it is registered once and never changed.
    fn admit(&mut self, socket: OwnedFd, now: Instant) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let slot = self.conns.vacant_entry();
        self.site.counters.system_calls += 1;
        match self.poller.add(&socket, slot.key() as u64, flags) {
            Ok(()) => {}
            Err(Errno::NOMEM | Errno::NOSPC) => return Ok(()), // The system's limit is reached; the socket is closed.
            Err(error) => return Err(error.into()),
        }
        self.site.counters.connections += 1;
        let channel = match &self.tls {
            None => Channel::Plain(socket),
            // Fails only without random numbers; the socket is closed.
            Some(config) => match Session::new(socket, config.clone()) {
                Ok(session) => Channel::Tls(Box::new(session)),
                Err(_) => return Ok(()),
            },
        };
        let conn = Conn::new(channel, self.site.transfer.turn(), now);
        slot.insert(Slot { conn, is_due: false });
        Ok(())
    }

    /// The first signal ends the listener and the idle connections; the second ends all.
    fn signalled(&mut self, now: Instant) -> io::Result<Next> {
        let mut bytes = [0; 16];
        let signals = match recv(&self.signals, &mut bytes, RecvFlags::empty()) {
            Ok((signals, _)) => signals,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Next::Wait),
            Err(error) => return Err(error.into()),
        };
        if signals > 1 || self.listener.take().is_none() {
            return Ok(Next::Close);
        }
        self.deadline = now.checked_add(self.limits.grace);
        let keys: Vec<_> = self.conns.iter().map(|(key, _)| key).collect();
        for key in keys {
            let conn = &mut self.conns[key].conn;
            conn.finish();
            if conn.is_idle() {
                self.follow(key, Next::Close);
            }
        }
        Ok(Next::Wait)
    }
}
