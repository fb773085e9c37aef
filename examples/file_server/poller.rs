//! Waits for events by an epoll that may poll for a moment before it sleeps.
//!
//! Sleep and wake-up of a thread cost more than the answer to a small request: on a virtual machine 20 us and more, at both ends
//! of the connection. [`Trial`] measures whether it is better to stay awake. An awake thread yields the processor between polls,
//! so that a client on the same processor can run.

use std::os::fd::{AsFd, OwnedFd};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result};
use rustix::time::{ClockId, clock_gettime};

use crate::trial::{Mode, Trial, Work};

/// How long the thread polls for the next event before it sleeps.
const AWAKE: Duration = Duration::from_micros(100);
/// After a longer wait the thread sleeps at once, until waits are short again.
const SHORT: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    trial: Trial,
    /// The last wait was short.
    was_short: bool,
    /// Calls that wait for events.
    pub(crate) waits: u64,
    /// Polls without an event while the thread stays awake.
    pub(crate) empty_polls: u64,
}

impl Poller {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            trial: Trial::new(Instant::now()),
            was_short: false,
            waits: 0,
            empty_polls: 0,
        })
    }

    pub(crate) fn add(&self, source: impl AsFd, key: u64, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, source, EventData::new_u64(key), flags)
    }

    pub(crate) fn remove(&self, source: impl AsFd) -> Result<()> {
        epoll::delete(&self.epoll, source)
    }

    /// Waits for events, at most for `timeout`. `sent` is the number of bytes sent so far.
    pub(crate) fn wait(
        &mut self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
        sent: u64,
    ) -> Result<()> {
        let began = Instant::now();
        let mode = self.trial.turn(began, || Work { bytes: sent, used: processor_time() });
        self.waits += 1;
        if mode == Mode::Awake && self.was_short && timeout != Some(Duration::ZERO) {
            while began.elapsed() < AWAKE {
                self.poll(events, Some(Duration::ZERO))?;
                if !events.is_empty() {
                    return Ok(());
                }
                self.empty_polls += 1;
                yield_now();
            }
        }
        self.poll(events, timeout)?;
        self.was_short = began.elapsed() < SHORT;
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<()> {
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a time in range"));
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the processor time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("processor time is not negative")
}
