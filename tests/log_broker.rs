//! Starts the real log broker, kills it, and sees what is left.
#![cfg(unix)]

#[path = "support/floor.rs"]
mod floor;

use floor::Floor;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;

use client::{Batch, Client};

#[path = "../examples/log_broker/client.rs"]
mod client;
#[path = "support/example.rs"]
mod example;

const PRODUCERS: u64 = 3;
/// Small, so that many are begun.
const SEGMENT_KIB: usize = 256;

fn chance(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

fn command(directory: &Path) -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BINARY.get_or_init(|| example::build("log_broker")));
    command
        .args(["--listen", "127.0.0.1:0", "--segment", &SEGMENT_KIB.to_string()])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A broker process; it is killed with this value.
struct Broker {
    child: Child,
    _out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Broker {
    fn start(directory: &Path) -> Broker {
        let mut child = command(directory).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.expect(&line).parse().unwrap();
        Broker { child, _out: out, address }
    }

    fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// What the broker answers to bytes that need not be a request, up to its closing.
    fn refusal(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Record number `number` of a producer: no two are alike, of lengths that fill segments unevenly.
fn record(producer: u64, number: u64) -> Vec<u8> {
    let length = match number % 100 {
        17 => 50_000,
        n => n * n % 1500,
    };
    let mut record = vec![number as u8; 16 + length as usize];
    record[..8].copy_from_slice(&producer.to_le_bytes());
    record[8..16].copy_from_slice(&number.to_le_bytes());
    record
}

fn number_at(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(record[at..at + 8].try_into().unwrap())
}

type Records = Vec<(u64, Vec<u8>)>;

/// Appends from `number` on until the broker is gone; gives what was acknowledged.
fn produce(mut client: Client, id: u64, mut number: u64, acks: &mpsc::Sender<()>) -> Records {
    let mut acknowledged = Records::new();
    loop {
        let batch: Vec<_> = (0..1 + chance(40)).map(|i| record(id, number + i)).collect();
        number += batch.len() as u64;
        if client.append(batch.iter().map(|record| &record[..])).is_err() {
            return acknowledged;
        }
        for record in batch {
            let Ok(offset) = client.appended() else { return acknowledged };
            acknowledged.push((offset, record));
            let _ = acks.send(());
        }
    }
}

/// Reads from `offset` on until `last` comes, or the broker is gone.
fn consume(mut client: Client, mut offset: u64, last: Option<u64>) -> Records {
    let mut records = Records::new();
    while let Ok(batch) = client.fetch(offset, 200_000) {
        records.extend(batch.records().map(|(offset, record)| (offset, record.to_vec())));
        offset = batch.end();
        if last.is_some_and(|last| offset > last) {
            break;
        }
    }
    records
}

/// All that a restarted broker has, up to a record that is appended to mark the end.
fn read_all(broker: &Broker, round: u64) -> Records {
    let mut client = broker.client();
    client.append([&record(PRODUCERS, round)[..]]).unwrap();
    let end = client.appended().unwrap();
    consume(client, 0, Some(end))
}

#[test]
fn killed_at_any_moment_it_loses_nothing_acknowledged_and_invents_nothing() {
    let _floor = Floor::take();
    let directory = tempfile::tempdir().unwrap();
    let mut log = Records::new();
    let mut acknowledged_ever = 0;
    for round in 0..30 {
        let first = round << 32;
        let mut broker = Broker::start(directory.path());
        let (sender, acks) = mpsc::channel();
        let (acknowledged, seen) = thread::scope(|scope| {
            let (broker, log) = (&mut broker, &log);
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|id| {
                    let (client, sender) = (broker.client(), sender.clone());
                    scope.spawn(move || produce(client, id, first, &sender))
                })
                .collect();
            let (client, from) = (broker.client(), log.last().map_or(0, |(offset, _)| *offset));
            let consumer = scope.spawn(move || consume(client, from, None));
            let enough = chance(600) as usize;
            assert_eq!(acks.iter().take(enough).count(), enough);
            broker.kill();
            let acknowledged: Vec<_> =
                producers.into_iter().map(|producer| producer.join().unwrap()).collect();
            (acknowledged, consumer.join().unwrap())
        });
        // At times it is killed while it recovers, too.
        let mut restarted = command(directory.path()).spawn().unwrap();
        restarted.kill().unwrap();
        restarted.wait().unwrap();

        let found = read_all(&Broker::start(directory.path()), round);
        assert!(found.starts_with(&log), "what was there before is as it was");
        let mut next = [first; PRODUCERS as usize];
        for (offset, found) in &found[log.len()..found.len() - 1] {
            let (id, number) = (number_at(found, 0), number_at(found, 8));
            assert_eq!(number, next[id as usize], "of producer {id}, at {offset}");
            assert!(*found == record(id, number), "no such record was sent, at {offset}");
            next[id as usize] += 1;
        }
        let at: HashMap<_, _> = found.iter().map(|(offset, found)| (*offset, found)).collect();
        for (offset, record) in acknowledged.iter().flatten().chain(&seen) {
            assert_eq!(at.get(offset), Some(&record), "lost, round {round}, at {offset}");
        }
        acknowledged_ever += acknowledged.iter().flatten().count();
        log = found;
    }
    assert!(acknowledged_ever > 0, "nothing was ever acknowledged");
}

#[test]
fn a_consumer_at_the_end_gets_the_next_record() {
    let _floor = Floor::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut consumer = broker.client();
    let waiting = thread::spawn(move || consumer.fetch(0, 1000).unwrap());
    // One that hangs up while it waits is no reason to stop.
    drop(broker.client().append([]));
    let mut producer = broker.client();
    producer.append([&b"first"[..]]).unwrap();
    let offset = producer.appended().unwrap();
    let batch = waiting.join().unwrap();
    assert_eq!(batch.records().collect::<Vec<_>>(), [(offset, &b"first"[..])]);
}

#[test]
fn ranges_end_with_segments_and_where_they_were_told_to() {
    let _floor = Floor::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    let records: Vec<_> = (0..1000).map(|number| record(0, number)).collect();
    client.append(records.iter().map(|record| &record[..])).unwrap();
    let offsets: Vec<_> = records.iter().map(|_| client.appended().unwrap()).collect();
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert!(files > 3, "{files} segments");
    for most in [50_100, 200_000, u32::MAX] {
        let (mut offset, mut found) = (0, Vec::new());
        while found.len() < records.len() {
            let batch: Batch = client.fetch(offset, most).unwrap();
            assert!(batch.bytes.len() <= most as usize);
            found.extend(batch.records().map(|(offset, record)| (offset, record.to_vec())));
            offset = batch.end();
        }
        assert!(found.iter().map(|(offset, _)| offset).eq(&offsets));
        assert!(found.iter().map(|(_, record)| record).eq(&records));
    }
    let cut = client.fetch(offsets[18], 20).unwrap();
    assert_eq!((cut.bytes.len(), cut.records().count(), cut.end()), (20, 0, offsets[18]));
    assert!(client.fetch(0, 0).unwrap().bytes.is_empty());
}

#[test]
fn what_cannot_be_served_is_refused_in_words() {
    let _floor = Floor::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    assert!(broker.refusal(b"GET / HTTP/1.1\r\n\r\n").contains("no request of kind 71"));
    assert!(broker.refusal(&[1, 255, 255, 255, 255]).contains("4294967295 bytes"));
    let long = [&[1][..], &300_000_u32.to_le_bytes(), &[7; 300_000]].concat();
    assert!(broker.refusal(&long).contains("too long for a segment"));
    let beyond = [&[2][..], &u64::MAX.to_le_bytes(), &[9, 0, 0, 0]].concat();
    assert!(broker.refusal(&beyond).contains("of a log that ends at"));
    for cut in [&[][..], &[1], &[1, 5, 0, 0, 0, b'c', b'u'], &[2, 0, 0]] {
        assert!(broker.refusal(cut).is_empty(), "half a request is none");
    }
    // Two brokers over one log would each append to it.
    let second = command(directory.path()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"));

    let mut client = broker.client();
    client.append([&b""[..], b"still there"]).unwrap();
    let (empty, full) = (client.appended().unwrap(), client.appended().unwrap());
    let batch = client.fetch(0, 1000).unwrap();
    let expected: [(u64, &[u8]); 2] = [(empty, b""), (full, b"still there")];
    assert_eq!(batch.records().collect::<Vec<_>>(), expected);
}
