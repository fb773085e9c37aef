//! The two processes of a measurement: a server, and its clients.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::scenarios::Scenario;

/// Threads of a server.
const THREADS: usize = 2;

/// The resources that a server has used. They are sent as one line of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// The maximum resident memory so far, in KiB.
    pub(crate) peak: u64,
    /// The resident memory now, in KiB.
    pub(crate) resident: u64,
}

impl Usage {
    fn of_this_process() -> io::Result<Self> {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is to memory for one `rusage`.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so the value is initialised.
        let usage = unsafe { usage.assume_init() };
        let time = |time: libc::timeval| {
            Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
        };
        let status = std::fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let cpu = time(usage.ru_utime) + time(usage.ru_stime);
        Ok(Self { cpu, peak: field("VmHWM:"), resident: field("VmRSS:") })
    }

    fn to_line(self) -> String {
        format!("{} {} {}", self.cpu.as_micros(), self.peak, self.resident)
    }

    /// Parses a line of `to_line`.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let cpu = Duration::from_micros(next()?);
        Some(Self { cpu, peak: next()?, resident: next()? })
    }
}

/// Serves until the input ends. Prints the port, and its usage after each line of input.
pub(crate) fn serve(scenario: &Scenario, variant: &str, dir: PathBuf) -> io::Result<()> {
    let variant = scenario.variants.iter().find(|known| known.name == variant);
    let variant = variant.ok_or(io::ErrorKind::NotFound)?;
    raise_descriptor_limit()?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let listener = runtime.block_on(async { listen() })?;
    print_line(&listener.local_addr()?.port().to_string())?;
    runtime.spawn((variant.serve)(listener, dir));
    for line in io::stdin().lock().lines() {
        line?;
        print_line(&Usage::of_this_process()?.to_line())?;
    }
    runtime.shutdown_background();
    Ok(())
}

/// Listens with a backlog for clients that all connect at once.
fn listen() -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(4096)
}

/// Does the work of the clients, prints `done`, and keeps the connections open until the input ends.
pub(crate) fn load(scenario: &Scenario, port: u16, quick: bool) -> io::Result<()> {
    raise_descriptor_limit()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let connections = runtime.block_on((scenario.load)(([127, 0, 0, 1], port).into(), quick))?;
    print_line("done")?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    drop(connections);
    Ok(())
}

fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Raises the limit of descriptors to its maximum.
fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to an `rlimit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
