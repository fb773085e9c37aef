//! The cost of moving bytes: time, processor time of one thread, system calls.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use rustix::time::{ClockId, clock_gettime};

const GIB: f64 = (1_u64 << 30) as f64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    bytes: u64,
    seconds: f64,
    cpu_seconds: f64,
    system_calls: u64,
}

impl Cost {
    pub(crate) fn gib_per_second(&self) -> f64 {
        self.bytes as f64 / GIB / self.seconds
    }

    pub(crate) fn cpu_seconds_per_gib(&self) -> f64 {
        self.cpu_seconds * GIB / self.bytes as f64
    }

    pub(crate) fn calls_per_gib(&self) -> f64 {
        self.system_calls as f64 * GIB / self.bytes as f64
    }

    /// Returns the cost with the median processor time. There must be at least one.
    pub(crate) fn median(mut costs: Vec<Self>) -> Self {
        costs.sort_by(|a, b| a.cpu_seconds_per_gib().total_cmp(&b.cpu_seconds_per_gib()));
        costs[costs.len() / 2]
    }
}

/// Measures the thread that calls `start` and `stop`.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), cpu: cpu_time() }
    }

    pub(crate) fn stop(self, bytes: u64, system_calls: u64) -> Cost {
        let cpu_seconds = (cpu_time() - self.cpu).as_secs_f64();
        Cost { bytes, seconds: self.begun.elapsed().as_secs_f64(), cpu_seconds, system_calls }
    }
}

/// Returns the processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Discards all bytes up to the end of the stream and returns their number. On Linux nothing is copied, so that the receiver does
/// not delay the measured sender.
pub(crate) fn discard(stream: &TcpStream) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    // Truncation discards bytes; only Linux supports it for streams.
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::TRUNC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let mut received = 0;
    loop {
        match recv(stream, &mut buffer, flags)? {
            (_, 0) => return Ok(received),
            (_, length) => received += length as u64,
        }
    }
}
