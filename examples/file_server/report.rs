//! The statistics of the server.

use std::fmt;
use std::time::{Duration, Instant};

use bytebuf::{Pool, PoolStats, QueueStats};

use crate::page::human;

/// Counts since the start. System calls are counted where they are made; `strace -c` agrees.
#[derive(Debug)]
pub(crate) struct Tally {
    started: Instant,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) system_calls: u64,
    /// Looks for events that had not come yet while the thread stayed awake: two calls each.
    pub(crate) looks: u64,
    /// Bytes of all replies so far.
    pub(crate) sent: u64,
    bytes: u64,
    sendfile_bytes: u64,
    splice_bytes: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            connections: 0,
            requests: 0,
            system_calls: 0,
            looks: 0,
            sent: 0,
            bytes: 0,
            sendfile_bytes: 0,
            splice_bytes: 0,
        }
    }

    /// Adds what a connection's queue did, once the connection is over.
    pub(crate) fn absorb(&mut self, queue: &QueueStats, system_calls: u64) {
        self.system_calls += system_calls;
        self.bytes += queue.written_bytes + queue.sendfile_bytes;
        self.sendfile_bytes += queue.sendfile_bytes;
    }

    /// Adds what a splice did in one turn.
    pub(crate) fn absorb_splice(&mut self, system_calls: u64, bytes: u64) {
        self.system_calls += system_calls;
        self.bytes += bytes;
        self.splice_bytes += bytes;
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report { tally: self, elapsed: self.started.elapsed(), pool: Pool::global().stats() }
    }
}

/// The last words of the server.
#[derive(Debug)]
pub(crate) struct Report<'t> {
    tally: &'t Tally,
    elapsed: Duration,
    pool: PoolStats,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { connections, requests, system_calls, looks, bytes, .. } = *self.tally;
        let Tally { sendfile_bytes, splice_bytes, .. } = *self.tally;
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
             and {looks} looks for the next event"
        )?;
        write!(f, "pool          {}", self.pool)
    }
}
