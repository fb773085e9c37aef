//! The statistics of the broker.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytebuf::QueueStats;

/// Counts since the start. System calls are those that move bytes: receives, sends, writes, and syncs;
/// waiting for events is not among them, `strace -c` shows it.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_now: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) receives: AtomicU64,
    pub(crate) appended: AtomicU64,
    pub(crate) appends: AtomicU64,
    pub(crate) fetches: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) by_sendfile: AtomicU64,
    pub(crate) sends: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Stats {
    /// Adds what a queue has cost since `before`; returns the number of bytes that it has sent.
    pub(crate) fn flushed(&self, before: QueueStats, now: QueueStats) -> u64 {
        let bytes = |stats: QueueStats| stats.written_bytes + stats.sendfile_bytes;
        let sent = bytes(now) - bytes(before);
        count(&self.sent, sent);
        count(&self.by_sendfile, now.sendfile_bytes - before.sendfile_bytes);
        count(&self.sends, now.system_calls() - before.system_calls());
        sent
    }

    pub(crate) fn snapshot(&self, syncs: u64) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            at: Instant::now(),
            connections: get(&self.connections),
            connections_now: get(&self.connections_now),
            requests: get(&self.requests),
            refused: get(&self.refused),
            batches: get(&self.batches),
            records: get(&self.records),
            duplicates: get(&self.duplicates),
            received: get(&self.received),
            appended: get(&self.appended),
            fetches: get(&self.fetches),
            sent: get(&self.sent),
            by_sendfile: get(&self.by_sendfile),
            receives: get(&self.receives),
            appends: get(&self.appends),
            sends: get(&self.sends),
            syncs,
        }
    }
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    connections: u64,
    connections_now: u64,
    requests: u64,
    refused: u64,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    duplicates: u64,
    pub(crate) received: u64,
    pub(crate) appended: u64,
    fetches: u64,
    pub(crate) sent: u64,
    by_sendfile: u64,
    pub(crate) receives: u64,
    pub(crate) appends: u64,
    pub(crate) sends: u64,
    pub(crate) syncs: u64,
}

const MIB: f64 = (1 << 20) as f64;

impl Snapshot {
    pub(crate) fn system_calls(&self) -> u64 {
        self.receives + self.appends + self.sends + self.syncs
    }

    /// Whether nothing happened since `before`.
    pub(crate) fn is_quiet_since(&self, before: &Self) -> bool {
        (self.requests, self.sent) == (before.requests, before.sent)
    }

    /// A line on what happened since `before`.
    pub(crate) fn progress(&self, before: &Self) -> String {
        let seconds = (self.at - before.at).max(Duration::from_millis(1)).as_secs_f64();
        let moved = (self.received + self.sent) - (before.received + before.sent);
        let calls = self.system_calls() - before.system_calls();
        format!(
            "{:>4} connections {:>8.0} records/s in {:>7.1} MiB/s in {:>7.1} MiB/s out \
             {:>6.1} calls/MiB {:>5} syncs",
            self.connections_now,
            (self.records - before.records) as f64 / seconds,
            (self.received - before.received) as f64 / MIB / seconds,
            (self.sent - before.sent) as f64 / MIB / seconds,
            calls as f64 / (moved as f64 / MIB).max(0.001),
            self.syncs - before.syncs,
        )
    }
}

impl fmt::Display for Snapshot {
    /// Prints the statistics at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MIB;
        let per_mib = |calls: u64, bytes: u64| calls as f64 / mib(bytes).max(0.001);
        writeln!(
            f,
            "requests      {} on {} connections, {} refused",
            self.requests, self.connections, self.refused
        )?;
        writeln!(
            f,
            "produced      {} records in {} batches, {:.1} MiB; {} batches sent again",
            self.records,
            self.batches,
            mib(self.appended),
            self.duplicates
        )?;
        writeln!(f, "consumed      {} fetches with batches", self.fetches)?;
        writeln!(
            f,
            "sent          {:.1} MiB, of which {:.1} MiB by sendfile",
            mib(self.sent),
            mib(self.by_sendfile)
        )?;
        writeln!(
            f,
            "system calls  {:.1} per MiB in ({} receives, {} writes), {:.1} per MiB out ({} sends)",
            per_mib(self.receives + self.appends, self.received),
            self.receives,
            self.appends,
            per_mib(self.sends, self.sent),
            self.sends
        )?;
        write!(f, "syncs         {}", self.syncs)
    }
}
