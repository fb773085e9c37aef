//! Peers that break the protocol, or leave.

use std::time::{Duration, Instant};

use bytebuf::Poke;
use bytes::BufMut;

use crate::api::Api;
use crate::client::{ALL, Client, Limits, batch, fetch, frame, produce, seal};
use crate::process::{Broker, command, command_with_descriptors};
use crate::resource_baseline::ResourceBaseline;
use crate::wire::{Reader, Write};

/// What is wrong with a batch, and the code that says so.
#[test]
fn batches_that_are_wrong_are_refused_by_the_code_that_helps() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    let good = batch(&[b"one", b"two"], None);
    let with = |at: usize, number: i32| {
        let mut batch = good.clone();
        batch.set_i32(at, number).unwrap();
        seal(&mut batch);
        batch
    };
    let mut bad_crc = good.clone();
    bad_crc[17] ^= 1;
    let mut magic = good.clone();
    magic[16] = 1;
    let cases: [(&str, i16, Vec<u8>); 10] = [
        ("a bad checksum", 2, bad_crc),
        ("truncated", 87, good[..good.len() - 1].to_vec()),
        ("nothing", 87, Vec::new()),
        ("a head alone", 87, good[..30].to_vec()),
        ("an older format", 43, magic),
        ("2^31 records", 87, with(57, i32::MAX)),
        ("a negative count", 87, with(57, -1)),
        ("an unknown compression", 87, with(21, 5 << 16)),
        ("a length that is negative", 87, with(8, i32::MIN)),
        ("2 MiB", 10, batch(&[&vec![0; 2 << 20]], None)),
    ];
    for (what, code, bytes) in &cases {
        assert_eq!(client.produce("t", -1, bytes), (*code, -1), "{what}");
    }
    assert_eq!(client.produce("t", -1, &good), (0, 0), "none of them took an offset");
    assert_eq!(client.produce("missing", -1, &good).0, 3);
    assert_eq!(client.produce("t", 5, &good).0, 42, "acks are 0, 1 or -1");
}

#[test]
fn frames_that_are_no_requests_end_their_connection_and_no_other() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut other = broker.client();
    other.topics(&["t"]);
    let count = |count: i32| {
        let mut body = Vec::new();
        body.put_i32(count);
        body
    };
    let frames: [(&str, Vec<u8>); 9] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a negative length", vec![0xff; 12]),
        ("a length of 2 GiB", [&i32::MAX.to_be_bytes()[..], &[0; 8]].concat()),
        (
            "a length of 1 MiB and more",
            [&(4 << 20 | 1_i32).to_be_bytes()[..], &[0, 3, 0, 4]].concat(),
        ),
        ("a length of 0", vec![0; 12]),
        ("an unknown API", frame(99, 0, 1, &[])),
        ("a version that is not spoken", frame(3, 12, 1, &[])),
        ("2^31 topics", frame(3, 4, 1, &count(i32::MAX))),
        ("-2 topics", frame(3, 4, 1, &count(-2))),
    ];
    for (what, bytes) in &frames {
        let mut client = broker.client();
        client.send_bytes(bytes).unwrap();
        assert_eq!(client.rest(), b"", "{what}");
    }
    assert_eq!(other.topics(&["t"])[0].0, 0, "the others go on");
    // A newer ApiVersions is answered in a form that every client knows.
    let answer = other.ask(Api::ApiVersions, 9, b"whatever is new").unwrap();
    assert_eq!(answer[..2], 35_i16.to_be_bytes());
}

#[test]
fn names_of_topics_do_not_become_paths() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("broker");
    let broker = Broker::start(&home);
    let long = "x".repeat(250);
    let names = ["../x", "..", ".", "", "a/b", "/tmp/x", "a\0b", &long];
    for (code, name, _) in broker.client().topics(&names) {
        assert_eq!(code, 17, "{name:?}");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    assert_eq!(home.join("topics").read_dir().unwrap().count(), 0);
}

#[test]
fn what_was_asked_before_a_bad_frame_is_answered() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    let good = frame(0, 7, 7, &produce("t", 0, -1, &batch(&[b"x"], None)));
    client.send_bytes(&[&good[..], b"rubbish that is no frame"].concat()).unwrap();
    assert_eq!(client.receive().unwrap().0, 7);
    assert_eq!(client.rest(), b"");
}

#[cfg(target_os = "linux")]
#[test]
fn consumers_that_vanish_while_they_wait_leave_nothing_behind() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut witness = broker.client();
    witness.topics(&["t"]);
    let before = broker.descriptors();
    let wait = Limits { wait_ms: 60_000, min: 1, ..ALL };
    let mut waiting: Vec<_> = (0..100).map(|_| broker.client()).collect();
    for client in &mut waiting {
        client.send(Api::Fetch, 11, &fetch("t", &[0], 0, wait)).unwrap();
    }
    while broker.descriptors() < before + 100 {
        witness.topics(&["t"]);
    }
    drop(waiting);
    while broker.descriptors() > before {
        witness.topics(&["t"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn announced_bytes_take_no_memory_before_they_arrive() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut witness = broker.client();
    witness.topics(&["t"]);
    let before = broker.resident();
    let announce = [&(16_i32 << 20).to_be_bytes()[..], &[0; 8]].concat();
    let mut clients: Vec<_> = (0..200).map(|_| broker.client()).collect();
    for client in &mut clients {
        client.send_bytes(&announce).unwrap();
    }
    // One that asks later is served, though the others have announced 3 GiB.
    let large = batch(&[&[7; 900_000]], None);
    for n in 0..20 {
        assert_eq!(witness.produce("t", 1, &large), (0, n));
    }
    let grown = broker.resident().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[cfg(target_os = "linux")]
#[test]
fn requests_that_never_end_do_not_keep_small_ones_waiting() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--memory", "64"]);
    let mut witness = broker.client();
    witness.topics(&["t"]);
    let before = broker.resident();
    // Each has sent enough of 16 MiB to be given space for all of it; the last one waits for that.
    let announced = (16_i32 << 20) - 4;
    let begun = [&announced.to_be_bytes()[..], &[0; 1200 << 10]].concat();
    let mut unfinished: Vec<_> = (0..4).map(|_| broker.client()).collect();
    for client in &mut unfinished {
        client.send_bytes(&begun).unwrap();
    }
    let mut number = 0;
    // On a busy machine, the broker may have received all of it by now.
    while broker.resident() < before + (3 << 10) {
        assert_eq!(witness.topics(&["t"])[0].0, 0);
        assert_eq!(witness.produce("t", 1, &batch(&[b"small"], None)), (0, number));
        number += 1;
    }
    assert_eq!(witness.produce("t", 1, &batch(&[b"small"], None)), (0, number));
}

#[test]
fn requests_that_never_end_do_not_keep_large_ones_waiting_for_long() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--memory", "64", "--stalled", "20"]);
    let mut witness = broker.client();
    witness.topics(&["t"]);
    // Each holds 1 MiB and waits for 16; together they hold all there is.
    let announced = (16_i32 << 20) - 4;
    let begun = [&announced.to_be_bytes()[..], &[0; 1 << 20]].concat();
    let mut unfinished: Vec<_> = (0..80).map(|_| broker.client()).collect();
    for client in &mut unfinished {
        client.send_bytes(&begun).unwrap();
    }
    for _ in 0..100 {
        witness.ask(Api::ApiVersions, 0, &[]).unwrap();
    }
    let asked = Instant::now();
    assert_eq!(witness.produce("t", 1, &batch(&[&[7; 900_000]], None)), (0, 0));
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn requests_behind_a_waiting_fetch_do_not_keep_others_waiting_for_long() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--memory", "64", "--stalled", "20"]);
    let mut witness = broker.client();
    witness.topics(&["t"]);
    let wait = fetch("t", &[0], 0, Limits { wait_ms: 60_000, min: 1, ..ALL });
    let mut large = Vec::new();
    large.put_array(0..32, |out, _| out.put_string(&"x".repeat(32_000)));
    // Together they hold all but a few MiB.
    let mut waiting: Vec<_> = (0..9).map(|_| broker.client()).collect();
    for client in &mut waiting {
        client.send(Api::Fetch, 11, &wait).unwrap();
        for _ in 0..7 {
            client.send(Api::Metadata, 1, &large).unwrap();
        }
    }
    for _ in 0..100 {
        witness.ask(Api::ApiVersions, 0, &[]).unwrap();
    }
    let asked = Instant::now();
    assert_eq!(witness.produce("t", 1, &batch(&[&[7; 900_000]], None).repeat(5)), (0, 0));
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn a_broker_whose_complaints_cannot_be_written_goes_on() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = command(directory.path());
    command.stderr(full);
    let broker = Broker::run(command);
    for _ in 0..3 {
        let mut client = broker.client();
        client.send_bytes(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(broker.client().topics(&["t"]), [(0, "t".to_owned(), 1)]);
}

#[cfg(target_os = "linux")]
#[test]
fn connections_leave_descriptors_for_segments() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::run(command_with_descriptors(directory.path(), 64));
    let mut witness = broker.client();
    let mut crowd: Vec<_> = (0..100).map(|_| broker.client()).collect();
    // The last ones are turned away; what came before them has been accepted by then.
    assert_eq!(crowd.pop().unwrap().rest(), b"");
    for topic in ["a", "b", "c", "d"] {
        witness.topics(&[topic]);
        assert_eq!(witness.produce(topic, -1, &batch(&[b"record"], None)), (0, 0));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_group_members_send_is_kept_within_bounds() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    let before = broker.resident();
    let metadata = vec![7; 900 << 10];
    let mut codes = [0; 2];
    for group in 0..150 {
        let mut body = Vec::new();
        body.put_string(&format!("group {group}"));
        body.put_i32(60_000);
        body.put_string("");
        body.put_string("consumer");
        body.put_array([()].into_iter(), |out, ()| {
            out.put_string("range");
            out.put_bytes_field(&metadata);
        });
        let joined = client.ask(Api::JoinGroup, 0, &body).unwrap();
        match Reader::new(&joined).i16().unwrap() {
            0 => codes[0] += 1,
            81 => codes[1] += 1,
            code => panic!("error {code}"),
        }
    }
    assert!(codes[0] > 10 && codes[1] > 10, "{codes:?}");
    let grown = broker.resident().saturating_sub(before);
    assert!(grown < 160 << 10, "{grown} KiB");
}

#[test]
fn partitions_made_on_demand_are_bounded() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--partitions", "1024"]);
    let topics = broker.client().topics(&["a", "b", "c", "d", "e", "f"]);
    let codes: Vec<_> = topics.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 44, 44]);
    let mut partition = broker.client();
    for index in [-1, 1024, i32::MAX] {
        let limits = Limits { wait_ms: 0, ..ALL };
        let body = partition.ask(Api::Fetch, 11, &fetch("a", &[index], 0, limits)).unwrap();
        assert_eq!(crate::client::fetched(&body)[0].code, 3, "{index}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn partitions_are_left_for_the_clients_of_other_addresses() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--partitions", "512", "--share", "50"]);
    let names: Vec<_> = (0..5).map(|n| format!("topic-{n}")).collect();
    let names: Vec<_> = names.iter().map(|name| &name[..]).collect();
    let codes: Vec<_> = broker.client().topics(&names).iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 44]);
    assert_eq!(broker.client().topics(&["more"])[0].0, 44, "on another connection too");
    let mut other = Client::connect_from([127, 0, 0, 2], broker.address);
    assert_eq!(other.topics(&["more"])[0].0, 0);
}

#[test]
fn offsets_are_kept_for_partitions_that_exist() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path());
    let mut client = broker.client();
    client.topics(&["t"]);
    let mut body = Vec::new();
    body.put_string("group");
    body.put_i32(-1);
    body.put_string("");
    body.put_i64(-1);
    body.put_array(["t", "missing"].into_iter(), |out, topic| {
        out.put_string(topic);
        out.put_array([0, 1].into_iter(), |out, partition| {
            out.put_i32(partition);
            out.put_i64(7);
            out.put_nullable_string(None);
        });
    });
    let body = client.ask(Api::OffsetCommit, 2, &body).unwrap();
    let topics = Reader::new(&body).array(6, |r| {
        r.string()?;
        r.array(6, |r| r.i32().and(r.i16()))
    });
    assert_eq!(topics, Ok(vec![vec![0, 3], vec![3, 3]]));
}

#[test]
fn a_request_that_trickles_in_is_cut_off_in_time() {
    let _baseline = ResourceBaseline::take();
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start_with(directory.path(), ["--stalled", "1"]);
    let mut slow = broker.client();
    // A byte at a time, each soon after the one before it: the first thousand of a longer request.
    let mut request = frame(3, 5, 1, &[0; 2000]).into_iter().take(1000);
    while !slow.is_closed_within(Duration::from_millis(20)) {
        let byte = request.next().expect("it is cut off long before that");
        if slow.send_bytes(&[byte]).is_err() {
            break;
        }
    }
    assert_eq!(broker.client().topics(&["t"])[0].0, 0);
}
