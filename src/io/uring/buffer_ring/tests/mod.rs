//! A ring of buffers on a made-up kernel.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;
use crate::buf::{ByteBuf, ByteView};
use crate::pool::BudgetStats;
use crate::test_data::pattern;

mod kernel;

use kernel::{Completion, Kernel};

/// Small where an interpreter runs the models.
const BLOCK: usize = if cfg!(miri) { 64 } else { 4096 };

fn ring(pool: &Pool, entries: u16, consume: Consume) -> (BufferRing, Kernel) {
    let mut ring = BufferRing::new(pool, 7, entries, BLOCK, consume).unwrap();
    let kernel = register(&mut ring);
    (ring, kernel)
}

fn register(ring: &mut BufferRing) -> Kernel {
    let kernel = register_empty(ring);
    ring.refill();
    kernel
}

fn register_empty(ring: &mut BufferRing) -> Kernel {
    let mut kernel = None;
    let call = |registration| {
        kernel = Some(Kernel::new(registration));
        Ok(())
    };
    // SAFETY: the made-up kernel has the registration, and ends before it does.
    unsafe { ring.register(call) }.unwrap();
    kernel.expect("it was called")
}

fn unregister(ring: &mut BufferRing, _gone: Kernel) {
    // SAFETY: the kernel does nothing any more.
    unsafe { ring.unregister(|_| Ok(())) }.unwrap();
}

fn take(ring: &mut BufferRing, completion: &Completion) -> Taken {
    // SAFETY: one of the made-up kernel's, whose word is checked first in tests of wrong ones.
    unsafe { ring.take(completion.result, completion.flags) }
}

/// All that it brought, as the parts that it came in.
fn parts(taken: Taken) -> Vec<ByteBuf> {
    match taken.received {
        Received::Bytes(bytes) => vec![bytes],
        Received::Bundle(parts) => parts,
        other => panic!("no bytes: {other:?}"),
    }
}

fn is_refused(taken: &Taken) -> bool {
    matches!(&taken.received, Received::Failed(e) if e.kind() == io::ErrorKind::InvalidData)
}

#[derive(Clone, Debug)]
enum Do {
    Refill,
    Receive {
        len: usize,
        is_bundle: bool,
    },
    End {
        has_chosen: bool,
    },
    Cancel,
    /// One of the completions is taken: any of them, where blocks are used whole.
    Take(usize),
    /// Something that the kernel never said.
    Lie(i32, u32),
    DropView(usize),
    /// The group is unregistered; what has completed is taken before it is registered anew, or lost.
    RegisterAnew {
        takes_first: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let len = prop_oneof![1..200_usize, BLOCK - 1..BLOCK + 2, 1..6 * BLOCK];
    let step = prop_oneof![
        4 => Just(Do::Refill),
        8 => (len, any::<bool>()).prop_map(|(len, is_bundle)| Do::Receive { len, is_bundle }),
        1 => any::<bool>().prop_map(|has_chosen| Do::End { has_chosen }),
        1 => Just(Do::Cancel),
        8 => any::<usize>().prop_map(Do::Take),
        1 => (any::<i32>(), any::<u32>()).prop_map(|(result, flags)| Do::Lie(result, flags)),
        4 => any::<usize>().prop_map(Do::DropView),
        1 => any::<bool>().prop_map(|takes_first| Do::RegisterAnew { takes_first }),
    ];
    prop::collection::vec(step, 1..80)
}

struct Model {
    pool: Pool,
    ring: BufferRing,
    kernel: Kernel,
    completed: VecDeque<Completion>,
    /// What was received and is kept, with what it has to be.
    views: Vec<(ByteView, Vec<u8>)>,
    received: usize,
}

impl Model {
    /// More blocks than the ring has places, and fewer than can be kept.
    fn new(consume: Consume) -> Self {
        let pool = Pool::builder().build().budget("ring", 10 * BLOCK);
        let (ring, kernel) = ring(&pool, 8, consume);
        let (completed, views) = (VecDeque::new(), Vec::new());
        Self { pool, ring, kernel, completed, views, received: 0 }
    }

    fn apply(&mut self, step: Do) {
        match step {
            Do::Refill => {
                let empty = self.ring.refill();
                assert_eq!(empty, self.ring.stats().empty);
                assert!(empty == 0 || self.pool.try_alloc(BLOCK).is_err());
            }
            Do::Receive { len, is_bundle } => {
                let start = self.received;
                let bytes: Vec<_> = (start..start + len).map(|at| (at / 5) as u8).collect();
                let completion = self.kernel.receive(&bytes, is_bundle);
                self.received += completion.bytes.len();
                self.completed.push_back(completion);
            }
            Do::End { has_chosen } => self.completed.push_back(self.kernel.end(has_chosen)),
            Do::Cancel => {
                let (result, bytes) = (-libc::ECANCELED, Vec::new());
                self.completed.push_back(Completion { result, flags: 0, bytes });
            }
            Do::Take(which) if !self.completed.is_empty() => {
                let any = self.ring.consume == Consume::Whole;
                let which = if any { which % self.completed.len() } else { 0 };
                self.take(which);
            }
            Do::Lie(result, flags) => self.lie(result, flags),
            Do::DropView(which) if !self.views.is_empty() => {
                self.views.swap_remove(which % self.views.len());
            }
            Do::Take(_) | Do::DropView(_) => {}
            Do::RegisterAnew { takes_first } => {
                // SAFETY: the made-up kernel does nothing from here on, and is replaced.
                unsafe { self.ring.unregister(|_| Ok(())) }.unwrap();
                while takes_first && !self.completed.is_empty() {
                    self.take(0);
                }
                self.completed.clear();
                self.kernel = register(&mut self.ring);
            }
        }
        self.check();
    }

    fn take(&mut self, which: usize) {
        let completion = self.completed.remove(which).expect("it is there");
        let taken = take(&mut self.ring, &completion);
        assert_eq!(taken.is_armed, completion.flags & MORE != 0);
        match &taken.received {
            Received::Starved => assert_eq!(completion.result, -libc::ENOBUFS),
            Received::Cancelled => assert_eq!(completion.result, -libc::ECANCELED),
            Received::End => assert_eq!(completion.result, 0),
            Received::Failed(error) => panic!("{error}"),
            Received::Bytes(_) | Received::Bundle(_) => {
                let mut rest = &completion.bytes[..];
                for part in parts(taken) {
                    let bytes;
                    (bytes, rest) = rest.split_at(part.len());
                    assert!(part == *bytes, "other bytes than the kernel wrote");
                    self.views.push((part.freeze(), bytes.to_vec()));
                }
                assert!(rest.is_empty(), "bytes are missing");
            }
        }
    }

    /// What names no offered block, or more bytes than there are behind it, changes nothing. Any other word could be
    /// the kernel's.
    fn lie(&mut self, result: i32, flags: u32) {
        let id = (flags >> 16) as u16;
        let is_offered = self.ring.memory.blocks.offered().contains(&id);
        if flags & HAS_BUFFER == 0 || !is_offered || result > 8 * BLOCK as i32 {
            let before = (self.ring.stats(), self.ring.memory.blocks.offered().clone());
            // SAFETY: it is refused, or brings nothing.
            let taken = unsafe { self.ring.take(result, flags) };
            assert!(result <= 0 || is_refused(&taken), "{taken:?}");
            if result != -libc::ENOBUFS && (result > 0 || !is_offered) {
                assert_eq!((self.ring.stats(), self.ring.memory.blocks.offered().clone()), before);
            }
        }
    }

    /// The kernel may write to nothing that is kept, and to nothing twice.
    fn check(&self) {
        let mut ranges = self.kernel.ranges();
        for (view, bytes) in &self.views {
            assert!(view == bytes, "what was received has changed");
            let start = view.as_ptr().addr() as u64;
            ranges.push(start..start + view.len() as u64);
        }
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.is_sorted_by(|one, next| one.end <= next.start), "a block has two owners");
        let stats = self.ring.stats();
        assert_eq!(stats.offered + stats.empty, 8);
    }

    /// Nothing is left behind, in whatever order things end.
    fn end(self) {
        let Self { pool, mut ring, kernel, views, .. } = self;
        unregister(&mut ring, kernel);
        drop(ring);
        drop(views);
        Pool::flush_thread();
        assert_eq!(pool.stats().live_blocks, 0);
    }
}

proptest! {
    #[test]
    fn every_byte_arrives_once_and_no_block_has_two_owners(
        steps in steps(),
        consume in prop::sample::select(&[Consume::Whole, Consume::Incremental][..]),
    ) {
        let mut model = Model::new(consume);
        steps.into_iter().for_each(|step| model.apply(step));
        model.end();
    }
}

/// netty/netty#14827: a buffer was offered again while it was in use.
#[test]
fn a_block_is_not_offered_again_while_a_view_of_it_lives() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 1, Consume::Whole);
    let kept = parts(take(&mut ring, &kernel.receive(b"kept", false))).remove(0).freeze();
    for round in 0..100 {
        assert_eq!(ring.refill(), 0);
        let taken = take(&mut ring, &kernel.receive(&[round; BLOCK], false));
        assert_eq!(parts(taken)[0], [round; BLOCK][..]);
    }
    assert_eq!(kept, b"kept"[..]);
    unregister(&mut ring, kernel);
}

/// netty/netty#14869: an allocation that failed in the middle of a refill left the ring corrupt.
#[test]
fn a_pool_at_its_limit_leaves_places_empty_and_the_others_in_order() {
    let pool = Pool::builder().build().budget("three", 3 * BLOCK);
    let (mut ring, mut kernel) = ring(&pool, 4, Consume::Whole);
    assert_eq!((ring.refill(), kernel.offered().len()), (1, 3));
    let first = parts(take(&mut ring, &kernel.receive(b"first", false)));
    assert_eq!((ring.refill(), kernel.offered().len()), (2, 2));
    let rest = [b"second", b"third "].map(|bytes| take(&mut ring, &kernel.receive(bytes, false)));
    let rest = rest.map(parts);
    let starved = take(&mut ring, &kernel.receive(b"none", false));
    assert!(matches!(starved.received, Received::Starved) && !starved.is_armed);
    assert_eq!((ring.refill(), ring.stats().starved), (4, 1));
    assert_eq!([&first[0][..], &rest[0][0], &rest[1][0]], [&b"first"[..], b"second", b"third "]);
    drop((first, rest));
    Pool::flush_thread();
    assert_eq!((ring.refill(), kernel.offered().len()), (1, 3));
    unregister(&mut ring, kernel);
}

/// The function of a budget runs between two entries. Blocks that were offered before it panicked and that the kernel
/// did not get would be taken for the next ones of a bundle, with bytes that the kernel never wrote.
#[test]
fn the_kernel_gets_every_offered_block_when_a_shedder_panics() {
    let shed = |_: &BudgetStats| panic!("shedding fails");
    let pool = Pool::builder().build().budget_shedding("two", 2 * BLOCK, shed);
    let mut ring = BufferRing::new(&pool, 7, 4, BLOCK, Consume::Whole).unwrap();
    let mut kernel = register_empty(&mut ring);
    let refill = catch_unwind(AssertUnwindSafe(|| ring.refill()));
    assert!(refill.is_err());
    assert_eq!((ring.stats().offered, kernel.offered().len()), (2, 2));
    let bytes = pattern(2 * BLOCK, 0);
    assert!(parts(take(&mut ring, &kernel.receive(&bytes, true))).concat() == bytes);
    unregister(&mut ring, kernel);
}

/// netty/netty#15127: the id of a buffer was taken for its place in the ring. netty/netty#17568: a bundle that is
/// longer than a buffer was looked for in that buffer alone.
#[test]
fn a_bundle_continues_in_the_order_in_which_blocks_were_offered() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 8, Consume::Whole);
    // Taken in another order than they were offered, the ids come back in another order.
    let completions = [(); 8].map(|()| kernel.receive(b"x", false));
    for at in [4, 1, 7, 0, 6, 3, 5, 2] {
        _ = take(&mut ring, &completions[at]);
    }
    ring.refill();
    let offered = kernel.offered();
    assert!(!offered.is_sorted() && !offered.iter().rev().is_sorted());
    let bytes = pattern(3 * BLOCK + 5, 0);
    let bundle = kernel.receive(&bytes, true);
    assert_eq!((bundle.id(), bundle.result as usize), (offered[0], bytes.len()));
    let parts = parts(take(&mut ring, &bundle));
    assert_eq!(parts.iter().map(ByteBuf::len).collect::<Vec<_>>(), [BLOCK, BLOCK, BLOCK, 5]);
    assert!(parts.concat() == bytes);
    unregister(&mut ring, kernel);
}

/// netty/netty#14873 and #14925: buffers that returned to their ring had to be counted, and outlived it.
#[test]
fn what_was_received_outlives_the_ring_on_any_thread() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 2, Consume::Incremental);
    let first = parts(take(&mut ring, &kernel.receive(b"first ", false))).remove(0);
    let rest = parts(take(&mut ring, &kernel.receive(b"rest", false))).remove(0);
    unregister(&mut ring, kernel);
    drop(ring);
    let joined = std::thread::spawn(move || {
        let mut joined = first;
        joined.unsplit(rest);
        joined.freeze()
    });
    assert_eq!(joined.join().unwrap(), b"first rest"[..]);
}

/// axboe/liburing#1320: a bundle that empties the ring ends its request without an error.
#[test]
fn a_bundle_that_empties_the_ring_is_not_armed_and_not_starved() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 2, Consume::Whole);
    let taken = take(&mut ring, &kernel.receive(&pattern(2 * BLOCK + 1, 0), true));
    assert!(!taken.is_armed);
    assert_eq!((parts(taken).len(), ring.stats().offered, ring.stats().starved), (2, 0, 0));
    unregister(&mut ring, kernel);
}

#[test]
fn parts_of_a_block_that_is_still_filled_are_unique_and_can_be_written() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 1, Consume::Incremental);
    let mut first = parts(take(&mut ring, &kernel.receive(b"one", false))).remove(0);
    assert_eq!(first.capacity(), 3, "what follows is the kernel's");
    first[0] = b'O';
    let rest = pattern(BLOCK - 3, 0);
    let second = kernel.receive(&rest, false);
    assert_eq!(second.flags & BUFFER_MORE, 0);
    let second = parts(take(&mut ring, &second)).remove(0);
    // Growing takes another block.
    first.extend_from_slice(b" and more");
    assert_eq!(first, b"One and more"[..]);
    assert!(second == rest[..]);
    assert_eq!((ring.stats().empty, ring.refill()), (1, 0));
    unregister(&mut ring, kernel);
}

#[test]
fn a_block_that_was_filled_in_part_continues_in_the_next_registration() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 1, Consume::Incremental);
    let first = parts(take(&mut ring, &kernel.receive(b"before", false))).remove(0);
    unregister(&mut ring, kernel);
    let mut kernel = register(&mut ring);
    assert_eq!(ring.stats().bytes, BLOCK - 6);
    let second = parts(take(&mut ring, &kernel.receive(b"after", false))).remove(0);
    assert_eq!((first, second), (ByteBuf::from(&b"before"[..]), ByteBuf::from(&b"after"[..])));
    assert_eq!(pool.stats().live_blocks, 1);
    unregister(&mut ring, kernel);
}

#[test]
fn places_and_tail_wrap_around() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 2, Consume::Whole);
    let rounds: u32 = if cfg!(miri) { 10 } else { 70_000 };
    for round in 0..rounds {
        let taken = take(&mut ring, &kernel.receive(&round.to_ne_bytes(), false));
        assert_eq!(parts(taken)[0], round.to_ne_bytes()[..]);
        assert_eq!(ring.refill(), 0);
    }
    unregister(&mut ring, kernel);
}

#[test]
fn a_completion_that_does_not_match_changes_nothing() {
    let pool = Pool::builder().build();
    for consume in [Consume::Whole, Consume::Incremental] {
        let (mut ring, kernel) = ring(&pool, 2, consume);
        let id = |id: u32| HAS_BUFFER | id << 16;
        let first = u32::from(kernel.offered()[0]);
        let more = BUFFER_MORE;
        let mut wrong =
            vec![(1, 0), (1, id(2)), (i32::MAX, id(0)), (2 * BLOCK as i32 + 1, id(first))];
        if consume == Consume::Incremental {
            // It can't go on being filled where it ends.
            wrong.extend([(BLOCK as i32, id(first) | more), (2 * BLOCK as i32, id(first) | more)]);
        }
        for (result, flags) in wrong {
            let before = ring.stats();
            // SAFETY: it is refused.
            let taken = unsafe { ring.take(result, flags) };
            assert!(is_refused(&taken), "{result} {flags:x}: {taken:?}");
            assert_eq!((ring.stats(), kernel.offered().len()), (before, 2));
        }
        unregister(&mut ring, kernel);
    }
}

#[test]
fn a_registered_ring_that_is_dropped_leaves_its_memory_to_the_kernel() {
    let pool = Pool::builder().build();
    let (mut ring, mut kernel) = ring(&pool, 2, Consume::Whole);
    // SAFETY: nothing is unregistered.
    let error = unsafe { ring.unregister(|_| Err(io::ErrorKind::NotFound.into())) }.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    // Taken back below, as the test is to leave nothing behind.
    let memory = std::ptr::from_mut(&mut *ring.memory);
    // SAFETY: the copy is the only one that is dropped.
    let mut memory = ManuallyDrop::new(unsafe { memory.read() });
    drop(ring);
    Pool::flush_thread();
    assert_eq!(pool.stats().live_blocks, 2);
    assert_eq!(kernel.receive(b"late", false).result, 4);
    // SAFETY: as above.
    unsafe { ManuallyDrop::drop(&mut memory) };
    assert_eq!(pool.stats().live_blocks, 0);
}

#[test]
fn a_registration_that_fails_leaves_nothing_behind() {
    let pool = Pool::builder().build();
    let mut ring = BufferRing::new(&pool, 1, 4, BLOCK, Consume::Incremental).unwrap();
    // SAFETY: nothing is registered.
    let error = unsafe { ring.register(|_| Err(io::Error::from_raw_os_error(libc::EINVAL))) };
    assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    ring.refill();
    drop(ring);
    Pool::flush_thread();
    assert_eq!(pool.stats().live_blocks, 0);
}

#[test]
fn sizes_that_no_kernel_takes_are_refused() {
    let pool = Pool::builder().build();
    let too_large = i32::MAX as usize + 1;
    for (entries, block) in [(0, 1), (3, 1), (u16::MAX, 1), (4, 0), (4, too_large), (4, usize::MAX)]
    {
        let error = BufferRing::new(&pool, 0, entries, block, Consume::Whole).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{entries} {block}");
    }
    assert!(BufferRing::new(&pool, 0, 1 << 15, 1, Consume::Whole).is_ok());
}
