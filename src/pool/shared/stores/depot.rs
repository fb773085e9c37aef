//! The depot: full *rounds* of free blocks of one class, which threads exchange as a whole.
//!
//! After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001). The depot is a list under a lock that is held for a few
//! instructions. The queues of crossbeam are faster (push + pop 12 ns instead of 27 on one thread), but do not fit:
//! `SegQueue` allocates in `push`, and creating an `ArrayQueue` aborts the process when there is no memory. Returning
//! memory must not allocate, and a failed allocation must be an error. An `ArrayQueue` created in advance takes 1.4 KiB
//! for each class and pool.

use crate::memory::header::HeaderRef;
use crate::memory::try_box::try_box;
use crate::pool::tuning::{MAX_ROUND, MAX_ROUND_BYTES};
use crate::sync::{Mutex, lock};

/// Returns the number of blocks of `size` bytes in a full round.
pub(crate) const fn round_of(size: usize) -> usize {
    let n = MAX_ROUND_BYTES / size;
    if n == 0 {
        1
    } else if n > MAX_ROUND {
        MAX_ROUND
    } else {
        n
    }
}

/// An array of free blocks of one class.
pub(crate) struct Round {
    next: Option<Box<Self>>,
    len: usize,
    /// The sum of the last requested lengths of the blocks.
    requested: usize,
    blocks: [Option<HeaderRef>; MAX_ROUND],
}

impl Round {
    /// Returns an empty round, or `None` if there is no memory for it.
    pub(crate) fn try_new() -> Option<Box<Self>> {
        try_box(Self { next: None, len: 0, requested: 0, blocks: [None; MAX_ROUND] })
    }

    /// Copies blocks into an empty round, at most [`MAX_ROUND`].
    pub(crate) fn fill(&mut self, blocks: &[HeaderRef]) {
        self.len = blocks.len().min(MAX_ROUND);
        self.requested = blocks[..self.len].iter().map(|block| block.slab_requested()).sum();
        for (place, &block) in self.blocks.iter_mut().zip(blocks) {
            *place = Some(block);
        }
    }

    /// Takes all blocks out of the round.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = HeaderRef> {
        let len = std::mem::take(&mut self.len);
        self.blocks[..len].iter().copied().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The depot of a class: full rounds, and empty rounds for reuse.
///
/// An exchange of a full and an empty round takes the lock once. While blocks flow from thread to thread, the cache
/// line of the lock moves from core to core with each use. So it shares no line with other data, nor a pair of lines,
/// as processors fetch lines in pairs: the alignment is 128 bytes.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Rounds(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    full: List,
    empty: List,
    blocks: usize,
    requested: usize,
}

impl Rounds {
    /// Adds a full round. Returns an empty one, if there is one.
    pub(crate) fn push(&self, round: Box<Round>) -> Option<Box<Round>> {
        let mut lists = lock(&self.0);
        lists.blocks += round.len;
        lists.requested += round.requested;
        lists.full.push(round);
        lists.empty.pop()
    }

    /// Takes the full round that was added last. Stores the caller's empty one, if there is one.
    pub(crate) fn pop(&self, empty: Option<Box<Round>>) -> Option<Box<Round>> {
        let mut lists = lock(&self.0);
        if let Some(empty) = empty {
            lists.empty.push(empty);
        }
        let round = lists.full.pop()?;
        lists.blocks -= round.len;
        lists.requested -= round.requested;
        Some(round)
    }

    /// Frees the empty rounds.
    pub(crate) fn free_empty_rounds(&self) {
        let empty = std::mem::take(&mut lock(&self.0).empty);
        drop(empty);
    }

    /// Returns the number of blocks in the depot, and the sum of their last requested lengths.
    pub(crate) fn contents(&self) -> (usize, usize) {
        let lists = lock(&self.0);
        (lists.blocks, lists.requested)
    }
}

/// A stack of rounds: the last one pushed is the first one popped.
#[derive(Default)]
struct List(Option<Box<Round>>);

impl List {
    fn push(&mut self, mut round: Box<Round>) {
        round.next = self.0.take();
        self.0 = Some(round);
    }

    fn pop(&mut self) -> Option<Box<Round>> {
        let mut round = self.0.take()?;
        self.0 = round.next.take();
        Some(round)
    }
}

impl Drop for List {
    /// Drops the nodes in a loop: recursion could overflow the stack.
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
