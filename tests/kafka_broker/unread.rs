//! Peers that ask for much and read nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BufMut;

use crate::api::Api;
use crate::client::{ALL, Client, batch, fetch};
use crate::process::Broker;
use crate::resource_baseline::ResourceBaseline;
use crate::wire::Write;

const MIB: usize = 1 << 20;

/// Sends the same request eight times on each of so many connections, and reads none of the responses until
/// short requests of another have been answered; then reads one on each. Returns the kibibytes that the broker grew by.
fn pile_up(broker: &Broker, clients: usize, api: Api, version: i16, body: &[u8]) -> usize {
    let mut witness = broker.client();
    let before = broker.resident();
    let mut unread: Vec<_> = (0..clients).map(|_| Client::connect_narrow(broker.address)).collect();
    for client in &mut unread {
        for _ in 0..8 {
            client.send(api, version, body).unwrap();
        }
    }
    let mut most = 0;
    for _ in 0..300 {
        witness.ask(Api::ApiVersions, 0, &[]).unwrap();
        most = most.max(broker.resident());
    }
    // Each gets what it asked for, also where that had to wait for the memory of others.
    let read = |mut client: Client| thread::spawn(move || client.receive().unwrap().1.len());
    let reading: Vec<_> = unread.into_iter().map(read).collect();
    let lengths: Vec<_> = reading.into_iter().map(|reading| reading.join().unwrap()).collect();
    assert!(
        lengths.iter().all(|length| *length > 10 * MIB && *length == lengths[0]),
        "{lengths:?}"
    );
    most.saturating_sub(before)
}

#[test]
fn offsets_that_no_peer_reads_take_a_bounded_memory() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let options = ["--memory", "64", "--partitions", "1024", "--stalled", "300"];
    let broker = Broker::start_with(directory.path(), options);
    let mut client = broker.client();
    let topics = ["t", "u", "v"];
    client.topics(&topics);
    let mut metadata = String::new();
    for n in 0..1000 {
        write!(metadata, "{n:04}").unwrap();
    }
    for topic in topics {
        for first in (0..1024).step_by(128) {
            let mut body = Vec::new();
            body.put_string("group");
            body.put_i32(-1);
            body.put_string("");
            body.put_i64(-1);
            body.put_array([topic].into_iter(), |out, topic| {
                out.put_string(topic);
                out.put_array(first..first + 128, |out, partition| {
                    out.put_i32(partition);
                    out.put_i64(7);
                    out.put_nullable_string(Some(&metadata));
                });
            });
            client.ask(Api::OffsetCommit, 2, &body).unwrap();
        }
    }
    let mut body = Vec::new();
    body.put_string("group");
    body.put_i32(-1);
    let grown = pile_up(&broker, 20, Api::OffsetFetch, 3, &body);
    assert!(grown < 160 << 10, "{grown} KiB");
}

/// Starts a broker that sends copies, of a topic of 20 MB.
fn copying(directory: &Path, stalled: &str) -> Broker {
    let options = ["--memory", "64", "--path", "copy", "--sync", "never", "--stalled", stalled];
    let broker = Broker::start_with(directory, options);
    let mut client = broker.client();
    client.topics(&["t"]);
    let large = batch(&[&vec![7; 1_000_000]], None);
    for n in 0..20 {
        assert_eq!(client.produce("t", 1, &large), (0, n));
    }
    broker
}

#[test]
fn peers_that_do_not_read_lose_the_memory_that_another_waits_for() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = copying(directory.path(), "20");
    // Four responses of 16 MB fill the memory.
    let request = fetch("t", &[0], 0, ALL);
    let mut unread: Vec<_> = (0..4).map(|_| Client::connect_narrow(broker.address)).collect();
    for client in &mut unread {
        client.send(Api::Fetch, 11, &request).unwrap();
    }
    for client in &mut unread {
        assert!(!client.is_closed_within(Duration::from_secs(60)), "the response has begun");
    }
    let asked = Instant::now();
    assert!(broker.client().ask(Api::Fetch, 11, &request).unwrap().len() > 10 * MIB);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn copies_of_batches_that_no_peer_reads_take_a_bounded_memory() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = copying(directory.path(), "300");
    let grown = pile_up(&broker, 20, Api::Fetch, 11, &fetch("t", &[0], 0, ALL));
    assert!(grown < 120 << 10, "{grown} KiB");
}
