//! Runs one operation a given number of times; `benches/instructions.sh` counts its instructions.
//!
//! ```text
//! cargo bench --bench instructions -- list
//! cargo bench --bench instructions -- NAME COUNT
//! ```

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Pool, WriteQueue};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::hint::black_box;

const DATA: [u8; 1000] = [7; 1000];

type Operation = (&'static str, fn(usize));

const OPERATIONS: &[Operation] = &[
    ("alloc + drop, 64 B", |n| alloc(n, 64)),
    ("alloc + drop, 16 KiB", |n| alloc(n, 16 * 1024)),
    ("alloc + drop, 1 MiB", |n| alloc(n, 1 << 20)),
    ("alloc + drop, 64 held", |n| {
        let mut held: Vec<Option<ByteBuf>> = (0..64).map(|_| None).collect();
        (0..n).for_each(|i| held[i % 64] = Some(Pool::global().alloc(black_box(2048))));
    }),
    ("alloc + drop, two pools", |n| {
        let pools = [Pool::builder().build(), Pool::builder().build()];
        (0..n).for_each(|i| drop(black_box(pools[i % 2].alloc(black_box(1000)))));
    }),
    ("clone + drop", |n| {
        let view = ByteView::copy_from_slice(&DATA);
        (0..n).for_each(|_| drop(black_box(view.clone())));
    }),
    ("clone + drop of Bytes", |n| {
        let view = Bytes::copy_from_slice(&DATA);
        (0..n).for_each(|_| drop(black_box(view.clone())));
    }),
    ("slice + drop", |n| {
        let view = ByteView::copy_from_slice(&DATA);
        (0..n).for_each(|_| drop(black_box(view.slice(black_box(10)..black_box(20)))));
    }),
    ("freeze + try_into_mut", |n| {
        let mut buf = ByteBuf::from(&DATA[..]);
        (0..n).for_each(|_| {
            let view = std::mem::take(&mut buf).freeze();
            buf = black_box(view).try_into_mut().expect("there is no other handle");
        });
    }),
    ("put_u32", |n| {
        let mut buf = ByteBuf::with_capacity(4 * n);
        (0..n).for_each(|i| buf.put_u32(black_box(i as u32)));
        black_box(&buf);
    }),
    ("put_u32 of BytesMut", |n| {
        let mut buf = BytesMut::with_capacity(4 * n);
        (0..n).for_each(|i| buf.put_u32(black_box(i as u32)));
        black_box(&buf);
    }),
    ("get_u32", |n| {
        let mut view = ByteView::from(vec![7; 4 * n]);
        (0..n).for_each(|_| {
            black_box(view.get_u32());
        });
    }),
    ("message cut from a block", |n| {
        let mut block = ByteBuf::with_capacity(64 * 1024);
        let mut held: Vec<ByteView> = vec![ByteView::new(); 64];
        for i in 0..n {
            if block.len() < 204 {
                block = ByteBuf::with_capacity(64 * 1024);
                block.resize(64 * 1024, 0);
            }
            held[i % 64] = {
                block.get_u32();
                block.split_to(black_box(200)).freeze()
            };
        }
    }),
    ("peek_u32 in 4096 parts", |n| {
        let mut parts = CompositeByteBuf::new();
        (0..4096).for_each(|_| parts.push_back(ByteView::from_static(&DATA)));
        let places = parts.len() - 4;
        (0..n).for_each(|i| {
            black_box(parts.peek_u32(i.wrapping_mul(1_234_567) % places));
        });
    }),
    ("push + flush, 16 of 64 B", |n| push_and_flush(n, 16, 64)),
    ("push + flush, 64 of 500 B", |n| push_and_flush(n, 64, 500)),
    ("push + flush, 1 of 2000 B", |n| push_and_flush(n, 1, 2000)),
    ("push + flush, 30 of 2000 B", |n| push_and_flush(n, 30, 2000)),
    ("push_copy + flush, 1 of 100 B", |n| {
        let mut queue = WriteQueue::new();
        (0..n).for_each(|_| {
            queue.push_copy(black_box(&DATA[..100]));
            flush(&mut queue);
        });
    }),
];

/// Fills a queue with this many views, and sends it. Instructions of the kernel are not counted.
fn push_and_flush(n: usize, views: usize, size: usize) {
    let view = ByteView::from(vec![7; size]);
    let mut queue = WriteQueue::new();
    for _ in 0..n {
        (0..views).for_each(|_| _ = queue.push(black_box(view.clone())));
        flush(&mut queue);
    }
}

#[cfg(unix)]
fn flush(queue: &mut WriteQueue) {
    thread_local! {
        static NULL: std::fs::File = std::fs::File::create("/dev/null").expect("a null device");
    }
    NULL.with(|null| assert!(queue.flush(null).expect("it accepts all bytes").is_done()));
}

#[cfg(not(unix))]
fn flush(queue: &mut WriteQueue) {
    assert!(queue.flush_into(&mut std::io::sink()).expect("it accepts all bytes").is_done());
}

fn alloc(n: usize, size: usize) {
    (0..n).for_each(|_| drop(black_box(Pool::global().alloc(black_box(size)))));
}

fn main() {
    // `cargo bench` and `cargo test --benches` call each bench with their own arguments.
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    match &words[..] {
        [list] if list == "list" => OPERATIONS.iter().for_each(|(name, _)| println!("{name}")),
        [name, count] => {
            let count = count.parse().expect("a count");
            let found = OPERATIONS.iter().find(|(other, _)| other == name);
            found.unwrap_or_else(|| panic!("no operation is called {name}")).1(count);
        }
        _ => OPERATIONS.iter().for_each(|(_, run)| run(100)),
    }
}
