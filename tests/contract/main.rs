//! The contract: whatever memory a buffer lies in and however it came about, it reads, searches,
//! compares, converts and takes writes as a `Vec<u8>` does.
//!
//! Each trial is one kind of buffer (`kinds.rs`), one case (`reading.rs`, `searching.rs`, `typed.rs`, `relating.rs`,
//! `writing.rs`, `spare_capacity.rs`, `numbers.rs`) and one content (below), and makes a buffer of its own. Memory that a
//! kind shares with others must hold in the end what it held before.

mod kinds;
mod numbers;
mod reading;
mod relating;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
mod searching;
mod spare_capacity;
mod subject;
mod typed;
mod writing;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use libtest_mimic::{Arguments, Trial};

use kinds::Kind;
use resource_baseline::ResourceBaseline;
use subject::Subject;

/// What is done with a subject, and what bytes it must have.
struct Case<S> {
    name: &'static str,
    check: fn(S, &[u8]),
}

/// Gives the functions and closures of a list names, their own or those before them.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => { vec![$(crate::Case { name: stringify!($name), check: $name }),+] };
}
pub(crate) use cases;

/// What buffers hold: the lengths around nothing, a word, a block and a page, and bytes that mean
/// something to a search, a varint or text.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let pattern = |len: usize| (0..len).map(|i| ((i * 31) ^ (i >> 8)) as u8).collect::<Vec<u8>>();
    let mut contents = vec![
        ("nothing", vec![]),
        ("zero", vec![0]),
        ("max", vec![255]),
        ("pair", vec![0, 1]),
        ("zeros", vec![0; 17]),
        ("varints", vec![0x80; 9].into_iter().chain([0x01, 0xAC, 0x02, 0xFF]).collect()),
        ("request", b"GET /index.html HTTP/1.1\r\nhost: example.org\r\n\r\n".to_vec()),
        ("text", "gr\u{fc}n \u{2713} und so weiter".into()),
    ];
    if !cfg!(miri) {
        contents.extend([
            ("all", (0..=255).collect()),
            ("odd", pattern(5003)),
            ("page", pattern(4096)),
        ]);
    }
    contents
}

thread_local! {
    /// A panic that is part of a case says nothing.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether `f` panics.
fn panics(f: impl FnOnce()) -> bool {
    EXPECTED.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    EXPECTED.set(false);
    result.is_err()
}

/// Offsets and lengths to try with `len` bytes: the ends, and a few between.
fn places(len: usize) -> Vec<usize> {
    let mut places = vec![0, 1, 2, 3, 7, len / 3, len / 2, len.saturating_sub(1), len];
    places.retain(|&place| place <= len);
    places.sort_unstable();
    places.dedup();
    places
}

/// Offsets and lengths that are too large for `len` bytes.
fn beyond(len: usize) -> [usize; 4] {
    [len + 1, len + 1000, usize::MAX / 2 + 1, usize::MAX]
}

fn trials<S: Subject>(kinds: Vec<Kind<S>>, cases: impl Fn() -> Vec<Case<S>>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in kinds {
        for case in cases() {
            for (content, bytes) in contents() {
                let name = format!("{}::{}::{content}", kind.name, case.name);
                let (make, check) = (Arc::clone(&kind.make), case.check);
                let trial = move || {
                    let made = make(&bytes);
                    check(made.subject, &bytes);
                    for (other, before) in made.others {
                        assert_eq!(other, before, "bytes of another handle have changed");
                    }
                    Ok(())
                };
                trials.push(Trial::test(name, trial));
            }
        }
    }
    trials
}

fn readable<S: Subject>() -> Vec<Case<S>> {
    let mut cases = reading::cases();
    cases.extend(searching::cases());
    cases.extend(typed::cases());
    cases.extend(relating::cases());
    cases
}

fn main() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !EXPECTED.get() {
            report(info);
        }
    }));
    let mut args = Arguments::from_args();
    // Tens of thousands of lines would say no more than their number.
    args.quiet = !args.list && args.filter.is_none();
    let trials = [
        trials::<ByteView>(kinds::views(), readable),
        trials::<ByteBuf>(kinds::bufs(), || {
            let mut cases = readable();
            cases.extend(writing::buf_cases());
            cases.extend(numbers::appended());
            cases.extend(numbers::set());
            cases
        }),
        trials::<CompositeByteBuf>(kinds::composites(), || {
            let mut cases = readable();
            cases.extend(writing::composite_cases());
            cases.extend(numbers::set());
            cases
        }),
    ];
    let trials = trials.into_iter().flatten().collect();
    let baseline = ResourceBaseline::take();
    let conclusion = libtest_mimic::run(&args, trials);
    drop(baseline);
    conclusion.exit();
}
