//! A pool with `zero_on_release` leaves no copy of a secret in the memory of the process, whatever safe calls have made of it.

// It looks at memory that is free, which these tools forbid.
#![cfg(all(target_os = "linux", not(any(miri, asan, valgrind))))]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf, Pool, WriteQueue};
use bytes::{Buf, BufMut};
use resource_baseline::ResourceBaseline;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The bytes of a secret. They stand nowhere in this program.
fn secret_bytes() -> impl Iterator<Item = u8> {
    (0..SECRET_LEN as u32)
        .map(|i| b'a' + (i.wrapping_mul(i).wrapping_mul(0x9e37_79b1) >> 24) as u8 % 26)
}

const SECRET_LEN: usize = 96;

/// Returns where this process has the secret in its memory, as a core dump would show it.
fn copies() -> Vec<String> {
    use std::os::unix::fs::FileExt;
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut buffer = vec![0; 1 << 20];
    let own = buffer.as_ptr_range();
    let own = own.start.addr()..own.end.addr();
    let first = secret_bytes().next().unwrap();
    let mut found = Vec::new();
    for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let parse = |address| usize::from_str_radix(address, 16).unwrap();
        let (mut at, end) = (parse(start), parse(end));
        while at < end {
            let len = buffer.len().min(end - at);
            let Ok(len) = memory.read_at(&mut buffer[..len], at as u64) else { break };
            for place in memchr::memchr_iter(first, &buffer[..len]) {
                let is_own = own.contains(&(at + place));
                if !is_own && secret_bytes().eq(buffer[place..len].iter().copied().take(SECRET_LEN))
                {
                    found.push(format!("{:x} of {line}", at + place));
                }
            }
            // The next range begins before a secret that this one cuts.
            at += if at + len < end { len - SECRET_LEN } else { len };
        }
    }
    found
}

thread_local! {
    static UNTIL_EXIT: RefCell<Vec<ByteView>> = const { RefCell::new(Vec::new()) };
}

fn secret(pool: &Pool, capacity: usize) -> ByteBuf {
    let mut buffer = pool.alloc_with_headroom(8, capacity);
    secret_bytes().for_each(|byte| buffer.put_u8(byte));
    buffer
}

fn halves(pool: &Pool) -> CompositeByteBuf {
    let mut whole = secret(pool, 100);
    // A component of which no more fits its block, so that the composite joins small ones.
    let tail = whole.split_off(50);
    let apart = pool.copy_from_slice(&tail);
    CompositeByteBuf::from_iter([whole.freeze(), apart])
}

/// A name, and what a program does with buffers of a pool.
type Use = (&'static str, fn(&Pool));

const USES: &[Use] = &[
    ("drop", |pool| {
        [100, 5000, 100_000, 3 << 20].iter().for_each(|&size| drop(secret(pool, size)));
    }),
    ("clone", |pool| drop(secret(pool, 100).clone())),
    ("grow", |pool| {
        let mut buffer = secret(pool, 100);
        [1000, 100_000, 2 << 20, 6 << 20].iter().for_each(|&more| buffer.reserve(more));
    }),
    ("prepend", |pool| secret(pool, 100).prepend(&[1; 500])),
    ("extend from within", |pool| secret(pool, 100).extend_from_within(..)),
    ("discard", |pool| {
        let mut buffer = secret(pool, 300);
        buffer.extend_from_within(..);
        buffer.advance(10);
        buffer.discard_read();
    }),
    ("split and join", |pool| {
        let mut buffer = secret(pool, 100);
        let tail = buffer.split_off(40);
        let mut tail = tail.clone();
        tail.unsplit(buffer.clone());
        buffer.unsplit(tail);
    }),
    ("take back", |pool| {
        let view = secret(pool, 100).freeze();
        let twin = view.clone();
        drop(ByteBuf::from(view));
        drop(twin.try_into_mut().map(|mut buffer| buffer.reserve(1000)));
    }),
    ("compact", |pool| {
        let view = secret(pool, 20_000).freeze().slice(..SECRET_LEN);
        drop((view.clone().compact(), view.clone().compact_in(pool), view.try_copy()));
    }),
    ("text", |pool| {
        let text = ByteStr::from_utf8(secret(pool, 20_000).freeze()).unwrap();
        drop((text.slice(1..).compact(), text));
    }),
    ("consolidate", |pool| halves(pool).consolidate()),
    ("copy a composite", |pool| {
        let whole = halves(pool);
        drop((
            whole.to_byte_view(),
            whole.clone(),
            ByteView::from(whole.clone()),
            ByteBuf::from(whole),
        ));
    }),
    ("cut a composite", |pool| {
        let mut whole = halves(pool);
        let mut copy = whole.clone();
        drop(copy.copy_to_bytes(SECRET_LEN));
        drop((whole.slice(1..), whole.split_to(90)));
        whole.compact();
    }),
    ("poke", |pool| {
        let mut whole = halves(pool);
        let held = whole.clone();
        whole.try_make_writable(..).unwrap();
        let mut alone = secret(pool, 100);
        alone.set_u8(0, 1).unwrap();
        drop(held);
    }),
    ("small components", |pool| {
        let view = secret(pool, 100).freeze();
        let mut whole = CompositeByteBuf::new();
        for i in 0..view.len() {
            whole.push_back(view.slice(i..=i));
        }
        whole.consolidate();
    }),
    ("queue", |pool| {
        let mut queue = WriteQueue::new();
        let view = secret(pool, 100).freeze();
        for i in 0..view.len() {
            queue.push(view.slice(i..=i));
        }
        queue.push(view);
        queue.push(halves(pool));
        while !queue.flush_into(&mut io::sink()).unwrap().is_done() {}
    }),
    ("queue that is dropped", |pool| {
        let mut queue = WriteQueue::new();
        queue.push(secret(pool, 100));
        queue.push(halves(pool));
    }),
    ("Bytes", |pool| {
        let bytes = bytes::Bytes::from(secret(pool, 100).freeze());
        drop((bytes.slice(1..), ByteView::from(bytes)));
    }),
    ("panic", |pool| {
        let buffer = secret(pool, 100);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _held = (buffer.clone(), buffer);
            resume_unwind(Box::new(()));
        }));
        assert!(outcome.is_err());
    }),
    ("panic of a drop", |pool| {
        struct Panics(#[expect(dead_code, reason = "it is dropped")] ByteBuf);
        impl Drop for Panics {
            fn drop(&mut self) {
                resume_unwind(Box::new(()));
            }
        }
        let owner = Panics(secret(pool, 100));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(owner))).is_err());
    }),
    ("thread exit", |pool| {
        let view = secret(pool, 100).freeze();
        UNTIL_EXIT.with(|held| held.borrow_mut().extend([view.clone(), view]));
    }),
    ("aligned", |pool| {
        let mut buffer = pool.alloc_aligned(300, 4096).unwrap();
        buffer.put_slice(&secret(pool, 100));
        drop(buffer.split_to(10));
    }),
];

#[test]
fn no_copy_of_a_secret_outlives_its_handles() {
    let _baseline = ResourceBaseline::take();
    for (what, uses) in USES {
        let pool = Pool::builder().zero_on_release(true).build();
        // A thread of its own, which exits, and then one that stays.
        std::thread::scope(|scope| scope.spawn(|| uses(&pool)).join().unwrap());
        uses(&pool);
        UNTIL_EXIT.take();
        let left = copies();
        assert!(left.is_empty(), "{what}: {left:#?}");
        assert_eq!(pool.stats().live_blocks, 0, "{what}");
    }
    let mut found = Pool::builder().build().alloc(SECRET_LEN);
    secret_bytes().for_each(|byte| found.put_u8(byte));
    assert!(!copies().is_empty(), "the search finds what there is");
}
