//! What a queue holds when it stops being writable, whatever was pushed: counted from what comes out of
//! it, not by what it counts itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Flush, Payload, WriteQueue};
use crate::buf::{ByteBuf, ByteView, CompositeByteBuf};
use crate::io::file::region::FileRegion;
use crate::pool::{Pool, block_size};

/// The promise of the default watermarks.
const MAX_FILES: usize = 64;
const MAX_MEMORY: usize = 1024 * 1024;

/// One push, of at most `MAX_PUSH` bytes in memory.
#[derive(Clone, Debug)]
enum Push {
    /// Part of a block of the pool: its length and the size of the block.
    View(usize, usize),
    /// The same, of a budget, or of one that this block uses up.
    Tenant {
        is_poor: bool,
        len: usize,
        block: usize,
    },
    /// The next bytes of the block that the last `View` or `Next` was cut from.
    Next(usize),
    /// A vector with spare capacity.
    Vector(usize, usize),
    Static(usize),
    Copy(usize),
    File(u64),
    Composite(Vec<(usize, usize)>),
}

const MAX_PUSH: usize = 64 * 1024;

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![1..4_usize, 1..1100_usize, 1000..1200_usize, 1..5000_usize, 1..MAX_PUSH]
}

fn block() -> impl Strategy<Value = usize> {
    prop_oneof![1..5000_usize, 60_000..70_000_usize, 1..300_000_usize, Just(1 << 20)]
}

fn a_push() -> impl Strategy<Value = Push> {
    prop_oneof![
        3 => (len(), block()).prop_map(|(len, block)| Push::View(len, block)),
        2 => (any::<bool>(), len(), block())
            .prop_map(|(is_poor, len, block)| Push::Tenant { is_poor, len, block }),
        2 => len().prop_map(Push::Next),
        1 => (len(), block()).prop_map(|(len, spare)| Push::Vector(len, spare)),
        1 => len().prop_map(Push::Static),
        2 => len().prop_map(Push::Copy),
        3 => prop_oneof![1..4_u64, 1..20_000_u64, 1..1_u64 << 40].prop_map(Push::File),
        1 => prop::collection::vec((1..2000_usize, block()), 1..30).prop_map(Push::Composite),
    ]
}

/// Few kinds of push, over and over: what a peer can have a server do.
fn pushes() -> impl Strategy<Value = Vec<Push>> {
    prop_oneof![prop::collection::vec(a_push(), 1..4), prop::collection::vec(a_push(), 1..40),]
}

fn view(len: usize, block: usize) -> ByteView {
    let mut buf = ByteBuf::with_capacity(block.max(len));
    buf.resize(len, 7);
    buf.freeze()
}

/// The source of `Next`, and that of budgets.
struct Source(ByteView, Pool);

impl Source {
    fn new() -> Self {
        Self(ByteView::new(), Pool::builder().build())
    }

    fn tenant(&self, is_poor: bool, len: usize, block: usize) -> ByteView {
        // What can't be copied may hold its whole block on top.
        let block = block.min(MAX_PUSH).max(len);
        let limit = if is_poor { block_size(block).unwrap() } else { usize::MAX };
        let mut buf = self.1.budget("tenant", limit).alloc(block);
        buf.resize(len, 7);
        buf.freeze()
    }
}

fn push(queue: &mut WriteQueue, push: &Push, source: &mut Source, file: &Arc<File>) {
    static BYTES: [u8; MAX_PUSH] = [7; MAX_PUSH];
    match *push {
        Push::View(len, block) => {
            source.0 = view(block.max(len), block);
            queue.push(source.0.split_to(len));
        }
        Push::Tenant { is_poor, len, block } => {
            queue.push(source.tenant(is_poor, len, block));
        }
        Push::Next(len) => {
            if source.0.len() < len {
                source.0 = view(256 * 1024, 0);
            }
            queue.push(source.0.split_to(len));
        }
        Push::Vector(len, spare) => {
            let mut vector = Vec::with_capacity(len + spare);
            vector.resize(len, 7);
            queue.push(vector);
        }
        Push::Static(len) => _ = queue.push(&BYTES[..len]),
        Push::Copy(len) => _ = queue.push_copy(&BYTES[..len]),
        Push::File(len) => _ = queue.push(FileRegion::new(file.clone(), 0..len)),
        Push::Composite(ref parts) => {
            let parts = parts.iter().map(|&(len, block)| view(len, block));
            queue.push(parts.collect::<CompositeByteBuf>());
        }
    }
}

/// Takes the queue apart: its files, and the memory that it kept from being freed.
fn held(queue: &mut WriteQueue) -> (usize, usize) {
    let (mut files, mut blocks) = (0, HashMap::new());
    for part in queue.take_unsent() {
        match part {
            Payload::Bytes(view) => {
                if let Some(block) = view.block() {
                    blocks.insert(block.data().as_ptr().addr(), view.pinned());
                }
            }
            Payload::File(_) => files += 1,
            Payload::Composite(_) => unreachable!("it is taken apart when it is pushed"),
        }
    }
    (files, blocks.values().sum())
}

/// Takes a number of bytes, and then would block.
struct Takes(usize);

impl Write for Takes {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let taken = buf.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    /// Also when some of it is sent in between, from a file that is as long as its regions say.
    #[test]
    fn an_unwritable_queue_holds_at_most_64_descriptors_and_1_mib(
        pushes in pushes(),
        sends in prop::collection::vec((0..20_usize, 0..100_000_usize), 0..4),
    ) {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(1 << 40).unwrap();
        let (mut queue, mut source) = (WriteQueue::new(), Source::new());
        let mut pushes = pushes.iter().cycle().enumerate();
        for (after, bytes) in sends.into_iter().chain([(usize::MAX, 0)]) {
            for (n, item) in pushes.by_ref() {
                if !queue.is_writable() || n > 3000 {
                    break;
                }
                push(&mut queue, item, &mut source, &file);
                if n % 20 == after {
                    break;
                }
            }
            if bytes > 0 {
                let flush = queue.flush_into(&mut Takes(bytes)).map(Flush::bytes);
                prop_assert!(flush.unwrap() <= bytes as u64);
            }
        }
        drop(source);
        let (files, memory) = held(&mut queue);
        prop_assert!(files <= MAX_FILES, "{files} files");
        prop_assert!(memory <= MAX_MEMORY, "{memory} bytes");
    }
}

/// Pushes until the queue is not writable, and returns how many pushes that took, and what was pending
/// and held then.
fn fill(mut item: impl FnMut(&mut WriteQueue)) -> (usize, u64, usize) {
    let mut queue = WriteQueue::new();
    let mut pushes = 0;
    while queue.is_writable() {
        item(&mut queue);
        pushes += 1;
    }
    let pending = queue.pending_bytes();
    (pushes, pending, held(&mut queue).1)
}

/// Bytes of different budgets are not copied together, so that each part has a block of its own.
#[test]
fn small_parts_of_many_budgets_hold_little() {
    let pool = Pool::builder().build();
    for (len, run) in [(1, 1), (1, 2), (1, 3), (10, 70), (500, 2), (1024, 3)] {
        let tenants = [pool.budget("one", usize::MAX), pool.budget("two", usize::MAX)];
        let part = |n: usize| {
            let mut buf = tenants[n / run % 2].alloc(len.max(600));
            buf.resize(len, 7);
            buf.freeze()
        };
        let mut n = 0..;
        let (pushes, pending, held) = fill(|queue| _ = queue.push(part(n.next().unwrap())));
        assert_eq!(pending, (pushes * len) as u64);
        assert!(held <= MAX_MEMORY, "{held} bytes in {pushes} parts of {len}, {run} in a row");
    }
}

#[test]
fn small_frames_of_large_blocks_are_copied_once_they_pin_too_much() {
    let (_, pending, held) = fill(|queue| _ = queue.push(view(256 * 1024, 0).split_to(1100)));
    assert!(pending > 60_000, "writable up to the bytes that are pending: {pending}");
    assert!(held < 512 * 1024, "{held}");
}

#[test]
fn frames_cut_from_one_block_in_order_are_not_copied_and_count_it_once() {
    let mut block = view(64 * 1024, 0);
    let (_, pending, held) = fill(|queue| _ = queue.push(block.split_to(2000)));
    assert!(pending > 60_000, "{pending}");
    assert_eq!(held, 64 * 1024);
    let mut queue = WriteQueue::new();
    let mut block = view(64 * 1024, 0);
    (0..30).for_each(|_| _ = queue.push(block.split_to(2000)));
    assert_eq!((queue.stats().merged_bytes, queue.parts.held().pinned), (0, 64 * 1024));
    assert!(queue.flush_into(&mut Takes(59_000)).is_ok());
    assert_eq!(queue.parts.held().pinned, 64 * 1024, "the last frame holds all of it");
    assert!(queue.flush_into(&mut Takes(1000)).unwrap().is_done());
    assert_eq!(queue.parts.held().pinned, 0);
}

/// The last frame counts the block for both, and is joined with the file while the first one still holds the block.
#[test]
fn frames_of_large_blocks_in_front_of_files_that_are_read_hold_little() {
    let file = Arc::new(crate::test_io::file_with(&[7; 100]));
    let (_, pending, held) = fill(|queue| {
        let mut block = view(256 * 1024, 0);
        queue.push(block.split_to(2000));
        queue.push(block.split_to(100));
        queue.push(FileRegion::new(file.clone(), 0..100));
        assert_eq!(queue.flush_into(&mut Takes(0)).unwrap(), Flush::WouldBlock(0));
    });
    assert!(pending > 30_000, "writable up to the bytes that are pending: {pending}");
    assert!(held <= MAX_MEMORY, "{held}");
}

#[cfg(all(target_os = "linux", feature = "io-uring"))]
#[test]
fn a_frame_in_flight_counts_its_block_when_the_frames_behind_it_are_taken_back() {
    let mut queue = WriteQueue::new();
    let mut block = view(256 * 1024, 0);
    queue.push(block.split_to(2000));
    queue.push(block.split_to(2000));
    let operation = queue.begin(2000).unwrap().unwrap();
    assert_eq!(queue.take_unsent().len(), 1);
    assert_eq!(queue.parts.held().pinned, 256 * 1024);
    assert_eq!(queue.settle(operation, 2000, 0).sent.unwrap(), 2000);
    assert_eq!(queue.parts.held().pinned, 0);
}

#[test]
fn one_large_buffer_shared_by_many_queues_is_not_copied() {
    let shared = view(60_000, 0);
    let mut queues: Vec<WriteQueue> = (0..100).map(|_| WriteQueue::new()).collect();
    for queue in &mut queues {
        queue.push(shared.clone());
        assert!(queue.is_writable());
        assert_eq!((queue.stats().merged_bytes, queue.parts.held().pinned), (0, 0));
    }
}

#[test]
fn the_rest_of_a_large_part_counts_the_block_until_it_is_sent() {
    let mut queue = WriteQueue::new();
    queue.push(view(1 << 20, 0));
    assert_eq!(
        queue.flush_into(&mut Takes((1 << 20) - 10)).unwrap(),
        Flush::WouldBlock((1 << 20) - 10)
    );
    assert!(!queue.is_writable(), "ten bytes hold a megabyte");
    assert!(queue.flush_into(&mut Takes(10)).unwrap().is_done());
    assert!(queue.is_writable());
}

#[test]
fn headers_of_small_files_hold_small_blocks_also_after_a_burst() {
    let file = Arc::new(tempfile::tempfile().unwrap());
    let mut queue = WriteQueue::new();
    (0..1000).for_each(|_| _ = queue.push_copy(&[7; 100]));
    while !queue.flush_into(&mut Takes(usize::MAX)).unwrap().is_done() {}
    let mut pairs = 0;
    while queue.is_writable() {
        queue.push_copy(b"h");
        queue.push(FileRegion::new(file.clone(), 0..1));
        pairs += 1;
    }
    let (files, memory) = held(&mut queue);
    assert!((50..=MAX_FILES).contains(&pairs) && files == pairs, "{pairs} pairs, {files} files");
    assert!(memory <= 64 * 1024 + pairs * 4096, "{memory}");
}

/// Elsewhere a snapshot is a copy in memory.
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
#[test]
fn a_mapped_file_is_not_memory_that_is_held() {
    let file = crate::test_io::file_with(&vec![7; 4 << 20]);
    let mapped = crate::io::MappedFile::snapshot(&file, 0..4 << 20).unwrap();
    let mut queue = WriteQueue::new();
    for at in 0..10 {
        queue.push(mapped.slice(at * 100_000..at * 100_000 + 2000));
    }
    assert_eq!((queue.stats().merged_bytes, queue.parts.held().pinned), (0, 0));
    assert!(queue.is_writable());
}
