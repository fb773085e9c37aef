//! Clone, slice, split, freeze.

use bytebuf::{ByteBuf, ByteView};
use bytes::{Bytes, BytesMut};
use peers::race::{Bar, Bench, Contender, cpu};
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;

const DATA: [u8; 1000] = [7; 1000];

fn ours() -> ByteView {
    ByteView::copy_from_slice(&DATA)
}

fn bytes() -> Bytes {
    // From a `BytesMut`, so that the reference count exists from the start.
    BytesMut::from(&DATA[..]).freeze()
}

/// The same work with each kind of handle, on several buffers in turn. The methods of the kinds have the same names.
macro_rules! each {
    ($buffers:expr, $($name:literal: $new:expr),+; |$handle:ident| $work:expr) => {
        vec![$({
            let handles: Vec<_> = (0..$buffers).map(|_| $new).collect();
            Contender::cpu($name, move |n| {
                for _ in 0..n.div_ceil(handles.len()) {
                    for $handle in black_box(&handles[..]) {
                        black_box(&$work);
                    }
                }
            })
        }),+]
    };
}

/// Clones each handle, then cuts a hundred pieces of each clone, in turn.
macro_rules! cut {
    ($buffers:expr, $($name:literal: $new:expr),+; |$rest:ident| $work:expr) => {
        vec![$({
            let handles: Vec<_> = (0..$buffers).map(|_| $new).collect();
            Contender::cpu($name, move |n| {
                for _ in 0..n.div_ceil(100 * handles.len()) {
                    let mut rests = handles.clone();
                    for _ in 0..100 {
                        for $rest in black_box(&mut rests[..]) {
                            black_box(&$work);
                        }
                    }
                }
            })
        }),+]
    };
}

pub(crate) fn run(bench: &mut Bench) {
    bench.section("Sharing and cutting one buffer");
    share(bench, 1, "", &[Bar::Of(&["bytes"], 0.7)]);
    bench.section("Sharing and cutting 64 buffers in turn");
    share(bench, 64, ", 64 buffers", &[Bar::Of(&["bytes"], 1.0)]);
    bench.section("Writable buffers, and two threads");
    bench.race(
        "writable: split_to + drop",
        &[Bar::Of(&["bytes"], 0.7)],
        cut!(1, "bytebuf": ByteBuf::from(&DATA[..]), "bytes": BytesMut::from(&DATA[..]);
             |rest| rest.split_to(black_box(8))),
    );
    bench.race(
        "clone + drop, two threads on one buffer",
        &[Bar::Of(&["bytes"], 0.15)],
        vec![
            together("bytebuf", ours()),
            together("bytes", bytes()),
            together("Arc", Arc::new(DATA)),
        ],
    );
    bench.section("From writable to shared, and back");
    let filled = |len| {
        move || {
            let mut buf = ByteBuf::with_capacity(1000);
            buf.extend_from_slice(&DATA[..len]);
            buf
        }
    };
    let filled_bytes = |len| {
        move || {
            let mut buf = BytesMut::with_capacity(1000);
            buf.extend_from_slice(&DATA[..len]);
            buf
        }
    };
    for (name, len) in [("freeze, full", 1000), ("freeze, half full", 500)] {
        let contenders = vec![
            convert("bytebuf", filled(len), ByteBuf::freeze),
            convert("bytes", filled_bytes(len), BytesMut::freeze),
        ];
        bench.race(name, &[Bar::Most(2.5)], contenders);
    }
    let contenders = vec![
        convert("bytebuf", move || filled(500)().freeze(), |view| view.try_into_mut().ok()),
        convert("bytes", move || filled_bytes(500)().freeze(), |view| view.try_into_mut().ok()),
    ];
    bench.race("try_into_mut", &[Bar::Most(2.5)], contenders);
}

fn share(bench: &mut Bench, buffers: usize, of: &str, bars: &[Bar]) {
    bench.race(
        format!("clone + drop{of}"),
        bars,
        each!(buffers, "bytebuf": ours(), "bytes": bytes(), "Arc": Arc::<[u8]>::from(&DATA[..]),
              "ntex": ntex_bytes::Bytes::copy_from_slice(&DATA); |handle| handle.clone()),
    );
    bench.race(
        format!("slice + drop{of}"),
        bars,
        each!(buffers, "bytebuf": ours(), "bytes": bytes(),
              "ntex": ntex_bytes::Bytes::copy_from_slice(&DATA);
              |handle| handle.slice(black_box(100)..black_box(900))),
    );
    bench.race(
        format!("split_to + drop{of}"),
        bars,
        cut!(buffers, "bytebuf": ours(), "bytes": bytes(); |rest| rest.split_to(black_box(8))),
    );
    bench.race(
        format!("split_off + drop{of}"),
        bars,
        cut!(buffers, "bytebuf": ours(), "bytes": bytes();
             |rest| rest.split_off(rest.len() - black_box(8))),
    );
}

/// Measures the processor time per clone and drop while two threads clone one buffer.
fn together<T: Clone + Send + Sync + 'static>(name: &'static str, handle: T) -> Contender<'static> {
    Contender::new(name, move |n| {
        let start = Barrier::new(2);
        let work = || {
            start.wait();
            cpu(|| {
                for _ in 0..n {
                    black_box(&black_box(&handle).clone());
                }
            })
        };
        thread::scope(|scope| {
            let other = scope.spawn(work);
            let this = work();
            (this + other.join().expect("it only clones")) / 2.0
        })
    })
}

/// Measures the conversion of one kind of handle into another, with moves, without creation and drop.
fn convert<A: 'static, B>(
    name: &'static str,
    make: impl Fn() -> A + 'static,
    turn: impl Fn(A) -> B + Copy + 'static,
) -> Contender<'static> {
    const BATCH: usize = 512;
    Contender::new(name, move |n| {
        let mut before: Vec<A> = Vec::with_capacity(BATCH);
        let mut after: Vec<B> = Vec::with_capacity(BATCH);
        let mut time = 0.0;
        for _ in 0..n / BATCH {
            after.clear();
            before.extend((0..BATCH).map(|_| make()));
            // Many at once, because reading the clock takes as long as a hundred conversions.
            time += cpu(|| after.extend(black_box(&mut before).drain(..).map(turn)));
        }
        time
    })
}
