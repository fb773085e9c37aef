//! Killed, damaged, and started again.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use crate::client::{ALL, Client, batch, records};
use crate::process::{Broker, command};
use crate::resource_baseline::ResourceBaseline;

fn chance(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

fn value(producer: i64, number: i64) -> Vec<u8> {
    let mut value = format!("{producer} {number} ").into_bytes();
    value.resize(20 + (number * number % 700) as usize, b'.');
    value
}

/// What an idempotent producer has sent, and how much of that was acknowledged.
struct Producer {
    id: i64,
    acknowledged: i64,
    /// The records of the batch after those, which may be in the log or not.
    pending: i64,
    offsets: HashMap<i64, i64>,
}

impl Producer {
    /// Produces until the broker is gone. A batch that was not acknowledged is sent again, as it was.
    fn run(&mut self, address: SocketAddr, acks: &mpsc::Sender<()>) {
        let mut client = Client::connect(address);
        loop {
            if self.pending == 0 {
                self.pending = 1 + chance(20) as i64;
            }
            let numbers = self.acknowledged..self.acknowledged + self.pending;
            let values: Vec<_> = numbers.map(|number| value(self.id, number)).collect();
            let values: Vec<_> = values.iter().map(|value| &value[..]).collect();
            let batch = batch(&values, Some((self.id, 0, self.acknowledged as i32)));
            let body = crate::client::produce("t", 0, -1, &batch);
            let Ok(answer) = client.ask(crate::api::Api::Produce, 7, &body) else { return };
            let (code, base) = crate::client::produced(&answer);
            assert_eq!(code, 0);
            for n in 0..self.pending {
                self.offsets.insert(self.acknowledged + n, base + n);
            }
            self.acknowledged += self.pending;
            self.pending = 0;
            let _ = acks.send(());
        }
    }
}

fn all(client: &mut Client) -> Vec<(i64, Vec<u8>)> {
    let (mut offset, mut all) = (0, Vec::new());
    loop {
        let fetched = client.fetch("t", offset, ALL);
        assert_eq!(fetched.code, 0);
        if offset == fetched.end {
            return all;
        }
        all.extend(records(&fetched.batches).into_iter().filter(|(at, _)| *at >= offset));
        offset = all.last().unwrap().0 + 1;
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_acknowledged_and_keeps_nothing_twice() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let new = |id| Producer { id, acknowledged: 0, pending: 0, offsets: HashMap::new() };
    let mut producers: Vec<_> = (0..3).map(new).collect();
    for round in 0..8 {
        let mut broker = Broker::start_with(directory.path(), ["--segment", "2"]);
        broker.client().topics(&["t"]);
        let (sender, acks) = mpsc::channel();
        thread::scope(|scope| {
            for producer in &mut producers {
                let (address, sender) = (broker.address, sender.clone());
                scope.spawn(move || producer.run(address, &sender));
            }
            let enough = chance(150) as usize;
            assert_eq!(acks.iter().take(enough).count(), enough);
            broker.kill();
        });
        // At times it is killed while it recovers, too.
        let mut restarted = command(directory.path()).spawn().unwrap();
        restarted.kill().unwrap();
        restarted.wait().unwrap();

        let broker = Broker::start(directory.path());
        let found = all(&mut broker.client());
        let offsets: Vec<_> = found.iter().map(|(offset, _)| *offset).collect();
        assert!(offsets.iter().copied().eq(0..found.len() as i64), "round {round}");
        for producer in &producers {
            let prefix = format!("{} ", producer.id).into_bytes();
            let mine: Vec<_> = found.iter().filter(|(_, v)| v.starts_with(&prefix)).collect();
            // In order, none twice, and none missing but those that were not acknowledged.
            for (number, (offset, found)) in (0..).zip(&mine) {
                assert_eq!(*found, value(producer.id, number), "round {round} at {offset}");
                let told = producer.offsets.get(&number);
                assert!(told.is_none_or(|told| told == offset), "round {round}");
            }
            let count = mine.len() as i64;
            let all_sent = producer.acknowledged + producer.pending;
            assert!((producer.acknowledged..=all_sent).contains(&count), "round {round}");
        }
    }
    assert!(producers.iter().all(|producer| producer.acknowledged > 0));
}

/// The segments of the first partition of a topic, in order.
pub(crate) fn segments(directory: &Path, topic: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("topics").join(topic).join("0")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    segments
}

#[test]
fn a_damaged_segment_takes_its_partition_out_of_service_and_no_other() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let large = batch(&[&[b'x'; 500_000]], None);
    {
        let mut broker = Broker::start_with(directory.path(), ["--segment", "2"]);
        let mut client = broker.client();
        client.topics(&["damaged", "whole"]);
        for n in 0..8 {
            assert_eq!(client.produce("damaged", -1, &large), (0, n));
        }
        client.produce("whole", -1, &batch(&[b"record"], None));
        broker.kill();
    }
    let segments = segments(directory.path(), "damaged");
    assert!(segments.len() > 1, "the first is sealed");
    let file = fs::File::options().read(true).write(true).open(&segments[0]).unwrap();
    let at = 700_000;
    file.write_all_at(b"damage", at).unwrap();
    let before = fs::read(&segments[0]).unwrap();

    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    assert_eq!(client.fetch("damaged", 0, ALL).code, 56);
    assert_eq!(client.produce("damaged", -1, &large), (56, -1));
    assert_eq!(client.fetch("whole", 0, ALL).code, 0);
    assert!(fs::read(&segments[0]).unwrap() == before, "nothing that may be put right is cut off");
}

#[test]
fn a_deleted_last_segment_takes_its_partition_out_of_service_instead_of_its_records() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    {
        let mut broker = Broker::start(directory.path());
        let mut client = broker.client();
        client.topics(&["shortened", "emptied", "whole"]);
        for topic in ["shortened", "emptied", "whole"] {
            assert_eq!(client.produce(topic, -1, &batch(&[b"acknowledged"], None)), (0, 0));
        }
        broker.kill();
    }
    fs::remove_file(&segments(directory.path(), "emptied")[0]).unwrap();
    let shortened = &segments(directory.path(), "shortened")[0];
    fs::File::options().write(true).open(shortened).unwrap().set_len(1024).unwrap();

    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    for topic in ["shortened", "emptied"] {
        assert_eq!(client.produce(topic, -1, &batch(&[b"next"], None)), (56, -1), "{topic}");
        assert_eq!(client.fetch(topic, 0, ALL).code, 56, "{topic}");
    }
    assert_eq!(client.produce("whole", -1, &batch(&[b"next"], None)), (0, 1));
}

#[test]
fn a_broker_does_not_start_without_the_offsets_that_it_had() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    {
        let mut broker = Broker::start(directory.path());
        broker.client().topics(&["t"]);
        broker.kill();
    }
    fs::remove_file(directory.path().join("offsets.log")).unwrap();
    let refused = command(directory.path()).stderr(Stdio::piped()).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("offsets.log"), "{said}");
}
