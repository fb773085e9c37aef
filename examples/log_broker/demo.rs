//! The broker at work: producers, and a consumer that follows them and checks what it reads.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::broker::{Broker, mib};
use crate::client::Client;
use crate::log::Log;

const PRODUCERS: u64 = 4;
/// Records that a producer sends before it waits for the answers.
const BATCH: u64 = 256;
const RECORD: usize = 1024;

pub(crate) async fn run(segment: u64, seconds: u64) -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let log = Log::open(directory.path(), segment)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    println!("{PRODUCERS} producers of {RECORD} byte records and a consumer, for {seconds} s\n");
    let clients = tokio::task::spawn_blocking(move || clients(address, seconds));
    tokio::select! {
        broken = Broker::new(log).run(listener) => broken,
        ended = clients => ended.expect("the clients do not panic"),
    }
}

fn clients(address: SocketAddr, seconds: u64) -> io::Result<()> {
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let read = thread::scope(|scope| {
        let consumer = scope.spawn(|| consume(address));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|id| {
                scope.spawn({
                    let (stop, acknowledged) = (&stop, &acknowledged);
                    move || produce(address, id, stop, acknowledged)
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Release);
        for producer in producers {
            producer.join().expect("a producer does not panic")?;
        }
        // The consumer waits at the end of the log: one more record tells it that this is all.
        let mut last = Client::connect(address)?;
        last.append([&b"the end"[..]])?;
        last.appended()?;
        consumer.join().expect("the consumer does not panic")
    })?;
    let acknowledged = acknowledged.into_inner();
    println!(
        "\n{acknowledged} records acknowledged, {read} of them read and checked ({:.1} MiB)",
        mib(read * RECORD as u64)
    );
    if read != acknowledged {
        return Err(io::Error::other("the two figures must be the same"));
    }
    Ok(())
}

/// A record says who made it and the how many-th it is.
fn produce(
    address: SocketAddr,
    id: u64,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> io::Result<()> {
    let mut client = Client::connect(address)?;
    let mut batch = vec![[id as u8; RECORD]; BATCH as usize];
    let mut next = 0_u64;
    while !stop.load(Ordering::Acquire) {
        for record in &mut batch {
            record[8..16].copy_from_slice(&next.to_le_bytes());
            next += 1;
        }
        client.append(batch.iter().map(|record| &record[..]))?;
        for _ in 0..BATCH {
            client.appended()?;
        }
        acknowledged.fetch_add(BATCH, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads the log from its beginning to the last record, and gives the number of those before.
fn consume(address: SocketAddr) -> io::Result<u64> {
    let mut client = Client::connect(address)?;
    let (mut offset, mut read) = (0, 0);
    let mut expected = [0_u64; PRODUCERS as usize];
    loop {
        let batch = client.fetch(offset, 4 << 20)?;
        for (at, record) in batch.records() {
            if record == b"the end" {
                return Ok(read);
            }
            let number = record.get(8..16).and_then(|number| number.try_into().ok());
            let next = record.first().and_then(|&id| expected.get_mut(usize::from(id)));
            match next {
                Some(next) if number == Some(next.to_le_bytes()) => *next += 1,
                _ => return Err(io::Error::other(format!("the record at {at} is out of order"))),
            }
            read += 1;
        }
        offset = batch.end();
    }
}
