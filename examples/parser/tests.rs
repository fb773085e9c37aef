use bytebuf::CompositeByteBuf;
use bytebuf::testing::{FaultSource, LeakGuard, each_boundary, fault_plans, segmentations};
use proptest::prelude::*;
use std::io::ErrorKind;

const STREAM: &[u8] = b"\x00\x05hello\x00\x00\x00\x02ok";

fn all(mut input: CompositeByteBuf) -> Vec<CompositeByteBuf> {
    std::iter::from_fn(|| super::message::next(&mut input).unwrap()).collect()
}

#[test]
fn a_boundary_at_each_place_changes_nothing() {
    each_boundary(STREAM).for_each(|input| assert_eq!(all(input), ["hello", "", "ok"]));
}

proptest! {
    #[test]
    fn many_boundaries_and_memory_of_all_kinds_change_nothing(input in segmentations(STREAM)) {
        prop_assert_eq!(all(input), ["hello", "", "ok"]);
    }

    #[test]
    fn short_reads_and_faults_neither_lose_nor_leak_bytes(plan in fault_plans()) {
        let pool = LeakGuard::new();
        let (mut socket, mut input) = (FaultSource::new(STREAM, plan), CompositeByteBuf::new());
        loop {
            let mut buf = pool.alloc(64);
            match buf.read_from(&mut socket) {
                Ok(0) => break,
                Ok(_) => input.push_back(buf),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        prop_assert_eq!(all(input), ["hello", "", "ok"]);
    }
}
