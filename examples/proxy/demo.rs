//! Measures the cost of each method between a source and a sink in separate threads.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use tokio::net::{TcpListener, TcpStream};

use crate::cost::{Cost, Meter, discard};
use crate::output::print_line;
use crate::relay::{Method, Relay};

/// Measurements of each method; the median is reported.
const ROUNDS: usize = 5;

fn print(title: &str, cost: &Cost) {
    print_line(format_args!(
        "{title:<10} {:>7.2} GiB/s {:>7.3} CPU s/GiB {:>9.0} system calls/GiB",
        cost.gib_per_second(),
        cost.cpu_seconds_per_gib(),
        cost.calls_per_gib(),
    ));
}

/// Measures both methods in turn, so that other load on the machine affects both alike.
pub(crate) async fn run(bytes: u64) -> io::Result<()> {
    print_line(format_args!(
        "source -> proxy -> sink over loopback, {} MiB each time\n",
        bytes >> 20
    ));
    let (mut copy, mut splice) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (method, costs) in [(Method::Copy, &mut copy), (Method::Splice, &mut splice)] {
            let cost = measure(method, bytes).await?;
            print(&format!("{round} {method:?}").to_lowercase(), &cost);
            costs.push(cost);
        }
    }
    let (copy, splice) = (Cost::median(copy), Cost::median(splice));
    print_line("\nmedians");
    print("copy", &copy);
    print("splice", &splice);
    let ratio = splice.cpu_seconds_per_gib() / copy.cpu_seconds_per_gib();
    print_line(format_args!(
        "\nsplice takes {ratio:.2} of the processor time of read + write with 64 KiB"
    ));
    Ok(())
}

async fn measure(method: Method, bytes: u64) -> io::Result<Cost> {
    let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let back = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let front_address = front.local_addr()?;
    let server = TcpStream::connect(back.local_addr()?).await?;
    let sink = back.accept().await?.0.into_std()?;
    let source = thread::spawn(move || send(front_address, bytes));
    sink.set_nonblocking(false)?;
    let sink = thread::spawn(move || discard(&sink));
    let (client, _) = front.accept().await?;

    let meter = Meter::start();
    let mut relay = Relay::new(method);
    relay.run(&client, &server).await?;
    let cost = meter.stop(bytes, relay.to_server.system_calls() + relay.to_client.system_calls());

    source.join().expect("the source does not panic")?;
    let received = sink.join().expect("the sink does not panic")?;
    if (relay.to_server.moved_bytes(), received) != (bytes, bytes) {
        return Err(io::Error::other(format!("{received} of {bytes} bytes arrived")));
    }
    Ok(cost)
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
