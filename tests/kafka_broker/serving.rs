//! What producers and consumers are promised.

use std::path::Path;
use std::thread;

use bytebuf::Poke;
use bytes::BufMut;

use crate::api::Api;
use crate::client::{ALL, Client, Limits, batch, fetch, fetched, frame, produce, records, seal};
use crate::crash::segments;
use crate::process::Broker;
use crate::resource_baseline::ResourceBaseline;
use crate::wire::{Reader, Write};

/// Batches of one record each, of about this length, produced one by one.
fn fill(client: &mut Client, topic: &str, count: usize, length: usize) -> Vec<Vec<u8>> {
    client.topics(&[topic]);
    let value = |n: usize| {
        let mut value = format!("{n} ").into_bytes();
        value.resize(length, b'.');
        value
    };
    let values: Vec<_> = (0..count).map(value).collect();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(client.produce(topic, 1, &batch(&[value], None)), (0, n as i64));
    }
    values
}

/// All records from an offset on, fetched with these limits.
fn read_all(client: &mut Client, topic: &str, limits: Limits) -> Vec<(i64, Vec<u8>)> {
    let (mut offset, mut all) = (0, Vec::new());
    loop {
        let fetched = client.fetch(topic, offset, limits);
        assert_eq!(fetched.code, 0);
        if fetched.end == offset {
            return all;
        }
        let found = records(&fetched.batches);
        // The range may begin before the offset, but holds it.
        let new: Vec<_> = found.into_iter().filter(|(at, _)| *at >= offset).collect();
        offset = new.last().expect("the first batch is whole").0 + 1;
        all.extend(new);
    }
}

#[test]
fn records_are_returned_in_order_under_any_limits() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--segment", "2", "--sync", "never"]);
    let mut client = broker.client();
    for (topic, count, length) in [("small", 300, 50), ("large", 30, 100_000)] {
        let values = fill(&mut client, topic, count, length);
        for max in [1, 5000, 300_000, i32::MAX] {
            let limits = Limits { wait_ms: 0, min: 1, max, partition: max };
            let found = read_all(&mut client, topic, limits);
            let expected: Vec<_> = (0..).zip(values.iter().cloned()).collect();
            assert!(found == expected, "{topic} with {max}");
        }
    }
    assert!(segments(directory.path(), "large").len() > 1);
}

#[test]
fn several_batches_are_appended_together_or_not_at_all() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    let (a, b) = (batch(&[b"a", b"b"], None), batch(&[b"c"], None));
    assert_eq!(client.produce("t", -1, &[&a[..], &b].concat()), (0, 0));
    let mut damaged = batch(&[b"d"], None);
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(client.produce("t", -1, &[&a[..], &damaged].concat()), (2, -1));
    assert_eq!(client.produce("t", -1, &a), (0, 3));
    let found: Vec<_> = records(&client.fetch("t", 0, ALL).batches);
    let values: Vec<_> = found.iter().map(|(_, value)| &value[..]).collect();
    assert_eq!(values, [b"a", b"b", b"c", b"a", b"b"]);
}

#[test]
fn a_fetch_at_the_end_waits_for_bytes_and_is_answered_in_turn() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let (mut consumer, mut producer) = (broker.client(), broker.client());
    consumer.topics(&["t"]);
    let wait = Limits { wait_ms: 50_000, min: 150, ..ALL };
    let first = consumer.send(Api::Fetch, 11, &fetch("t", &[0], 0, wait)).unwrap();
    let second = consumer.send(Api::ApiVersions, 0, &[]).unwrap();
    let waiting = thread::spawn(move || {
        let (one, two) = (consumer.receive().unwrap(), consumer.receive().unwrap());
        (one, two.0)
    });
    let record = batch(&[&[b'x'; 20]], None);
    assert!(record.len() < 150 && 2 * record.len() > 150);
    producer.produce("t", -1, &record);
    producer.produce("t", -1, &record);
    let ((correlation, body), next) = waiting.join().unwrap();
    assert_eq!((correlation, next), (first, second));
    assert_eq!(fetched(&body)[0].batches.len(), 2 * record.len());
    // Nothing comes: it ends by itself.
    let nothing = producer.fetch("t", 2, Limits { wait_ms: 20, min: 1, ..ALL });
    assert_eq!((nothing.code, nothing.end, nothing.batches.len()), (0, 2, 0));
    assert_eq!(producer.fetch("t", 3, ALL).code, 1, "beyond the end");
    assert_eq!(producer.fetch("t", -1, ALL).code, 1);
    assert_eq!(producer.fetch("other", 0, ALL).code, 3);
}

#[test]
fn responses_that_are_ready_are_sent_together() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    let batch = batch(&[b"x"], None);
    let requests: Vec<_> = (0..8).map(|n| frame(0, 7, n, &produce("t", 0, 1, &batch))).collect();
    client.send_bytes(&requests.concat()).unwrap();
    for n in 0..8 {
        assert_eq!(client.receive().unwrap().0, n);
    }
    let words = broker.stop();
    let sends = words.split(" sends)").next().and_then(|before| before.rsplit('(').next());
    let sends: u32 = sends.unwrap().parse().expect(&words);
    assert!(sends < 8, "{words}");
}

#[test]
fn partitions_of_one_fetch_share_its_limit() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--partitions", "3"]);
    let mut client = broker.client();
    assert_eq!(client.topics(&["t"]), [(0, "t".to_owned(), 3)]);
    let large = batch(&[&[b'x'; 9000]], None);
    for partition in [1, 2] {
        let body = produce("t", partition, -1, &large);
        client.ask(Api::Produce, 3, &body[..]).unwrap();
    }
    let limits = Limits { max: 5000, ..ALL };
    let body = client.ask(Api::Fetch, 11, &fetch("t", &[0, 1, 2, 7], 0, limits)).unwrap();
    let fetched = fetched(&body);
    let lengths: Vec<_> = fetched.iter().map(|one| one.batches.len()).collect();
    assert_eq!(lengths, [0, large.len(), 0, 0], "the first that has any is sent whole");
    assert_eq!(fetched[3].code, 3);
}

#[test]
fn a_batch_that_is_sent_again_is_in_the_log_once_even_after_a_restart() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..2 {
        let broker = Broker::start(directory.path());
        let mut client = broker.client();
        client.topics(&["t"]);
        let mut body = Vec::new();
        body.put_nullable_string(None);
        body.put_i32(0);
        let id = client.ask(Api::InitProducerId, 1, &body).unwrap();
        let mut r = Reader::new(&id);
        r.i32().unwrap();
        r.i16().unwrap();
        ids.push(r.i64().unwrap());
        let send = |n: i32| batch(&[b"one", b"two"], Some((ids[0], 0, 2 * n)));
        if round == 0 {
            for n in 0..4 {
                assert_eq!(client.produce("t", -1, &send(n)), (0, 2 * i64::from(n)));
            }
        }
        assert_eq!(client.produce("t", -1, &send(3)), (0, 6), "again");
        assert_eq!(client.produce("t", -1, &send(1)), (0, 2), "again");
        assert_eq!(client.produce("t", -1, &send(5)).0, 45, "a gap");
        assert_eq!(client.fetch("t", 0, ALL).end, 8);
    }
    assert!(ids[0] < ids[1], "an id was given twice: {ids:?}");
}

#[test]
fn offsets_are_found_by_time_and_at_both_ends() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    for time in [100, 200, 300] {
        let mut batch = batch(&[b"a", b"b"], None);
        batch.set_i64(27, time).unwrap();
        batch.set_i64(35, time).unwrap();
        seal(&mut batch);
        client.produce("t", -1, &batch);
    }
    let mut offset = |timestamp: i64| {
        let mut body = Vec::new();
        body.put_i32(-1);
        body.put_i8(0);
        body.put_i32(1);
        body.put_string("t");
        body.put_i32(1);
        body.put_i32(0);
        body.put_i64(timestamp);
        let body = client.ask(Api::ListOffsets, 3, &body).unwrap();
        let mut r = Reader::new(&body);
        r.i32().unwrap();
        r.i32().unwrap();
        r.string().unwrap();
        r.i32().unwrap();
        assert_eq!((r.i32(), r.i16()), (Ok(0), Ok(0)));
        (r.i64().unwrap(), r.i64().unwrap()).1
    };
    let found = [-2, -1, 0, 100, 101, 300, 301].map(&mut offset);
    assert_eq!(found, [0, 6, 0, 0, 2, 4, -1]);
}

#[test]
fn a_second_broker_is_kept_off_the_directory() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let _first = Broker::start(directory.path());
    let second = crate::process::command(directory.path())
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another broker has it"), "{said}");
    assert!(Path::new(directory.path()).join("topics").exists());
}
