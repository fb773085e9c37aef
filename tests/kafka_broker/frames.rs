//! Requests that real clients sent: `tests/data/kafka`, recorded by `ci/kafka/record.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytebuf::Poke;

use crate::api::{Api, Refused, Request, parse};
use crate::batch;
use crate::resource_baseline::ResourceBaseline;

/// Each frame with its client and its name.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kafka");
    let mut frames = Vec::new();
    for client in fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path()) {
        for frame in fs::read_dir(&client).into_iter().flatten() {
            let path = frame.unwrap().path();
            let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
            frames.push((format!("{} {}", name(&client), name(&path)), fs::read(&path).unwrap()));
        }
    }
    frames.sort();
    assert!(frames.len() > 50, "{} frames", frames.len());
    frames
}

#[test]
fn requests_of_real_clients_are_understood() {
    let _baseline = ResourceBaseline::take();
    let mut seen = BTreeMap::<String, Vec<i16>>::new();
    for (name, frame) in recorded() {
        let (header, request) = parse(&frame).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        seen.entry(format!("{:?}", header.api)).or_default().push(header.version);
        match request {
            Request::Produce(request) => {
                let topic = &request.topics[0];
                assert!(topic.name.starts_with("to-"), "{name}: {}", topic.name);
                let (partition, range) = topic.partitions[0].clone();
                let found = batch::parse(&frame[range]).unwrap();
                assert!(partition == 0 && (1..=3).contains(&found.records), "{name}: {found:?}");
                assert_eq!((request.acks, found.base_offset), (-1, 0), "{name}");
            }
            Request::Fetch(request) => {
                assert!(request.topics[0].name.starts_with("to-"), "{name}");
                let wanted = &request.topics[0].partitions[0];
                assert!(wanted.index == 0 && wanted.offset >= 0 && wanted.max_bytes >= 1 << 20);
            }
            Request::JoinGroup(request) => {
                assert_eq!(request.protocol_type, "consumer", "{name}");
                assert!(!request.protocols.is_empty() && request.session_timeout_ms >= 6000);
            }
            Request::OffsetCommit(request) => {
                assert!(request.who.generation > 0 && !request.who.member.is_empty(), "{name}");
                assert!(request.topics[0].1[0].offset > 0, "{name}");
            }
            Request::ApiVersionsUnknown => assert!(name.ends_with("api_versions-v4"), "{name}"),
            _ => {}
        }
    }
    assert_eq!(seen.len(), Api::ALL.len(), "not all APIs were recorded: {seen:?}");
}

#[test]
fn cut_frames_and_frames_with_more_behind_are_refused() {
    let _baseline = ResourceBaseline::take();
    for (name, frame) in recorded() {
        if name.ends_with("api_versions-v4") {
            continue; // nothing of it is understood but its head
        }
        for cut in 0..frame.len() {
            let refused = parse(&frame[..cut]).err();
            assert!(matches!(refused, Some(Refused::Malformed(_))), "{name} cut at {cut}");
        }
        let longer = [&frame[..], &[0]].concat();
        assert!(matches!(parse(&longer), Err(Refused::Malformed(_))), "{name}");
    }
}

#[test]
fn numbers_that_are_out_of_range_anywhere_are_survived() {
    let _baseline = ResourceBaseline::take();
    for (_, frame) in recorded() {
        for at in 8..frame.len().saturating_sub(4) {
            for number in [i32::MAX, i32::MIN, -2, 1 << 24] {
                let mut frame = frame.clone();
                frame.set_i32(at, number).unwrap();
                // What it means does not matter: it ends, and takes no memory that it has no bytes for.
                drop(parse(&frame));
            }
        }
    }
}
