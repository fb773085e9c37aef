//! What each path costs, between a source and a sink in threads of their own.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::{TcpListener, TcpStream};

use crate::relay::{Path, Relay};

/// Measurements of each path; the median of them counts.
const ROUNDS: usize = 5;

const GIB: f64 = (1_u64 << 30) as f64;

/// What it took to relay some bytes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    bytes: u64,
    seconds: f64,
    /// Of the proxy's thread alone.
    cpu_seconds: f64,
    system_calls: u64,
}

impl Cost {
    fn per_gib(&self, amount: f64) -> f64 {
        amount * GIB / self.bytes as f64
    }

    fn print(&self, title: &str) {
        println!(
            "{title:<10} {:>7.2} GiB/s {:>7.3} CPU s/GiB {:>9.0} system calls/GiB",
            self.bytes as f64 / GIB / self.seconds,
            self.per_gib(self.cpu_seconds),
            self.per_gib(self.system_calls as f64),
        );
    }
}

/// Measures both paths in turn, so that whatever else the machine does meets both of them.
pub(crate) async fn run(bytes: u64) -> io::Result<()> {
    println!("source -> proxy -> sink over loopback, {} MiB each time\n", bytes >> 20);
    let (mut copy, mut splice) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (path, costs) in [(Path::Copy, &mut copy), (Path::Splice, &mut splice)] {
            let cost = measure(path, bytes).await?;
            cost.print(&format!("{round} {path:?}").to_lowercase());
            costs.push(cost);
        }
    }
    let (copy, splice) = (median(copy), median(splice));
    println!("\nmedians");
    copy.print("copy");
    splice.print("splice");
    let ratio = splice.per_gib(splice.cpu_seconds) / copy.per_gib(copy.cpu_seconds);
    println!("\nsplice takes {ratio:.2} of the processor time of read + write with 64 KiB");
    Ok(())
}

fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds));
    costs[costs.len() / 2]
}

async fn measure(path: Path, bytes: u64) -> io::Result<Cost> {
    let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let back = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let front_address = front.local_addr()?;
    let server = TcpStream::connect(back.local_addr()?).await?;
    let sink = back.accept().await?.0.into_std()?;
    let source = thread::spawn(move || send(front_address, bytes));
    let sink = thread::spawn(move || receive(&sink));
    let (client, _) = front.accept().await?;

    let (begun, cpu) = (Instant::now(), cpu_time());
    let mut relay = Relay::new(path);
    relay.run(&client, &server).await?;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64());

    source.join().expect("the source does not panic")?;
    let received = sink.join().expect("the sink does not panic")?;
    if (relay.there.moved_bytes(), received) != (bytes, bytes) {
        return Err(io::Error::other(format!("of {bytes} bytes {received} arrived")));
    }
    let system_calls = relay.there.system_calls() + relay.back.system_calls();
    Ok(Cost { bytes, seconds, cpu_seconds, system_calls })
}

fn send(to: SocketAddr, bytes: u64) -> io::Result<()> {
    let mut stream = std::net::TcpStream::connect(to)?;
    let block = [7; 256 * 1024];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(block.len() as u64) as usize;
        stream.write_all(&block[..length])?;
        left -= length as u64;
    }
    Ok(())
}

/// Throws away what comes without looking at it, so that the sink does not hold up the proxy.
fn receive(stream: &std::net::TcpStream) -> io::Result<u64> {
    stream.set_nonblocking(false)?;
    let mut room = vec![0; 1 << 20];
    // To truncate is to discard, but only Linux does so for streams.
    let flags = if cfg!(target_os = "linux") { RecvFlags::TRUNC } else { RecvFlags::empty() };
    let mut received = 0;
    loop {
        match recv(stream, &mut room, flags)? {
            (_, 0) => return Ok(received),
            (_, length) => received += length as u64,
        }
    }
}

/// The processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
