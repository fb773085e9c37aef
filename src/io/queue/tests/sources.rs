//! Where the memory of copies comes from: the pool and the budget of what is copied.

use std::io::Write;
use std::sync::Arc;

use super::{Flush, Payload, WriteQueue};
use crate::buf::ByteView;
use crate::io::file::region::FileRegion;
use crate::pool::{Pool, block_size};
use crate::test_io::file_with;

/// A part that is the only one of its block.
fn small(pool: &Pool, text: &str) -> ByteView {
    pool.copy_from_slice(text.as_bytes())
}

fn used(tenant: &Pool) -> usize {
    tenant.budget_stats().unwrap().used
}

/// The sizes of the blocks that the queue holds, after everything else was dropped.
fn blocks(queue: &mut WriteQueue) -> (Vec<Payload>, usize) {
    let unsent = queue.take_unsent();
    let pinned = |part: &Payload| match part {
        Payload::Bytes(view) => view.pinned(),
        _ => 0,
    };
    let blocks = unsent.iter().map(pinned).sum();
    (unsent, blocks)
}

fn stream(mut queue: WriteQueue) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(queue.flush_into(&mut out).is_ok_and(Flush::is_done));
    out
}

#[test]
fn small_parts_of_a_budget_are_copied_into_memory_of_that_budget() {
    let tenant = Pool::builder().build().budget("tenant", 1 << 20);
    let mut queue = WriteQueue::new();
    for _ in 0..100 {
        queue.push(small(&tenant, "0123456789"));
    }
    assert_eq!(queue.stats().merged_bytes, 1000);
    let (unsent, blocks) = blocks(&mut queue);
    assert_eq!((unsent.len(), used(&tenant)), (1, blocks));
    drop(unsent);
    assert_eq!(used(&tenant), 0);
}

#[test]
fn parts_of_two_budgets_are_not_copied_together() {
    let pool = Pool::builder().build();
    let tenants = [pool.budget("one", 1 << 20), pool.budget("two", 1 << 20)];
    let mut queue = WriteQueue::new();
    for n in 0..20 {
        queue.push(small(&tenants[n / 5 % 2], "0123456789"));
    }
    let (unsent, blocks) = blocks(&mut queue);
    assert!(unsent.len() >= 4 && unsent.iter().map(Payload::len).sum::<u64>() == 200);
    assert!(tenants.iter().all(|tenant| used(tenant) > 0));
    assert_eq!(tenants.iter().map(used).sum::<usize>(), blocks);
}

#[test]
fn an_empty_buffer_of_another_pool_adds_nothing() {
    let [one, two] = [(); 2].map(|()| Pool::builder().build());
    let mut queue = WriteQueue::new();
    let push_empty = |queue: &mut WriteQueue| {
        let end = queue.pending_bytes();
        assert_eq!(queue.push(two.alloc(100)), end);
        assert_eq!(queue.push(two.alloc(100).freeze()), end);
    };
    push_empty(&mut queue);
    assert!(queue.is_empty() && queue.take_unsent().is_empty());
    for part in
        [small(&one, "first, "), small(&one, "second, "), one.copy_from_slice(&[b'-'; 5000])]
    {
        queue.push(part);
        push_empty(&mut queue);
    }
    let (unsent, _) = blocks(&mut queue);
    assert_eq!(unsent.iter().map(Payload::len).collect::<Vec<_>>(), [15, 5000]);
}

/// Static bytes, vectors and `push_copy` are of no pool: they go into the block that is there.
#[test]
fn bytes_of_no_pool_are_copied_beside_those_of_a_budget() {
    let tenant = Pool::builder().build().budget("tenant", 1 << 20);
    let mut queue = WriteQueue::new();
    queue.push("static, ");
    queue.push(small(&tenant, "pooled, "));
    queue.push_copy(b"copied, ");
    queue.push(b"vector".to_vec());
    assert_eq!(queue.stats().merged_bytes, 30);
    let (unsent, blocks) = blocks(&mut queue);
    assert_eq!((unsent.len(), used(&tenant)), (1, blocks));
    unsent.into_iter().for_each(|part| _ = queue.push(part));
    assert_eq!(stream(queue), b"static, pooled, copied, vector");
}

#[test]
fn parts_of_a_budget_without_memory_stay_apart_and_are_pushed_all_the_same() {
    let pool = Pool::builder().build();
    let tenant = pool.budget("tenant", 20 * block_size(10).unwrap());
    let parts: Vec<ByteView> = (0..20).map(|_| small(&tenant, "0123456789")).collect();
    assert!(tenant.try_alloc(1).is_err());
    let mut queue = WriteQueue::new();
    for (n, part) in parts.into_iter().enumerate() {
        assert_eq!(queue.push(part), 10 * (n as u64 + 1));
    }
    assert_eq!(queue.stats().merged_bytes, 0);
    assert_eq!(queue.push_copy(b"copied"), 206);
    assert_eq!(stream(queue), ["0123456789".repeat(20), "copied".into()].concat().into_bytes());
    assert_eq!(used(&tenant), 0);
}

#[test]
fn copies_of_secrets_are_in_memory_that_is_overwritten_on_release() {
    let secrets = Pool::builder().zero_on_release(true).build();
    let mut queue = WriteQueue::new();
    for n in 0..20 {
        queue.push_copy(b"public");
        queue.push(small(&secrets, if n % 2 == 0 { "secret" } else { "s" }));
        queue.push(ByteView::copy_from_slice(b"global"));
    }
    for part in queue.take_unsent() {
        let Payload::Bytes(view) = part else { unreachable!("there are no files") };
        let is_zeroed = view.block().is_some_and(|block| block.is_zeroed_on_release());
        let has_secret = view.split(|byte| *byte == b's').count() > 1;
        assert!(is_zeroed || !has_secret, "{view:?}");
    }
}

/// The header is copied in front of the file's contents, into memory of its own budget that has some.
#[test]
fn a_small_file_behind_a_header_of_a_budget_is_read_into_memory_of_that_budget() {
    let file = Arc::new(file_with(b"contents"));
    for (limit, writes) in [(1 << 20, 1), (block_size(6).unwrap(), 2)] {
        let tenant = Pool::builder().build().budget("tenant", limit);
        let mut queue = WriteQueue::new();
        queue.push(small(&tenant, "header"));
        queue.push(FileRegion::new(file.clone(), 0..8));
        let mut out = Chunks(Vec::new());
        assert!(queue.flush_into(&mut out).unwrap().is_done());
        assert_eq!((out.0.concat(), out.0.len()), (b"headercontents".to_vec(), writes));
        let peak = tenant.budget_stats().unwrap().peak;
        assert_eq!(peak > block_size(6).unwrap(), writes == 1);
        assert_eq!(used(&tenant), 0);
    }
}

/// Keeps the slices apart that it is offered.
struct Chunks(Vec<Vec<u8>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
