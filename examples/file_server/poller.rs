//! Waiting for events: an epoll that looks again for a moment before it goes to sleep.
//!
//! To put a thread to sleep and wake it up costs more than to answer a small request: on a virtual
//! machine 20 us and more, on both ends of the connection. While events follow one another that
//! closely, the thread stays awake for the next; once they do not, or others want the processor,
//! it sleeps at once.

use std::fs::File;
use std::hint::spin_loop;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, Result};

/// How long it stays awake.
const AWAKE: Duration = Duration::from_micros(50);
/// From one look to the next, of which each takes a third of a microsecond. With 8 us, requests
/// waited so long for the next look that a sixth fewer of them were answered.
const PAUSE: Duration = Duration::from_micros(1);
/// Gaps up to this length call for staying awake at the next one.
const SHORT: Duration = Duration::from_micros(100);
/// How often it is weighed whether to stay awake at all.
const PERIOD: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// There is more than one processor.
    parallel: bool,
    /// Nobody else wants the one that this thread runs on.
    alone: bool,
    account: Account,
    /// How long this thread had been kept from running when that was last found out.
    queued: Duration,
    /// When to find it out again.
    reconsider: Instant,
    /// The last gap between events was short.
    eager: bool,
    /// System calls made to wait for events, and to collect them.
    pub(crate) waits: u64,
    /// Those that found nothing, while staying awake.
    pub(crate) looks: u64,
}

impl Poller {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let account = Account::open();
        Ok(Poller {
            epoll,
            parallel: available_parallelism().is_ok_and(|cpus| cpus.get() > 1),
            alone: true,
            queued: account.time_queued(),
            account,
            reconsider: Instant::now() + PERIOD,
            eager: false,
            waits: 0,
            looks: 0,
        })
    }

    pub(crate) fn add(&self, source: impl AsFd, key: u64, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, source, EventData::new_u64(key), flags)
    }

    pub(crate) fn remove(&self, source: impl AsFd) -> Result<()> {
        epoll::delete(&self.epoll, source)
    }

    /// Waits for events, at most for `timeout`.
    pub(crate) fn wait(
        &mut self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        let began = Instant::now();
        if began >= self.reconsider {
            self.adapt(began);
        }
        let mut next = Duration::ZERO;
        while self.eager && timeout != Some(Duration::ZERO) && next <= AWAKE {
            while began.elapsed() < next {
                spin_loop();
            }
            next += PAUSE;
            self.look(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                self.waits += 1;
                return Ok(());
            }
            self.looks += 1;
        }
        self.waits += 1;
        self.look(events, timeout)?;
        self.eager = self.parallel && self.alone && began.elapsed() < SHORT;
        Ok(())
    }

    /// Finds out whether this thread has had to queue for a processor: if so, others have better
    /// use for the time.
    fn adapt(&mut self, now: Instant) {
        let before = std::mem::replace(&mut self.queued, self.account.time_queued());
        let period = PERIOD + now.duration_since(self.reconsider);
        self.alone = self.queued.saturating_sub(before) < period / 50;
        self.eager &= self.alone;
        self.reconsider = now + PERIOD;
        self.waits += 1;
    }

    fn look(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<()> {
        let timeout = timeout.map(|time| Timespec::try_from(time).expect("a time in range"));
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The kernel's account of this thread, which is written anew for each read.
#[derive(Debug)]
struct Account(Option<File>);

impl Account {
    fn open() -> Self {
        Account(File::open("/proc/thread-self/schedstat").ok())
    }

    /// The time that the thread has spent ready to run, but not running; zero where nobody
    /// counts it.
    fn time_queued(&self) -> Duration {
        let mut text = [0; 64];
        let length = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let fields = str::from_utf8(&text[..length.unwrap_or(0)]).unwrap_or_default();
        let counted = fields.split(' ').nth(1).and_then(|nanoseconds| nanoseconds.parse().ok());
        Duration::from_nanos(counted.unwrap_or(0))
    }
}
