use crate::message;
use bytebuf::CompositeByteBuf;
use bytebuf::testing::{
    FaultSource, LeakGuard, each_boundary, each_failing_allocation, fault_plans, segmentations,
};
use proptest::prelude::*;
use std::io::ErrorKind;

const STREAM: &[u8] = b"\x00\x05hello\x00\x00\x00\x02ok";

fn all_messages(mut input: CompositeByteBuf) -> Vec<CompositeByteBuf> {
    std::iter::from_fn(|| message::next(&mut input).unwrap()).collect()
}

// One boundary, at each position in turn, so that each field is split once.
#[test]
fn a_boundary_at_each_place_changes_nothing() {
    for input in each_boundary(STREAM) {
        assert_eq!(all_messages(input), ["hello", "", "ok"]);
    }
}

// Each allocation fails in turn: nothing panics, and no buffer leaks.
#[test]
fn an_allocation_that_fails_leaks_no_buffer() {
    each_failing_allocation(|pool| {
        let mut input = CompositeByteBuf::new();
        for part in STREAM.chunks(4) {
            let Ok(mut buf) = pool.try_alloc(part.len()) else { return };
            buf.extend_from_slice(part);
            input.push_back(buf);
        }
        assert_eq!(all_messages(input), ["hello", "", "ok"]);
    });
}

proptest! {
    // Many boundaries at once, empty parts, memory of all kinds.
    #[test]
    fn many_boundaries_and_memory_of_all_kinds_change_nothing(input in segmentations(STREAM)) {
        prop_assert_eq!(all_messages(input), ["hello", "", "ok"]);
    }

    // A stream with short reads, `WouldBlock` and `Interrupted`. The guard fails a test that leaks.
    #[test]
    fn short_reads_and_faults_neither_lose_nor_leak_bytes(plan in fault_plans()) {
        let pool = LeakGuard::new();
        let (mut socket, mut input) = (FaultSource::new(STREAM, plan), CompositeByteBuf::new());
        let mut messages = Vec::new();
        loop {
            let mut buf = pool.alloc(64);
            match buf.read_from(&mut socket) {
                Ok(0) => break,
                Ok(_) => input.push_back(buf),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            messages.extend(std::iter::from_fn(|| message::next(&mut input).unwrap()));
        }
        prop_assert_eq!(messages, ["hello", "", "ok"]);
    }
}
