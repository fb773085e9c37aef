//! Tests of the tools.

use super::*;
use crate::{ByteBuf, ByteView, CompositeByteBuf, Pool, Track};
use ::arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn message_of(panic: Box<dyn std::any::Any + Send>) -> String {
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_leak_fails_with_the_line_that_allocated() {
    let guard = LeakGuard::new();
    let (mut buf, line) = (guard.alloc(100), line!());
    buf.extend_from_slice(b"shared");
    let kept = buf.freeze().slice(..2);
    let failed = catch_unwind(AssertUnwindSafe(|| drop(guard))).unwrap_err();
    let message = message_of(failed);
    assert!(message.contains(&format!("{}:{}", file!(), line)), "{message}");
    drop(kept);
}

#[test]
fn a_guard_of_a_budget_ignores_other_buffers() {
    let pool = Pool::builder().track(Track::All).build();
    let other = pool.alloc(100);
    let guard = LeakGuard::over(pool.budget("mine", 4096));
    guard.check();
    let mine = guard.alloc(100);
    assert!(catch_unwind(AssertUnwindSafe(|| guard.check())).is_err());
    drop(mine);
    drop(guard);
    drop(other);
}

#[test]
#[cfg_attr(miri, ignore = "leaks, as it says")]
fn a_guard_does_not_replace_the_first_panic() {
    let failed = catch_unwind(|| {
        let guard = LeakGuard::new();
        std::mem::forget(guard.alloc(10));
        panic!("{}", "the first");
    });
    assert_eq!(message_of(failed.unwrap_err()), "the first");
}

#[test]
fn every_allocation_fails_in_turn() {
    let mut failures = Vec::new();
    let made = each_failing_allocation(|pool| {
        let mut buf = match pool.try_alloc(10) {
            Ok(buf) => buf,
            Err(error) => return failures.push(error.to_string()),
        };
        let grown = buf.try_reserve(5000).and_then(|()| buf.try_reserve(50_000));
        failures.extend(grown.err().map(|error| error.to_string()));
    });
    // A growing buffer asks for less when it is refused: so one failure alone does not stop it.
    assert_eq!((made, failures.len()), (3, 4), "{failures:?}");
}

#[test]
#[should_panic(expected = "leaked")]
#[cfg_attr(miri, ignore = "leaks, as it says")]
fn a_leak_on_a_failure_path_is_found() {
    each_failing_allocation(|pool| {
        let first = pool.try_alloc(10);
        if pool.try_alloc(10).is_err() {
            std::mem::forget(first);
        }
    });
}

#[test]
fn each_boundary_cuts_at_every_place() {
    for len in 0..if cfg!(miri) { 8 } else { 20 } {
        let bytes: Vec<u8> = (0..len).collect();
        let mut at = HashSet::new();
        let mut whole = false;
        for composite in each_boundary(&bytes) {
            assert_eq!(composite, bytes);
            whole |= composite.components().len() <= 1;
            at.extend((1..).map_while(|index| composite.component_offset(index)));
        }
        assert!(whole);
        assert_eq!(at.len(), usize::from(len).saturating_sub(1));
        assert_eq!(each_boundary(&bytes).count(), usize::from(len).max(1) + usize::from(len > 0));
    }
}

#[test]
fn a_disconnected_source_keeps_failing() {
    let mut source = FaultSource::new(*b"ab", FaultPlan::of([Fault::Pass, Fault::Disconnect]));
    assert_eq!(source.read(&mut [0]).unwrap(), 1);
    for _ in 0..3 {
        let error = source.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!((source.remaining(), source.is_disconnected()), (1, true));
}

#[test]
fn seeds_cover_every_fault() {
    let mut kinds = HashSet::new();
    let mut gone = 0;
    for seed in 0..50 {
        let mut plan = FaultPlan::hostile(seed);
        for _ in 0..100 {
            match plan.next_fault() {
                Fault::Error(kind) => _ = kinds.insert(kind),
                Fault::Disconnect => gone += 1,
                _ => {}
            }
        }
    }
    assert!(gone > 0 && kinds.len() == 6, "{gone} {kinds:?}");
    let mut plan = FaultPlan::seeded(3).blocking();
    for _ in 0..1000 {
        let fault = plan.next_fault();
        assert!(!matches!(fault, Fault::Disconnect | Fault::Error(ErrorKind::WouldBlock)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 256 }))]

    #[test]
    fn a_fault_sink_gets_each_byte_once(parts: CompositeByteBuf, plan in fault_plans()) {
        let mut sink = FaultSink::new(plan.blocking());
        for part in parts.components() {
            sink.write_all(part)?;
        }
        sink.flush()?;
        prop_assert_eq!(parts, sink.received());
    }

    #[test]
    fn cuts_lose_nothing((bytes, parts) in any::<Vec<u8>>().prop_flat_map(|bytes| {
        (Just(bytes.clone()), cuts(bytes))
    })) {
        prop_assert_eq!(parts.concat(), bytes);
    }

    #[test]
    fn generated_buffers_append_like_slices(view: ByteView, mut buf: ByteBuf) {
        let joined = [&buf[..], &view[..]].concat();
        buf.extend_from_slice(&view);
        prop_assert_eq!(buf, joined);
    }

    #[test]
    fn arbitrary_values_have_the_bytes_of_the_input(input: Vec<u8>) {
        let mut all = Unstructured::new(&input);
        let parts = CompositeByteBuf::arbitrary(&mut all)?;
        prop_assert!(parts.len() <= input.len());
        if let [_, bytes @ ..] = &input[..] {
            let take_rest = |input| ByteView::arbitrary_take_rest(Unstructured::new(input));
            prop_assert_eq!(take_rest(&input)?, bytes);
            prop_assert_eq!(ByteBuf::arbitrary_take_rest(Unstructured::new(&input))?, bytes);
        }
    }
}
