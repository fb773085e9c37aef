//! Frames to the Kafka broker of `examples/`, well-formed and not. Each is parsed or refused, and allocates
//! memory in proportion to its length at most.
#![no_main]

#[allow(dead_code, reason = "a broker uses what a fuzz target does not")]
#[path = "../../examples/kafka_broker/api/mod.rs"]
mod api;
#[allow(dead_code, reason = "a broker uses what a fuzz target does not")]
#[path = "../../examples/kafka_broker/batch.rs"]
mod batch;
#[allow(dead_code, reason = "a broker uses what a fuzz target does not")]
#[path = "../../examples/kafka_broker/wire.rs"]
mod wire;

use std::mem::size_of;

use api::{Request, parse};
use libfuzzer_sys::fuzz_target;

/// Maximum bytes of memory for each byte of a frame. A topic takes the most: a vector and a string for six
/// bytes, an empty name and a count.
const PER_BYTE: usize = 16;

fuzz_target!(|frame: &[u8]| {
    let Ok((header, request)) = parse(frame) else { return };
    let (first, last) = header.api.versions();
    let supported = (first..=last).contains(&header.version);
    assert!(supported || matches!(request, Request::ApiVersionsUnknown));
    let allocated = allocated(&request);
    assert!(allocated <= PER_BYTE * frame.len(), "{allocated} bytes for {}", frame.len());
    if let Request::Produce(request) = request {
        for (_, range) in request.topics.iter().flat_map(|topic| &topic.partitions) {
            batches(&frame[range.clone()]);
        }
    }
});

/// Checks each complete batch at the front.
fn batches(mut bytes: &[u8]) {
    while let Ok(head) = batch::head(bytes) {
        assert!((batch::HEAD..=bytes.len()).contains(&head.length));
        assert!(head.records >= 1 && batch::length(bytes) == Some(head.length));
        let mut placed = bytes[..head.length].to_vec();
        let valid = batch::parse(&placed).is_ok();
        batch::place(&mut placed, 77, 0);
        assert_eq!(batch::parse(&placed).is_ok(), valid, "the checksum does not cover the offset");
        assert_eq!(batch::head(&placed).map(|head| head.base_offset), Ok(77));
        bytes = &bytes[head.length..];
    }
}

/// Returns the bytes that the vectors and strings of a request have allocated.
fn allocated(request: &Request<'_>) -> usize {
    fn of<T>(items: &Vec<T>) -> usize {
        items.capacity() * size_of::<T>()
    }
    fn nested<A, T>(items: &Vec<(A, Vec<T>)>) -> usize {
        of(items) + items.iter().map(|(_, inner)| of(inner)).sum::<usize>()
    }
    match request {
        Request::Produce(request) => {
            let topic = |topic: &api::produce::Topic| topic.name.capacity() + of(&topic.partitions);
            of(&request.topics) + request.topics.iter().map(topic).sum::<usize>()
        }
        Request::Fetch(request) => {
            let topics = request.topics.iter();
            of(&request.topics) + topics.map(|topic| of(&topic.partitions)).sum::<usize>()
        }
        Request::ListOffsets(request) => nested(&request.topics),
        Request::Metadata(request) => request.topics.as_ref().map_or(0, of),
        Request::OffsetCommit(request) => nested(&request.topics),
        Request::OffsetFetch(request) => request.topics.as_ref().map_or(0, nested),
        Request::JoinGroup(request) => of(&request.protocols),
        Request::SyncGroup(request) => of(&request.assignments),
        Request::FindCoordinator(_)
        | Request::Heartbeat(_)
        | Request::LeaveGroup(_)
        | Request::ApiVersions
        | Request::ApiVersionsUnknown
        | Request::InitProducerId(_) => 0,
    }
}
