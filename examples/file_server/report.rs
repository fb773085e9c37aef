//! The statistics of the server.

use std::fmt;
use std::time::{Duration, Instant};

use bytebuf::{Pool, PoolStats, QueueStats};

use crate::page::human;

/// Counts since the start. System calls are counted where they are made; `strace -c` agrees.
#[derive(Debug)]
pub(crate) struct Counters {
    started: Instant,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) system_calls: u64,
    /// Polls without an event while the thread stayed awake: two calls each.
    pub(crate) empty_polls: u64,
    /// Bytes of all replies so far.
    pub(crate) sent: u64,
    bytes: u64,
    sendfile_bytes: u64,
    splice_bytes: u64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            connections: 0,
            requests: 0,
            system_calls: 0,
            empty_polls: 0,
            sent: 0,
            bytes: 0,
            sendfile_bytes: 0,
            splice_bytes: 0,
        }
    }

    /// Adds the counters of a connection's queue when the connection ends.
    pub(crate) fn add_queue(&mut self, queue: &QueueStats, system_calls: u64) {
        self.system_calls += system_calls;
        self.bytes += queue.written_bytes + queue.sendfile_bytes;
        self.sendfile_bytes += queue.sendfile_bytes;
    }

    /// Adds the calls and bytes of one splice.
    pub(crate) fn add_splice(&mut self, system_calls: u64, bytes: u64) {
        self.system_calls += system_calls;
        self.bytes += bytes;
        self.splice_bytes += bytes;
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report { counters: self, elapsed: self.started.elapsed(), pool: Pool::global().stats() }
    }
}

/// The final report.
#[derive(Debug)]
pub(crate) struct Report<'t> {
    counters: &'t Counters,
    elapsed: Duration,
    pool: PoolStats,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { connections, requests, system_calls, empty_polls, bytes, .. } =
            *self.counters;
        let Counters { sendfile_bytes, splice_bytes, .. } = *self.counters;
        let per_request = system_calls as f64 / requests.max(1) as f64;
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "requests      {requests} on {connections} connections in {seconds:.1} s")?;
        writeln!(f, "bytes         {bytes} ({})", human(bytes))?;
        writeln!(f, "by sendfile   {sendfile_bytes} ({})", human(sendfile_bytes))?;
        if splice_bytes > 0 {
            writeln!(f, "by splice     {splice_bytes} ({})", human(splice_bytes))?;
        }
        writeln!(
            f,
            "system calls  {system_calls}, {per_request:.2} per request, \
             and {empty_polls} polls without an event"
        )?;
        write!(f, "pool          {}", self.pool)
    }
}
